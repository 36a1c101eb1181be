#!/usr/bin/env python
r"""Trains one student by every method with one equal budget and puts the results into one table.

  python tools/compare_methods.py --data ROOT --teacher FILE --student mobilenetv3_small_100 --epochs 5 \
      --batch-size 64 --out work_dirs/comparison

ROOT/train and ROOT/val hold a folder a class; training uses no labels. All methods get the same images,
epochs, batch, image size and optimiser, and their published views and losses, except for the changes in RUNS
below; --teacher is a checkpoint with a projection head. A second call skips what is done, and calls with
different --only can run side by side. The last output is a Markdown table of all results in OUT.
"""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import kept, run_cli, unknown  # noqa: E402
from distill.results.protocol import declared  # noqa: E402


@dataclass(frozen=True)
class Run:
    """One row: a method of ``configs/_base_`` and where its teacher comes from.

    Attributes:
        teacher: ``cached`` (its embeddings), ``live`` (the method needs more than embeddings),
            ``prototypes`` (with the centres of its embeddings, like SwAV's), ``trained`` (the same
            architecture, trained together with the student), or None.
        options: changes to the config that the size of the data and of the budget require.
        lr: the optimiser's, where the common one does worse; --lr does not change it.
        warmup: epochs until the full learning rate.
    """

    method: str
    teacher: str | None = "cached"
    options: dict = field(default_factory=dict)
    lr: float | None = None
    warmup: float = 0.0


def _views(**settings) -> dict:
    return {f"train_dataloader.dataset.augmentation.{key}": value for key, value in settings.items()}


# 3,000 prototypes, 16,384 negatives and 6 small views are for a million images
PROTOTYPES = 300
FEW_VIEWS = _views(small_views=2)
# A random small network maps two strongly coloured views of a picture to unrelated places, and so small a
# budget does not change that: methods without a pretrained teacher see milder views.
MILD_VIEWS = _views(type="SimCLRAugmentation", strength=0.5, blur=0.0, scale=(0.2, 1.0), views=2)
# Where views agree less than epsilon / temperature, clusters fade instead of growing, until all pictures
# share one code. So epsilon is small, and prototypes are frozen until there is something to follow.
CLUSTERED = {
    **FEW_VIEWS,
    **_views(strength=0.25, scale=(0.4, 1.0), small_scale=(0.14, 0.4)),
    "model.prototypes": 100,
    "model.projection": 32,
    "model.epsilon": 0.02,
    "model.queue_length": 0,
    "model.prototypes_frozen_until_epoch": 2,
}
# With the published momentum the keys would stay random during so short a run. With a faster key encoder a
# long queue's keys are so old that a query differs from them by its age alone, whatever the picture shows.
FRESH_KEYS = {"model.momentum": 0.99, "model.queue_length": 256, "model.shuffle_groups": 2}
# heads as wide as the teacher's, as in the released code; large crops, in which pixels show similar things
PIXELS = _views(scale=(0.4, 1.0)) | {"model.hidden": 512}
FROM_NOTHING = dict(lr=1e-3, warmup=0.5)  # the targets are noise at first
ONLINE = {"model.online_teacher.channels_last": True, "model.online_teacher.zero_init_last": True}
RUNS = {
    "CompRess-1q": Run("compress_1q"),
    "CompRess-2q": Run("compress_2q"),
    "CompRess-2q, momentum 0.5": Run("compress_2q", options={"model.momentum": 0.5}),
    "SEED": Run("seed"),
    "SEED, small patches": Run("seed_small_patches", "live", FEW_VIEWS | {"model.small_patches": 2}),
    "OSS": Run("oss", "trained", CLUSTERED | ONLINE, **FROM_NOTHING),
    "OSS offline": Run("oss_offline", "prototypes", FEW_VIEWS),
    "PCD": Run("pcd", "live", PIXELS),
    "PCD, vectorised": Run("pcd_vectorised", "live", PIXELS),
    "CRD": Run("crd", options={"model.negatives": 2048}, lr=1e-3),
    "cluster classification": Run("cluster_classification"),
    "Reg": Run("reg"),
    "Reg-BN": Run("reg_bn"),
    "feature matching": Run("feature_matching", "live", lr=1e-2, warmup=0.5),
    "probabilistic transfer": Run("probabilistic_transfer"),
    "SEED's l2 distance": Run("seed_l2"),
    "SEED's k-means": Run("seed_kmeans", lr=1e-3),
    "SEED's online clustering": Run("seed_online_clustering"),
    "SEED's binary contrastive": Run("seed_binary_contrastive"),
    "MoCo-v2": Run("moco_v2", None, MILD_VIEWS | FRESH_KEYS, **FROM_NOTHING),
    "SwAV": Run("swav", None, CLUSTERED, **FROM_NOTHING),
    "BYOL": Run("byol", None, MILD_VIEWS | {"model.momentum": 0.99}, **FROM_NOTHING),
    "SimCLR": Run("simclr", None, MILD_VIEWS, **FROM_NOTHING),
}
UNASKED = {name: protocol for name, protocol in declared().items() if protocol.default}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", required=True, metavar="ROOT")
    parser.add_argument("--teacher", required=True, metavar="FILE")
    parser.add_argument("--student", required=True, metavar="NAME")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=3e-3, help="of rows without their own (default 0.003)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="work_dirs/comparison")
    parser.add_argument("--only", metavar="METHODS", help="some rows: config names, separated by commas")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def cached(args: argparse.Namespace, output: str) -> Path:
    """The cache of the teacher's ``backbone`` or ``head`` embeddings."""
    from distill.targets import Teacher
    from distill.targets.cached import write_cache

    folder = Path(args.out) / f"cache_{output}"
    view = {"type": "CentreCrop", "size": args.image_size, "resize": args.image_size}
    teacher = Teacher(args.teacher, output=output)
    if write_cache(folder, teacher, f"{args.data}/train", view, "float32", workers=args.workers):
        print(f"teacher embeddings in {folder}")
    return folder


def with_prototypes(args: argparse.Namespace) -> Path:
    """The teacher with the k-means centres of its embeddings in place of SwAV's prototypes."""
    import numpy as np
    import torch
    from torch.nn import functional as F

    from distill.backbones import Backbone
    from distill.checkpoints import read_weights, save_student
    from distill.modules.kmeans import kmeans

    path = Path(args.out) / "teacher_with_prototypes.pth"
    if not path.exists():
        rows = torch.from_numpy(np.load(cached(args, "head") / "embeddings.npy").astype(np.float32))
        count = min(PROTOTYPES, len(rows))
        centres = F.normalize(kmeans(F.normalize(rows, dim=1), count, 20, 1, args.seed), dim=1)
        found = read_weights(args.teacher)
        save_student(
            path, Backbone.from_weights(found).net, found.arch, found.mean, found.std, args.image_size,
            head=found.head, prototypes=centres,
        )  # fmt: skip
    return path


def train(args: argparse.Namespace, name: str, run: Run) -> Path:
    """Runs the method; returns the student's file."""
    from mmengine.config import Config

    from distill import pretrain
    from distill.checkpoints import read_weights
    from distill.engine.config_root import config_root

    teacher, cache = args.teacher, None
    if run.teacher is None:
        teacher = None
    elif run.teacher == "prototypes":
        teacher = str(with_prototypes(args))
    elif run.teacher == "trained":
        teacher = read_weights(args.teacher).arch
    elif run.teacher == "cached":
        base = Config.fromfile(config_root() / "_base_" / f"{run.method}.py")
        cache = str(cached(args, "backbone" if base.model.teacher.output == "backbone" else "head"))
    optimizer = dict(type="AdamW", lr=run.lr or args.lr, weight_decay=0.01)
    options = {
        **run.options,
        "model.student.channels_last": True,
        "model.student.zero_init_last": True,  # in few steps blocks that start as identities learn faster
        "optim_wrapper": dict(type="OptimWrapper", optimizer=optimizer, _delete_=True),
        "param_scheduler": _schedule(args.epochs, run.warmup),
    }
    return pretrain(
        run.method, f"{args.data}/train", args.student, teacher, teacher_cache=cache,
        work_dir=str(Path(args.out) / file_name(name)), resume=True, seed=args.seed, launcher="none",
        epochs=args.epochs, batch_size=args.batch_size, image_size=args.image_size, workers=args.workers,
        cfg_options=options,
    )  # fmt: skip


def _schedule(epochs: int, warmup: float) -> list[dict]:
    """A linear warm-up, then a cosine to 0, updated at every step."""
    common = dict(by_epoch=True, convert_to_iter_based=True)
    cosine = dict(type="CosineAnnealingLR", begin=warmup, end=epochs, T_max=epochs - warmup, **common)
    if not warmup:
        return [cosine]
    return [dict(type="LinearLR", start_factor=0.01, begin=0, end=warmup, **common), cosine]


def file_name(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())


def measure(args: argparse.Namespace, name: str, weights, init: str) -> None:
    """Evaluates frozen features and adds a row to ``results.jsonl`` for each protocol that has none."""
    from distill import results
    from distill.backbones import Backbone
    from distill.evaluation import Extraction, build, evaluate, list_labelled

    folders = [list_labelled(Path(args.data) / part) for part in ("train", "val")]
    extraction = Extraction(args.image_size, args.image_size, workers=args.workers)
    file = Path(args.out) / "results.jsonl"
    measured = {row["task"] for row in results.find(results.read(file), label=name)}
    evaluators = [build(task, args.seed) for task in UNASKED if task not in measured]
    for result in evaluate(Backbone.from_weights(weights), *folders, evaluators, extraction):
        results.append(file, result.row(name, init, weights, args.seed))


def table(rows: list[dict]) -> list[str]:
    """Markdown: what the protocols that run unasked measured, sorted by the first column, best first."""
    found: dict[str, dict] = {}
    for row in rows:
        found.setdefault(row["label"], {})[row["task"]] = row["metrics"]
    whole = {name: tasks for name, tasks in found.items() if tasks.keys() >= UNASKED.keys()}
    columns = {
        (task, metric): f"{protocol.title}, {protocol.read_as(metric)}"
        for task, protocol in UNASKED.items()
        for metric in protocol.metrics
        if all(metric in tasks[task] for tasks in whole.values())
    }
    from distill.report.markdown import quoted

    lines = [f"| network | {' | '.join(map(quoted, columns.values()))} |", "|---" * (len(columns) + 1) + "|"]
    values = {name: [tasks[task][metric] for task, metric in columns] for name, tasks in whole.items()}
    for name in sorted(values, key=values.get, reverse=True):
        lines.append(f"| {quoted(name)} | {' | '.join(f'{value:.1f}' for value in values[name])} |")
    return lines


def main() -> None:
    args = parser().parse_args()
    from distill import results
    from distill.checkpoints import init_of, random_weights, read_weights

    methods = sorted({run.method for run in RUNS.values()})
    chosen = args.only.split(",") if args.only else methods
    for method in chosen:
        if method not in methods:
            raise unknown("method", method, methods)
    file = Path(args.out) / "results.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)

    def done(name: str) -> bool:
        return {row["task"] for row in results.find(results.read(file), label=name)} >= UNASKED.keys()

    with kept(lambda: f"what is done is kept in {args.out}, the same command goes on", args.out):
        for name, run in RUNS.items():
            if run.method in chosen and not done(name):
                print(f"\n== {name}", flush=True)
                weights = read_weights(train(args, name, run))
                measure(args, name, weights, init_of(weights))
        if not args.only:
            for name, weights, init in (
                ("teacher", read_weights(args.teacher), "teacher"),
                (f"random {args.student}", random_weights(args.student, args.seed), "random"),
            ):
                if not done(name):
                    measure(args, name, weights, init)
    print("\n".join(table(results.read(file))))


if __name__ == "__main__":
    run_cli(main)

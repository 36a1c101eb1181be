"""Every kind of run: its command, the command after a kill, and what must be the same bit for bit."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from distill import results
from distill.engine.training_states import training_states
from tests.kill.material import Material

TIMES = ("time", "seconds")
OF_THE_RESUME = ("resumed_from",)
OF_THE_FOLDER = ("annotations",)  # the path of a split below it


@dataclass(frozen=True)
class Kind:
    """One kind of run.

    Attributes:
        command: tool and arguments; it writes into ``run``, below the folder that it is started in.
        again: what the command has more after a kill.
        result: the folder -> what must be equal; a dict of names to tensors, bytes or plain values.
        share: its part of all kills.
        needs: the package that must be installed.
    """

    command: tuple[str, ...]
    result: Callable[[Path], dict]
    again: tuple[str, ...] = ()
    share: int = 1
    needs: str = "distill"

    @property
    def missing(self) -> bool:
        return find_spec(self.needs) is None


def files(folder: Path) -> dict:
    """Every file byte for byte, and no other file."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def training(folder: Path) -> dict:
    """The student, and the newest training state: weights, queues, optimiser, schedule, epoch and step."""
    state = torch.load(training_states(folder)[0], weights_only=True)
    meta = {key: state["meta"][key] for key in ("epoch", "iter", "seed")}
    parts = {key: state[key] for key in ("state_dict", "optimizer", "param_schedulers")}
    return {"last.pth": torch.load(folder / "last.pth", weights_only=True), "meta": meta, **parts}


def rows(folder: Path) -> dict:
    """The newest row of every task and seed, without its times."""
    found = results.read(folder / "results.jsonl")
    return {f"{row['task']} {row['seed']}": _timeless(row) for row in found}


def _timeless(value: object) -> object:
    if isinstance(value, dict):
        left_out = (*TIMES, *OF_THE_RESUME, *OF_THE_FOLDER)
        return {key: _timeless(each) for key, each in value.items() if key not in left_out}
    return value


def transfer(folder: Path) -> dict:
    """The row, and the last checkpoint: weights and optimiser."""
    (last,) = {path.parent for path in folder.rglob("last_checkpoint")}
    name = Path((last / "last_checkpoint").read_text()).name
    state = torch.load(last / name, weights_only=False)
    weights = state.get("state_dict", state.get("model"))
    optimizer = state.get("optimizer") or state["trainer"]["optimizer"]
    return {"rows": rows(folder), "weights": weights, "optimizer": optimizer}


def cells(folder: Path) -> dict:
    """The rows of a sweep, and the student of every cell."""
    students = {
        str(path.relative_to(folder)): torch.load(path, weights_only=True)["backbone"]
        for path in sorted(folder.glob("cells/*/run/last.pth"))
    }
    return {"rows": rows(folder), "students": students}


def kinds(given: Material) -> dict[str, Kind]:
    """Name -> kind, for these files."""
    return {
        "distil compress_1q": _distil(given, "compress_1q", given.teacher),
        "distil moco_v2": _distil(given, "moco_v2", None),
        "distil oss": _distil(given, "oss", "mobilenetv3_small_050", *CLUSTERS),
        "distil pcd": _distil(given, "pcd", given.teacher, *MAPS, side=64),
        "teacher cache": Kind(
            _words("cache_teacher.py", "--data", given.images, "--teacher", given.teacher, "--out", "run",
                   "--image-size", 64, "--batch-size", 1, "--workers", 2), files, share=10,
        ),
        "pack": Kind(
            _words("pack_images.py", given.photos, "--out", "run", "--max-side", 150, "--shard-size", 0.1,
                   "--workers", 2), files, share=10,
        ),
        "evaluate": Kind(
            _words("evaluate.py", given.student, "--data", given.labelled, "--results", "run/results.jsonl",
                   "--protocols", "knn,linear,linear_crops", "--image-size", 32, "--batch-size", 8,
                   "--workers", 0, "--features", "run/features", "--cfg-options",
                   "linear_crops.epochs=4"), rows, share=10,
        ),
        "transfer detectron2": _transfer(given, "voc07_det", "detectron2"),
        "transfer mmdet": _transfer(given, "coco_lowshot_1k", "mmdet", "--split-size", 2),
        "transfer mmseg": _transfer(given, "voc12_seg", "mmseg"),
        "report": Kind(_words("report.py", given.rows, "--out", "run"), files, share=4),
        "convert": Kind(
            _words("convert_backbone.py", given.student, "--to", "timm", "--out", "run"), files, share=4
        ),
        "sweep": Kind(
            _words("sweep.py", "--grid", "model.temperature=0.1,0.2", "--data", given.labelled,
                   "--protocols", "knn", "--evaluation", "--workers 0 --image-size 32", "--out", "run", "--",
                   "--method", "simclr", "--data", given.images, "--student", "test_resnet", "--epochs", 3,
                   "--batch-size", 8, "--image-size", 32, "--workers", 0), cells, share=3,
        ),
    }  # fmt: skip


MAPS = ("model.hidden=32", "model.attention_width=32")
CLUSTERS = (
    "model.hidden=32", "model.projection=16", "model.prototypes=12", "model.queue_length=4",
    "model.queue_start_epoch=0", "model.prototypes_frozen_until_epoch=0",
    "train_dataloader.dataset.augmentation.small_views=2",
)  # fmt: skip


def _distil(given: Material, method: str, teacher: Path | str | None, *options: str, side: int = 32) -> Kind:
    """30 steps, with a state after every third."""
    taught = ("--teacher", teacher) if teacher else ()
    command = _words(
        "distill.py", "--method", method, "--data", given.images, *taught, "--student", "test_efficientnet",
        "--epochs", 6, "--batch-size", 5, "--image-size", side, "--workers", 2, "--seed", 3,
        "--work-dir", "run", "--cfg-options", "default_hooks.checkpoint.by_epoch=False",
        "default_hooks.checkpoint.interval=3", *options,
    )  # fmt: skip
    return Kind(command, training, again=("--resume",), share=10)


def _transfer(given: Material, benchmark: str, framework: str, *options: object) -> Kind:
    """30 steps, with a checkpoint after the 25th."""
    command = _words(
        "-m", "transfer.run", benchmark, "test_resnet", "--smoke", "--init", "random", "--gpus", 0,
        "--image-size", 64, "--batch-size", 2, "--max-steps", 30, "--data-root", given.scenes,
        "--work-dir", "run", *options,
    )  # fmt: skip
    return Kind(command, transfer, share=7, needs=framework)


def _words(*parts: object) -> tuple[str, ...]:
    return tuple(map(str, parts))

"""``python -m transfer.run BENCHMARK CHECKPOINT``: fine-tunes a backbone and measures it, seed by seed."""

import argparse
import importlib.util
import statistics
from dataclasses import replace
from pathlib import Path

from distill import results
from distill.errors import UserError, run_cli
from transfer.benchmarks import BENCHMARKS, Protocol, get_protocol
from transfer.jobs.job import Job
from transfer.jobs.launch import launch
from transfer.jobs.make import Initial, find_data, make_jobs, make_schedule, read_initial, resized

MODULES = {"detectron2": ("detectron2",), "mmdet": ("mmcv", "mmdet"), "mmseg": ("mmcv", "mmseg")}
NAMES = {"detectron2": "Detectron2", "mmdet": "MMDetection", "mmseg": "MMSegmentation"}


def parser() -> argparse.ArgumentParser:
    """The command line of ``tools/run_transfer.sh``."""
    parser = argparse.ArgumentParser(
        prog="run_transfer.sh",
        description="Fine-tunes a backbone on a benchmark and appends one row a seed to results.jsonl. "
        "The papers' settings are the default; an interrupted run continues when started again.",
    )
    add = parser.add_argument
    add("benchmark", metavar="BENCHMARK", help=", ".join(BENCHMARKS))
    add("checkpoint", metavar="CHECKPOINT", help="weights; with --init random also a model name")
    add("--init", default="distilled", metavar="{distilled,random,FILE}", help="where the weights come from")
    add("--data-root", help="folder of the data (default: data; with --smoke the embedded demo data)")
    add("--seeds", nargs="+", type=int, metavar="N", help="how many, or which (default: the protocol's)")
    add("--gpus", type=int, help="GPUs to train on, 0 for the CPU (default: all there are)")
    add("--work-dir", default="work_dirs/transfer", help="folder of runs and results.jsonl (%(default)s)")
    add("--smoke", action="store_true", help="a run of about a minute on two CPU cores, not the protocol")
    add("--max-steps", type=int, help="a shorter schedule, milestones scaled along")
    add("--batch-size", type=int, help="images a step over all GPUs; lr and steps follow by the linear rule")
    add("--image-size", type=int, metavar="SIDE", help="shorter side of the pictures")
    add("--crop-size", type=int, nargs=2, metavar=("H", "W"), help="training crop of segmentation")
    add("--split-size", metavar="N|all", help="images in a low-shot split; all: no splits")
    add("--output-stride", type=int, help="of segmentation backbones: 8, 16 or 32 (default: the protocol's)")
    add("--classes", nargs="+", metavar="NAME", help="class names (default: read from the data)")
    add("--arch", help="model name, where the checkpoint does not tell")
    add("--label", help="name of the rows in reports (default: the checkpoint's)")
    add("--workers", type=int, help="data-loading processes a GPU (default: 2; 0 on the CPU)")
    add("--traceback", action="store_true", help="show where an error came from")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Runs every seed that has no row yet; raises UserError at the first that fails."""
    options = parser().parse_args(argv)
    protocol = adapt(get_protocol(options.benchmark), options)
    _check_installed(protocol)
    gpus = _count_gpus(options.gpus)
    seeds = parse_seeds(options.seeds, 1 if options.smoke else protocol.seeds)
    initial = read_initial(options.checkpoint, options.init, options.label, options.arch)
    work_dir = Path(options.work_dir)
    root = options.data_root or (_write_demo(work_dir) if options.smoke else "data")
    classes = tuple(options.classes) if options.classes else None
    splits = work_dir / protocol.name / "splits"
    data = find_data(protocol, root, classes, protocol.split_size, splits)
    schedule, lines = make_schedule(protocol, data.train_images, gpus, options.batch_size, options.max_steps)
    where = f"{gpus} GPU{'s' if gpus > 1 else ''}" if gpus else "CPU"
    print(f"{protocol.name}: {NAMES[protocol.framework]}, {where}; {initial.init} {initial.arch} "
          f"({initial.weights or 'no checkpoint'})")  # fmt: skip
    print(f"settings:        {'a quick try, not the protocol' if options.smoke else protocol.source}")
    print(f"data:            {data.root}: {data.train_images} training images, {len(data.classes)} classes")
    print("\n".join(lines), flush=True)
    # On a CPU the training itself takes every core.
    workers = (2 if gpus else 0) if options.workers is None else options.workers
    jobs = make_jobs(protocol, initial, data, schedule, seeds, gpus, workers, work_dir)
    rows = [run_seed(job, initial, work_dir / "results.jsonl") for job in jobs]
    print(summary(rows))
    print(f"results: {work_dir / 'results.jsonl'}")


def adapt(protocol: Protocol, options: argparse.Namespace) -> Protocol:
    """The protocol with ``--smoke`` and the sizes the user asked for."""
    if options.smoke:
        changes = dict(protocol.smoke)
        model = {**protocol.model, **changes.pop("model", {})}
        protocol = replace(protocol, model=model, images_per_gpu=changes["schedule"].batch, **changes)
    if options.split_size is not None:
        if protocol.split_size is None:
            raise UserError(f"--split-size: {protocol.name} has no splits; coco_lowshot_1k and _10k do")
        protocol = replace(protocol, split_size=parse_split_size(options.split_size))
    if options.output_stride is not None:
        if "output_stride" not in protocol.model:
            raise UserError(f"--output-stride: {protocol.name} has none; voc12_seg and cityscapes_seg do")
        protocol = replace(protocol, model={**protocol.model, "output_stride": options.output_stride})
    crop = tuple(options.crop_size) if options.crop_size else None
    return replace(protocol, size=resized(protocol.size, options.image_size, crop))


def parse_split_size(text: str) -> int:
    """Images in a split; 0 stands for ``all``."""
    if text == "all":
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--split-size {text}: give a number of images, or all")
    return int(text)


def parse_seeds(given: list[int] | None, count: int) -> list[int]:
    """``None`` -> 0 .. count-1, ``[5]`` -> 0 .. 4, ``[3, 7]`` -> those."""
    if given and len(given) > 1:
        if min(given) < 0 or len(set(given)) < len(given):
            raise UserError(f"--seeds {' '.join(map(str, given))}: seeds are different numbers from 0 on")
        return given
    count = given[0] if given else count
    if count < 1:
        raise UserError(f"--seeds {count}: give how many seeds, at least 1, or a list of seeds")
    return list(range(count))


def run_seed(job: Job, initial: Initial, path: Path) -> dict:
    """The row of one seed: the one already there, or that of a run made now and appended."""
    settings = job.settings()
    known = results.find(
        results.read(path), task=job.benchmark, label=initial.label, init=initial.init, seed=job.seed
    )
    for row in known:
        if {key: row["settings"].get(key) for key in settings} == settings:
            print(f"seed {job.seed}: skipped, {path} has its row of {row['time']}: {_told(row)}", flush=True)
            return row
    print(f"seed {job.seed}: {job.folder}", flush=True)
    outcome = launch(job)
    row = results.make_row(
        task=job.benchmark,
        label=initial.label,
        init=initial.init,
        backbone=job.arch,
        seed=job.seed,
        metrics=outcome["metrics"],
        checkpoint=initial.weights or f"random:{job.arch}",
        sha256=job.sha256,
        settings={**settings, "resumed_from": outcome["resumed_from"]},
        seconds=outcome["seconds"],
    )
    results.append(path, row)
    print(f"seed {job.seed}: {_told(row)} in {row['seconds']:.0f} s", flush=True)
    return row


def _told(row: dict) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in row["metrics"].items())


def summary(rows: list[dict]) -> str:
    """Mean and sample standard deviation of every metric over the seeds."""
    first = rows[0]
    told = []
    for name in first["metrics"]:
        values = [row["metrics"][name] for row in rows]
        spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        told.append(f"{name} {statistics.fmean(values):.2f}{spread}")
    seeds = f"{len(rows)} seed{'s' if len(rows) > 1 else ''}"
    return f"{first['task']}, {first['label']} ({first['init']}), {seeds}: {', '.join(told)}"


def _check_installed(protocol: Protocol) -> None:
    missing = [name for name in MODULES[protocol.framework] if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"{protocol.name} needs {NAMES[protocol.framework]}: {', '.join(missing)} is not installed; "
            "`python tools/doctor.py` says how to install it"
        )


def _count_gpus(wanted: int | None) -> int:
    import torch

    there = torch.cuda.device_count()
    if wanted is None:
        return there
    if not 0 <= wanted <= there:
        raise UserError(f"--gpus {wanted}: this machine has {there}; 0 trains on the CPU")
    return wanted


def _write_demo(work_dir: Path) -> str:
    from distill.demo.world import write_demo

    return str(write_demo(work_dir / "demo_data"))


if __name__ == "__main__":
    run_cli(main)

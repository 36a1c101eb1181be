#!/usr/bin/env python
"""What an evaluation of many images costs: seconds for features and protocols beside FAISS alone, memory.

  python tools/benchmark_evaluation.py
  python tools/benchmark_evaluation.py --images 5000 --classes 20 --processes 1

The images are small JPEG files, made for this measurement and removed after it: first a tenth, then all; a
twentieth of as many are validated on. The seconds of features are those of a command that makes them less
those of the same command when they are there, so without its start. FAISS alone is what its users would
write: the same search, and Lloyd's iterations from the same centroids. Memory is the largest that a process
of the command had.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from distill.errors import UserError, run_cli  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--images", type=int, default=100_000, help="for training (default 100000)")
    add("--classes", type=int, default=100)
    add("--arch", default="resnet18", help="network, of random weights (default resnet18)")
    add("--image-size", type=int, default=32)
    add("--processes", type=int, nargs="+", default=[1, 2], help="that share the images (default 1 and 2)")
    add("--where", metavar="DIR", help="where to make the files (default: /tmp)")
    add("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> None:
    args = parser().parse_args()
    if args.images < 10 * args.classes or args.classes < 2:
        raise UserError("valid: at least 2 classes, and 10 images of each")
    with tempfile.TemporaryDirectory(dir=args.where) as folder:
        os.environ["DISTILL_CACHE"] = f"{folder}/cache"
        print("images   what                        seconds", flush=True)
        for images in (args.images // 10, args.images):
            data = Path(folder, str(images))
            for part, count in (("train", images), ("val", max(images // 20, args.classes))):
                make_pictures(data / part, count, args.classes)
            for line in measure(args, data):
                print(f"{images:<8,} {line}", flush=True)


def make_pictures(folder: Path, count: int, classes: int) -> None:
    """``count`` JPEG files of 40 x 40 noise around a colour for each class."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(count)
    for number in range(count):
        label = number % classes
        path = folder / f"{label:04d}" / f"{number:07d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = np.array([label * 37 % 256, label * 91 % 256, label * 153 % 256])
        pixels = (colour + random.integers(-60, 60, (8, 8, 3))).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).resize((40, 40)).save(path)


def measure(args: argparse.Namespace, data: Path):
    """A line for each thing that was timed."""
    from distill.results.rows import read

    for processes in args.processes:
        features = data / f"features-{processes}"
        (made, _), (taken, memory) = (command(args, data, features, processes) for _ in range(2))
        title = f"features, {processes} process{'es' if processes > 1 else ''}"
        yield f"{title:26} {made - taken:8.2f}"
    rows = {row["task"]: row["seconds"] for row in read(data / "results.jsonl")}
    beside = dict(beside_faiss(features, args.classes))
    for task, seconds in rows.items():
        yield f"{task:26} {seconds:8.2f}"
    for title, (ours, alone) in beside.items():
        yield f"{title:26} {ours:8.2f}" + (f"   FAISS alone {alone:.2f}" if alone else "")
    yield f"{'start, all protocols':26} {taken:8.2f}   memory {memory / 1e9:.2f} GB"


def command(args: argparse.Namespace, data: Path, features: Path, processes: int) -> tuple[float, int]:
    """Seconds and largest memory in bytes of an evaluation."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    size = str(args.image_size)
    words = [
        sys.executable, *(torchrun if processes > 1 else []), str(ROOT / "tools/evaluate.py"), "--random",
        "--arch", args.arch, "--data", str(data), "--image-size", size, "--resize", size, "--workers", "0",
        "--features", str(features), "--results", str(data / "results.jsonl"),
    ]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(errors.strip().splitlines()[-1])
    return time.perf_counter() - started, usage.ru_maxrss * 1024


def beside_faiss(features: Path, classes: int):
    """Of each search that protocols use: a title, the seconds of ours and of FAISS alone (0 without it)."""
    import numpy as np
    import torch

    from distill.evaluation.neighbours import nearest
    from distill.modules.kmeans import STARTS, kmeans

    train, val = (torch.from_numpy(np.load(features / part / "embeddings.npy")) for part in ("train", "val"))
    unit = torch.nn.functional.normalize(train)
    start = STARTS["random"](unit, classes, torch.Generator().manual_seed(0))
    try:
        import faiss
    except ImportError:
        faiss = None

    def search():
        index = faiss.IndexFlatIP(train.shape[1])
        index.add(unit.numpy())
        index.search(torch.nn.functional.normalize(val).numpy(), 20)

    def lloyd():
        settings = dict(niter=20, min_points_per_centroid=1, max_points_per_centroid=len(unit))
        faiss.Kmeans(train.shape[1], classes, **settings).train(unit.numpy(), init_centroids=start.numpy())

    for title, ours, alone in (
        ("20 nearest neighbours", lambda: nearest(val, train, 20), search),
        ("k-means, 20 iterations", lambda: kmeans(unit, classes, 20, 1, seed=0, start="random"), lloyd),
    ):
        yield title, (best_of_three(ours), best_of_three(alone) if faiss else 0.0)


def best_of_three(run) -> float:
    def seconds() -> float:
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    return min(seconds() for _ in range(3))


if __name__ == "__main__":
    run_cli(main)

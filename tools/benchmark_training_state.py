#!/usr/bin/env python
"""Time and memory of a training state: written and read here, and by mmengine's own functions.

  python tools/benchmark_training_state.py --length 32000 --width 8192

The state holds one queue of --length rows of --width single-precision numbers. Training waits until the
system has the state and goes on while the disk takes it; mmengine's function returns when the system has it.
Memory is what the process holds beyond the queue itself at the highest point, looked at every 2 ms; pages of
a mapped file are not counted, because the system takes them back when it needs them. The files are removed
afterwards.
"""

import argparse
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import run_cli  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--length", type=int, default=32000, help="rows of the queue (default 32000)")
    parser.add_argument("--width", type=int, default=8192, help="numbers a row (default 8192)")
    parser.add_argument("--folder", metavar="DIR", default=".", help="where to write (default: here)")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> None:
    args = parser().parse_args()
    import torch
    from mmengine.runner import save_checkpoint

    from distill.engine.training_states import read_training_state
    from distill.results.atomic import begin_tensors

    logging.disable(logging.WARNING)  # mmengine's remarks on its own file functions
    queue = torch.rand(args.length, args.width)
    state = {"meta": {}, "state_dict": {"queue.anchors": queue}}
    print(f"a queue of {args.length} x {args.width}, {queue.nbytes / 1e9:.2f} GB")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        halves, ours, theirs = [], Path(folder) / "ours.pth", Path(folder) / "theirs.pth"
        ways = {
            "training waits": lambda: halves.append(begin_tensors(ours, state)),
            "the disk takes": lambda: halves.pop()(),
            "written by mmengine": lambda: save_checkpoint(state, str(theirs)),
            "read here": lambda: queue.copy_(read_training_state(ours)["state_dict"]["queue.anchors"]),
            "read by torch.load": lambda: queue.copy_(torch.load(theirs)["state_dict"]["queue.anchors"]),
        }
        for name, way in ways.items():
            seconds, memory = cost(way)
            print(f"{name:20} {seconds:6.1f} s  {memory / 1e6:8.0f} MB of memory beside it", flush=True)


def cost(way: Callable[[], object]) -> tuple[float, float]:
    """Seconds that ``way`` takes, and bytes of memory that it holds at most beyond those held before."""
    before, highest, done = held(), 0, threading.Event()

    def look() -> None:
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, held())

    watcher = threading.Thread(target=look)
    watcher.start()
    started = time.perf_counter()
    way()
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    return seconds, max(highest - before, 0)


def held() -> int:
    """Bytes of this process's own memory, without mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


if __name__ == "__main__":
    run_cli(main)

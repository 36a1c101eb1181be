#!/usr/bin/env python
"""What a large folder of images costs at the start of a run: seconds to list it, memory of all processes.

  python tools/benchmark_index.py
  python tools/benchmark_index.py --images 100000 --folders 100 --ranks 2 --workers 4

The images are empty files, made for this measurement and removed after it. Seconds are those to open them and
to have their fingerprint, without imports: in a first process, which lists them, and in a second one. Memory
is that of training processes with their workers, each of which has read its share of the names in random
order, over that of the same processes with one image.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import run_cli  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--images", type=int, default=1_280_000)
    parser.add_argument("--folders", type=int, default=1000)
    parser.add_argument("--ranks", type=int, default=8, help="training processes (default 8)")
    parser.add_argument("--workers", type=int, default=8, help="of each of them (default 8)")
    parser.add_argument("--where", metavar="DIR", help="where to make the files (default: /tmp)")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> None:
    args = parser().parse_args()
    with tempfile.TemporaryDirectory(dir=args.where) as folder:
        os.environ["DISTILL_CACHE"] = f"{folder}/cache"
        started = time.perf_counter()
        make_files(Path(folder, "many"), args.images, args.folders)
        make_files(Path(folder, "one"), 1, 1)
        seconds = time.perf_counter() - started
        print(f"{args.images:,} files in {args.folders:,} folders, made in {seconds:.1f} s", flush=True)
        time.sleep(2.5)  # until then a change could not be told from their making
        for start in ("first", "second"):
            ((seconds, worked),), _ = measure(f"{folder}/many", 1, 0)
            print(f"  {start + ' start':28} {seconds:8.2f} s, {worked:.2f} s of them at work", flush=True)
        measure(f"{folder}/one", 1, 0)
        spent, (pss, uss) = measure(f"{folder}/many", args.ranks, args.workers)
        _, (pss_of_one, uss_of_one) = measure(f"{folder}/one", args.ranks, args.workers)
    title = f"{args.ranks} processes, the slowest"
    print(f"  {title:28} {max(seconds for seconds, _ in spent):8.2f} s")
    print(f"memory of {args.ranks} processes x {args.workers} workers, over that with one image")
    print(f"  {'in all, shared pages once':28} {(pss - pss_of_one) / 1e6:8.1f} MB")
    print(f"  {'of it in one process alone':28} {(uss - uss_of_one) / 1e6:8.1f} MB")


def make_files(root: Path, images: int, folders: int) -> None:
    """Empty files with names like ImageNet's."""
    for number in range(folders):
        folder = root / f"n{number:08d}"
        folder.mkdir(parents=True)
        for image in range(number, images, folders):
            os.close(os.open(f"{folder}/{folder.name}_{image // folders}.JPEG", os.O_CREAT | os.O_WRONLY))


def measure(root: str, ranks: int, workers: int) -> tuple[list[tuple[float, float]], tuple[int, int]]:
    """What each process spent to open the images, and bytes of memory of all, by PSS and by USS.

    Seconds of the clock and of the processor: on a busy machine it waits for others in between.
    """
    import multiprocessing

    spawn = multiprocessing.get_context("spawn")
    ready, end, told = spawn.Semaphore(0), spawn.Event(), spawn.Queue()
    os.environ["WORLD_SIZE"] = str(ranks)
    fixed = (root, workers, ready, end, told)
    started = [spawn.Process(target=train, args=(rank, ranks, *fixed)) for rank in range(ranks)]
    for process in started:
        process.start()
    spent, pids = zip(*(told.get() for _ in started), strict=True)
    for _ in range(ranks * workers):
        ready.acquire()
    memory = [memory_of(pid) for group in pids for pid in group]
    end.set()
    for process in started:
        process.join()
    return list(spent), tuple(map(sum, zip(*memory, strict=True)))


def train(rank: int, ranks: int, root: str, workers: int, ready, end, told) -> None:
    """A training process as far as its images go."""
    import gc

    from distill.data.image_files import open_images

    started, worked = time.perf_counter(), time.process_time()
    images = open_images(root)
    images.fingerprint  # noqa: B018
    spent = time.perf_counter() - started, time.process_time() - worked
    gc.freeze()  # else a collection would write to every page that workers share
    children = []
    for worker in range(workers):
        pid = os.fork()
        if pid == 0:
            load(images, rank * workers + worker, ranks * workers, ready, end)
            os._exit(0)
        children.append(pid)
    told.put((spent, [os.getpid(), *children]))
    end.wait()
    for pid in children:
        os.waitpid(pid, 0)


def load(images, share: int, of: int, ready, end) -> None:
    """A worker: it reads as many names as its share of an epoch has."""
    import random

    chosen = random.Random(share)
    for _ in range(len(images) // of):
        images.name(chosen.randrange(len(images)))
    ready.release()
    end.wait()


def memory_of(pid: int) -> tuple[int, int]:
    """Bytes of a process: with its part of shared pages (PSS), and those that are its own (USS).

    Programs and libraries are left out: their part depends on what else runs on this machine.
    """
    pss = uss = 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, *values = line.split()
        if not name.endswith(":"):  # a mapping begins; its file comes last
            counted = ".so" not in line and "/bin/" not in line
        elif counted:
            pss += int(values[0]) if name == "Pss:" else 0
            uss += int(values[0]) if name in ("Private_Clean:", "Private_Dirty:") else 0
    return 1024 * pss, 1024 * uss


if __name__ == "__main__":
    run_cli(main)

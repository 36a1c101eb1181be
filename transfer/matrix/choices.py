"""What the command line chooses: benchmarks, seeds, splits and devices."""

import argparse
import os

from distill.errors import UserError
from transfer.benchmark import Benchmark, benchmarks, find_benchmark
from transfer.jobs.queue import Place

ALL = "all"


def choose_benchmarks(options: argparse.Namespace) -> list[Benchmark]:
    """The one named; with ``all`` those of ``--benchmarks``, or all there are."""
    if options.benchmark != ALL and options.benchmarks:
        raise UserError(f"--benchmarks chooses among {ALL}: write {ALL} instead of {options.benchmark}")
    names = [options.benchmark]
    if options.benchmark == ALL:
        names = options.benchmarks.split(",") if options.benchmarks else list(benchmarks())
    chosen = [find_benchmark(name.strip()) for name in dict.fromkeys(names)]
    return [benchmark.for_smoke() for benchmark in chosen] if options.smoke else chosen


def parse_split_size(text: str | None, benchmark: Benchmark) -> int | None:
    """Images in a low-shot split; None: no splits, every seed trains on all images."""
    if text is None:
        return benchmark.split_size
    if benchmark.split_size is None:
        having = ", ".join(name for name, other in benchmarks().items() if other.split_size)
        raise UserError(f"--split-size: {benchmark.name} has no splits; {having} have")
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--split-size {text}: give a number of images, or all")
    return int(text)


def parse_seeds(given: list[int] | None, count: int, alone: int | None = None) -> list[int]:
    """``None`` -> 0 .. count-1, ``[5]`` -> 0 .. 4, ``[3, 7]`` -> those; or the one that stands alone."""
    if alone is not None:
        if given:
            raise UserError("--seed is one seed, --seeds how many, or which: give one of the two")
        return [alone]
    if given and len(given) > 1:
        if min(given) < 0 or len(set(given)) < len(given):
            raise UserError(f"--seeds {' '.join(map(str, given))}: seeds are different numbers from 0 on")
        return given
    count = given[0] if given else count
    if count < 1:
        raise UserError(f"--seeds {count}: give how many seeds, at least 1, or a list of seeds")
    return list(range(count))


def choose_places(gpus: int | None, gpus_per_job: int | None, alone: bool) -> list[Place]:
    """Where jobs run side by side: the CPU, or groups of GPUs.

    Args:
        gpus: how many to use; None: all there are; 0: the CPU.
        gpus_per_job: how many one job trains on; None: all of them if ``alone``, else one.
        alone: a single benchmark was named.

    Raises:
        UserError: more GPUs than there are.
    """
    import torch

    there = torch.cuda.device_count()
    if gpus is not None and not 0 <= gpus <= there:
        raise UserError(f"--gpus {gpus}: this machine has {there}; 0 trains on the CPU")
    gpus = there if gpus is None else gpus
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return divide((named or [str(number) for number in range(there)])[:gpus], gpus_per_job, alone)


def divide(devices: list[str], per_job: int | None, alone: bool) -> list[Place]:
    """Groups of GPUs, the last ones left over if they are too few for a job; one empty group: the CPU.

    >>> divide(["0", "1", "2", "3", "4"], 2, alone=False)
    [('0', '1'), ('2', '3')]
    """
    if per_job is not None and not 1 <= per_job <= len(devices):
        raise UserError(f"--gpus-per-job {per_job}: there are {len(devices)} GPUs to use")
    if not devices:
        return [()]
    per_job = per_job or (len(devices) if alone else 1)
    starts = range(0, len(devices) - per_job + 1, per_job)
    return [tuple(devices[start : start + per_job]) for start in starts]

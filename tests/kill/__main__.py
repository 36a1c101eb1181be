"""Kills runs of every kind at random moments and compares what they end in with runs that nobody killed.

  python -m tests.kill --kills 100 --seed 0

Moments are drawn evenly from a whole run's length. A line for each chain of kills; the count at the end.
"""

import argparse
import collections
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # sums of floats depend on it
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from tests.kill import chains  # noqa: E402
from tests.kill.kinds import Kind, kinds  # noqa: E402
from tests.kill.material import make  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.kill", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="in all (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", default="", metavar="WORD", help="the kinds with this word in their name")
    parser.add_argument("--jobs", type=int, default=2, help="kinds at work at the same time (default 2)")
    parser.add_argument("--keep", metavar="DIR", help="leave all runs there")
    return parser


def shares(chosen: dict[str, Kind], kills: int) -> dict[str, int]:
    """How often each kind is killed: by its share, ``kills`` in all."""
    total, given, before = sum(kind.share for kind in chosen.values()), {}, 0
    for name, kind in chosen.items():
        before += kind.share
        given[name] = round(kills * before / total) - sum(given.values())
    return given


def kill(name: str, kind: Kind, kills: int, seed: int, folder: Path) -> collections.Counter:
    """Kills one kind ``kills`` times; counts kills, those whose chain ended the same, and late draws."""
    draw, counts = random.Random(f"{seed} {name}"), collections.Counter()
    expected = chains.whole(kind, folder / "whole")
    print(f"{name}: whole in {expected.seconds:.1f} s, to be killed {kills} times", flush=True)
    number = 0
    while counts["kills"] < kills:
        number += 1
        wanted = min(draw.randint(1, chains.KILLS), kills - counts["kills"])
        found = chains.chain(kind, expected, folder / str(number), wanted, draw)
        counts += collections.Counter(kills=len(found.kills), late=found.late, chains=1)
        counts["same"] += 0 if found.different else len(found.kills)
        moments = ", ".join(f"{moment:.2f}" for moment in found.kills) or "never"
        late = "; the next draw came after the end" if found.late else ""
        ended = f"DIFFERENT: {found.different}" if found.different else "the same bits"
        print(f"{name} {number}: killed after {moments} s{late}: {ended}", flush=True)
    return counts


def main() -> int:
    args, started = parser().parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(args.keep or scratch).resolve()
        os.environ["DISTILL_CACHE"] = str(root / "cache")
        every = {name: kind for name, kind in kinds(make(root / "material")).items() if args.only in name}
        for name, kind in every.items():
            if kind.missing:
                print(f"{name}: left out, {kind.needs} is not installed")
        chosen = {name: kind for name, kind in every.items() if not kind.missing}
        number = shares(chosen, args.kills)
        chains.warm_up()
        with ThreadPoolExecutor(args.jobs) as pool:
            jobs = [
                pool.submit(kill, name, kind, number[name], args.seed, root / name.replace(" ", "_"))
                for name, kind in chosen.items()
            ]
            counts = sum((job.result() for job in jobs), collections.Counter())
    print(
        f"{counts['same']} of {counts['kills']} resumed bit for bit: {counts['chains']} chains of "
        f"{len(chosen)} kinds, {counts['late']} draws after the end, {time.monotonic() - started:.0f} s"
    )
    return 0 if counts["same"] == counts["kills"] else 1


if __name__ == "__main__":
    sys.exit(main())

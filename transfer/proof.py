"""A benchmark as a way to measure starts: ``tools/prove.py --benchmark``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from distill import results
from distill.backbones import create_backbone
from distill.checkpoints import read_weights
from distill.commands import call_logged, tools
from distill.data.image_files import ImageFiles
from distill.errors import UserError
from distill.proof.measurement import Starts
from distill.proof.verdict import Values
from transfer import run
from transfer.datasets.pictures import pictures_of
from transfer.matrix.plan import make_plan
from transfer.network.partition import plan_stages

# What a proof says itself, of the options of tools/run_transfer.sh.
OWN = (
    "--init", "--seeds", "--seed", "--label", "--arch", "--data-root", "--work-dir", "--benchmarks",
    "--dry-run",
)  # fmt: skip


class ByBenchmark:
    """See ``distill.proof.measurement.Measurement``. Every start is fine-tuned whole, once a seed.

    The data is checked, and the benchmark's config filled, before anything trains. A teacher without the
    stages that a detector needs (a plain ViT) is not measured.

    Args:
        name: of the benchmark.
        root: folder of its data.
        student: architecture of all starts but the teacher.
        options: more of ``tools/run_transfer.sh``.
        out: folder of the proof.

    Raises:
        UserError: what cannot run: an unknown benchmark, data that is not there, a wrong option.
    """

    def __init__(self, name: str, root: str, student: str, teacher: str, options: Sequence[str], out: Path):
        for option in options:
            if option.split("=")[0] in OWN:
                raise UserError(f"--transfer-options: {option} is what this tool says itself")
        self.name, self.root, self.student, self.options, self.out = name, root, student, options, out
        asked = run.parse(self._arguments(student, ["--init", "random"]))
        run.check(asked)
        if name == "all":
            raise UserError("--benchmark all: a proof is of one benchmark")
        (cell,) = make_plan(asked).cells
        data = cell.runs[0].job.data
        train, test = (ImageFiles(root, list(map(str, files))) for files in pictures_of(data))
        self.train, self.test = train, test
        self.metric = cell.benchmark.headline
        self.labels = "100%" if data.train_images == len(train) else f"{data.train_images} pictures"
        self.about = [
            f"Measured by {cell.benchmark.title} ({name}), fine-tuned whole on {data.train_images:,} of "
            f"{len(train):,} labelled pictures, tested on {len(test):,}; all starts get the same settings"
            f"{': ' + shlex.join(options) if options else ''}.",
            "A seed is the order of the pictures, their augmentation and the start of the new layers"
            f"{', and which split is trained on' if len(data.annotations) > 1 else ''}.",
            *data.defects,
        ]
        self.no_teacher = _without_stages(teacher)
        if self.no_teacher:
            self.about.append(f"The teacher is not measured: {self.no_teacher}")

    def measure(self, seed: int, starts: Starts) -> None:
        if not all(self._rows(start, seed) for start in self._measured(starts)):
            log = self.out / "log.txt"
            print(f"[fine-tune: seed {seed}] its output is in {log}", flush=True)
            (command,) = self.commands(seed, starts)
            call_logged(command, log)

    def values(self, seeds: Sequence[int], starts: Sequence[str]) -> Values:
        place = (f"{self.name} {self.metric}", self.labels)
        return {
            start: {place: [self._rows(start, seed)[-1]["metrics"][self.metric] for seed in seeds]}
            for start in self._measured(starts)
        }

    def commands(self, seed: int, starts: Starts) -> list[list[str]]:
        chosen = self._measured(starts)
        by_word = ("distilled", "random")  # the others are files or names
        inits = [start if start in by_word else f"{start}={starts[start]}" for start in chosen]
        own = ["--init", *inits, "--label", *chosen, "--seed", str(seed), "--arch", self.student]
        # this very Python, which need not be the first on the PATH
        shell = ["env", f"PYTHON={sys.executable}", "sh", str(tools()["run_transfer"])]
        return [[*shell, *self._arguments(starts["distilled"], own)]]

    def _arguments(self, checkpoint: str, own: Sequence[str]) -> list[str]:
        work_dir = str(self.out / "transfer")
        return [
            self.name, checkpoint, *own, "--data-root", self.root, "--work-dir", work_dir, *self.options
        ]  # fmt: skip

    def _measured(self, starts: Sequence[str] | Starts) -> list[str]:
        return [start for start in starts if not (start == "teacher" and self.no_teacher)]

    def _rows(self, start: str, seed: int) -> list[dict]:
        rows = results.read(self.out / "transfer/results.jsonl")
        return results.find(rows, task=self.name, label=start, seed=seed)


def _without_stages(teacher: str) -> str:
    """Why a detector cannot take this network's maps; empty where it can."""
    arch = read_weights(teacher).arch
    try:
        plan_stages(create_backbone(arch), arch)
    except UserError as error:
        return str(error)
    return ""

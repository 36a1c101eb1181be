"""What the results show of distilled weights against random ones, seed by seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from distill.report.blocks import Block, Model
from distill.report.markup import count
from distill.results.paired import Difference, paired_difference

DIGIT = 0.1  # points: the last digit that is printed, where rows do not tell how many pictures were tested
WORDS = {"better": "better", "worse": "worse", "unclear": "not decided"}


@dataclass(frozen=True)
class Shown:
    """A distilled model beside random weights of its backbone, by the first metric of a task."""

    block: Block
    model: Model
    difference: Difference

    @property
    def cells(self) -> list[str]:
        """For a line of a table under ``HEAD``."""
        block, model = self.block, self.model
        task = ", ".join(filter(None, (block.task.title, block.data, block.notes)))
        pairs = f"{self.difference.pairs} pairs, {block.seeds[model]}"
        return [task, f"{model.label} ({model.backbone})", str(self.difference), pairs,
                WORDS[self.difference.outcome]]  # fmt: skip


HEAD = ["task, data, settings", "model", "difference", "over", "outcome"]


def shown(blocks: Sequence[Block]) -> tuple[list[Shown], int]:
    """Every comparison with two common seeds or more, and how many have fewer.

    All intervals hold together at 95 %. A seed's value is the mean of its rows, as of several checkpoints.
    """
    found, single = [], 0
    for block in blocks:
        for model in block.models:
            random = block.random_of(model)
            if model.init != "distilled" or random is None:
                continue
            metric = block.metrics[0]
            ours, theirs = _by_seed(block.rows[model], metric), _by_seed(block.rows[random], metric)
            seeds = sorted(ours.keys() & theirs.keys())
            if len(seeds) > 1:
                found.append((block, model, [ours[s] for s in seeds], [theirs[s] for s in seeds]))
            elif ours and theirs:
                single += 1
    judged = [
        Shown(block, model, paired_difference(ours, theirs, _step(block), len(found)))
        for block, model, ours, theirs in found
    ]
    return judged, single


def sentence(judged: Sequence[Shown], single: int) -> str:
    """What to say of them; "" where nothing is compared."""
    parts = []
    if judged:
        outcomes = [each.difference.outcome for each in judged]
        counts = ", ".join(f"{said} in {outcomes.count(outcome)}" for outcome, said in WORDS.items())
        parts.append(
            f"Distilled against random weights, each task by its first metric: {counts} of "
            f"{count(len(judged), 'comparison')}, paired by seed, with intervals of which all hold together "
            "at 95 %."
        )
    if single:
        undecided = count(single, "comparison")
        parts.append(f"With fewer than two common seeds, which decide nothing: {undecided}.")
    return " ".join(parts)


def _by_seed(rows: list[dict], metric: str) -> dict[int, float]:
    values: dict[int, list[float]] = {}
    for row in rows:
        if metric in row["metrics"]:
            values.setdefault(row["seed"], []).append(row["metrics"][metric])
    return {seed: fmean(own) for seed, own in values.items()}


def _step(block: Block) -> float:
    """Points that one test picture counts, as in a proof."""
    val = block.settings.get("val")
    told = [row.get("details", {}).get("test_images") for rows in block.rows.values() for row in rows]
    images = val.get("images") if isinstance(val, dict) else min(filter(None, told), default=None)
    return 100 / images if images else DIGIT

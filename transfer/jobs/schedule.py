"""Training schedules and the linear rule that fits them to fewer devices."""

import math
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

from distill.errors import UserError
from distill.settings import check_fields


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a run trains, read from a framework's config.

    Attributes:
        batch: images a step, over all devices.
        lr: peak learning rate.
        steps: number of optimiser steps; None where the config counts in epochs.
        epochs: number of epochs; None where it counts in steps.
        milestones: steps or epochs at which the rate is multiplied by 0.1; empty if it decays linearly.
        warmup: steps of linear warm-up, also where the rest is counted in epochs.
        end_lr: last rate of a linear decay; None if the rate falls at milestones.

    Raises:
        UserError: a value that is not positive, a milestone that is not before the end, or milestones that
            do not rise.
    """

    batch: int
    lr: float
    steps: int | None = None
    epochs: int | None = None
    milestones: tuple[int, ...] = ()
    warmup: int = 0
    end_lr: float | None = None

    def __post_init__(self):
        assert (self.steps is None) != (self.epochs is None), "a schedule counts in steps or in epochs"
        check_fields(self, "schedule: ")
        if self.batch < 1 or self.length < 1 or self.lr <= 0 or self.warmup < 0:
            raise UserError(
                f"a schedule needs a positive batch, rate and number of {self.unit}: {asdict(self)}"
            )
        late = [milestone for milestone in self.milestones if milestone >= self.length]
        if late:
            raise UserError(
                f"milestone {late[0]} is not before the last {self.unit.removesuffix('s')}, {self.length}"
            )
        if list(self.milestones) != sorted(set(self.milestones)):
            raise UserError(f"milestones must rise, got {list(self.milestones)}")

    @property
    def unit(self) -> str:
        return "epochs" if self.steps is None else "steps"

    @property
    def length(self) -> int:
        """Number of steps or epochs."""
        return self.epochs if self.steps is None else self.steps

    def __str__(self) -> str:
        decay = f"x0.1 at {list(self.milestones)}" if self.milestones else ""
        decay = decay or (f"linear to {self.end_lr:g}" if self.end_lr is not None else "constant")
        said = (
            f"batch {self.batch}, lr {self.lr:g} ({decay}), {self.length} {self.unit}, warm-up {self.warmup}"
        )
        return said if self.unit == "steps" else f"{said} steps"

    def total_steps(self, images: int) -> int:
        """Steps of the whole run on ``images`` images; the last batch of an epoch may be smaller."""
        return self.steps if self.epochs is None else self.epochs * math.ceil(images / self.batch)

    def shortened(self, steps: int) -> "Schedule":
        """The same course in ``steps`` steps: milestones move in proportion, the rates stay."""
        return self._resized(steps, Fraction(steps, self.length))

    def _resized(self, steps: int, factor: Fraction) -> "Schedule":
        milestones = sorted({max(1, round(milestone * factor)) for milestone in self.milestones} - {steps})
        return replace(self, steps=steps, epochs=None, milestones=tuple(milestones))


def linear_rule(base: Schedule, batch: int) -> Schedule:
    """``base`` for another batch: k times the images a step, k times the rate, 1/k of the steps.

    A schedule in epochs keeps their number, because an epoch then has 1/k of the steps.
    Goyal et al., "Accurate, Large Minibatch SGD" (2017): every image is seen as often as before.
    """
    factor = Fraction(batch, base.batch)
    final = base
    if base.unit == "steps":
        final = base._resized(max(1, round(base.steps / factor)), 1 / factor)
    warmup = max(1, round(base.warmup / factor)) if base.warmup else 0
    end_lr = None if base.end_lr is None else base.end_lr * float(factor)
    return replace(final, batch=batch, lr=base.lr * float(factor), warmup=warmup, end_lr=end_lr)


def fit(base: Schedule, batch: int, images: int, max_steps: int | None = None) -> tuple[Schedule, list[str]]:
    """The schedule to train with, and the lines that say how it came about: base and rule.

    The linear rule is applied first, then ``max_steps`` shortens the run: milestones and warm-up shrink in
    proportion, so that a short run has every phase of the long one. A shortened schedule counts in steps.

    Args:
        batch: images a step over all devices.
        images: images in the training set.
    """
    lines = [f"schedule, base:  {base}"]
    final = base
    if batch != base.batch:
        final = linear_rule(base, batch)
        factor = Fraction(batch, base.batch)
        longer = f"steps x {1 / factor}" if base.unit == "steps" else "epochs as before"
        lines.append(f"schedule, rule:  linear, batch x {factor}, lr x {factor}, {longer}")
    total = final.total_steps(images)
    if max_steps is not None and max_steps > total:
        lines.append(f"schedule, rule:  --max-steps {max_steps} changes nothing: the run has {total}")
    if max_steps is not None and max_steps < total:
        lines.append(
            f"schedule, rule:  --max-steps {max_steps} of {total}: milestones and warm-up scaled along"
        )
        warmup = max(1, round(final.warmup * max_steps / total)) if final.warmup else 0
        final = replace(final.shortened(max_steps), warmup=min(warmup, max_steps // 2))
    elif final.warmup > total // 2:
        final = replace(final, warmup=total // 2)
        lines.append(f"schedule, rule:  warm-up {final.warmup}, half of the {total} steps")
    if len(lines) == 1:
        lines.append("schedule, rule:  none needed")
    return final, lines


def batch_size(published: int, a_device: int, gpus: int, wanted: int | None) -> int:
    """Images a step: ``wanted``, or ``a_device`` for each device, at most the published total.

    Raises:
        UserError: a number that the devices cannot share equally.
    """
    batch = wanted or min(published, a_device * max(gpus, 1))
    if batch < 1 or batch % max(gpus, 1):
        raise UserError(f"--batch-size {batch} cannot be shared by {gpus} GPUs: give a multiple of {gpus}")
    return batch

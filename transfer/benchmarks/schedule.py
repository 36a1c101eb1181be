"""Training schedules and the linear rule that fits them to fewer devices."""

from dataclasses import asdict, dataclass, replace
from fractions import Fraction

from distill.errors import UserError


@dataclass(frozen=True)
class Schedule:
    """A training length in steps.

    Args:
        batch: images a step, over all devices.
        lr: peak learning rate.
        steps: number of optimiser steps.
        milestones: steps at which the rate is multiplied by 0.1; empty if it decays linearly.
        warmup: steps of linear warm-up.
        end_lr: last rate of a linear decay; None if the rate falls at milestones.

    Raises:
        UserError: when a value is not positive, a milestone is not before the last step, or the
            milestones do not rise.
    """

    batch: int
    lr: float
    steps: int
    milestones: tuple[int, ...] = ()
    warmup: int = 0
    end_lr: float | None = None

    def __post_init__(self):
        if self.batch < 1 or self.steps < 1 or self.lr <= 0 or self.warmup < 0:
            raise UserError(f"a schedule needs a positive batch, rate and number of steps: {asdict(self)}")
        late = [step for step in self.milestones if step >= self.steps]
        if late:
            raise UserError(f"milestone {late[0]} is not before the last step, {self.steps}")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise UserError(f"milestones must rise, got {list(self.milestones)}")

    def __str__(self) -> str:
        decay = f"x0.1 at {list(self.milestones)}" if self.milestones else ""
        decay = decay or (f"linear to {self.end_lr:g}" if self.end_lr is not None else "constant")
        return f"batch {self.batch}, lr {self.lr:g} ({decay}), {self.steps} steps, warm-up {self.warmup}"

    def stretched(self, factor: Fraction | float) -> "Schedule":
        """The same schedule over ``factor`` times as many steps; milestones and warm-up move along."""

        def scaled(step: int) -> int:
            return max(1, round(step * factor))

        steps = scaled(self.steps)
        milestones = sorted({scaled(step) for step in self.milestones} - {steps})
        warmup = scaled(self.warmup) if self.warmup else 0
        return replace(self, steps=steps, milestones=tuple(milestones), warmup=min(warmup, steps // 2))


@dataclass(frozen=True)
class EpochSchedule:
    """A schedule counted in epochs, turned into steps once the size of the training set is known."""

    batch: int
    lr: float
    epochs: int
    milestones: tuple[int, ...]
    warmup: int = 0

    def in_steps(self, images: int) -> Schedule:
        """``epochs`` passes over ``images`` images; milestones are rounded to whole steps."""

        def steps(epochs: int) -> int:
            return max(1, round(Fraction(epochs * images, self.batch)))

        total = steps(self.epochs)
        milestones = tuple(sorted({steps(epoch) for epoch in self.milestones} - {total}))
        return Schedule(self.batch, self.lr, total, milestones, min(self.warmup, total // 2))


def linear_rule(base: Schedule, batch: int) -> Schedule:
    """``base`` for another batch: k times the images a step, k times the rate, 1/k of the steps.

    Goyal et al., "Accurate, Large Minibatch SGD" (2017): every image is seen as often as before.
    """
    factor = Fraction(batch, base.batch)
    end_lr = None if base.end_lr is None else base.end_lr * float(factor)
    return replace(base.stretched(1 / factor), batch=batch, lr=base.lr * float(factor), end_lr=end_lr)


def plan(base: Schedule, batch: int, max_steps: int | None = None) -> tuple[Schedule, list[str]]:
    """The schedule to train with, and the lines that say how it came about: base, rule, final.

    The linear rule is applied once, then ``max_steps`` shortens the run: the milestones and the
    warm-up shrink in proportion, so that a short run has every phase of the long one.
    """
    lines = [f"schedule, base:  {base}"]
    final = base
    if batch != base.batch:
        final = linear_rule(base, batch)
        factor = Fraction(batch, base.batch)
        lines.append(f"schedule, rule:  linear, batch x {factor}, lr x {factor}, steps x {1 / factor}")
    if max_steps is not None and max_steps < final.steps:
        lines.append(
            f"schedule, rule:  --max-steps {max_steps} of {final.steps}: milestones and warm-up scaled along"
        )
        final = final.stretched(Fraction(max_steps, final.steps))
    if final is base:
        lines.append("schedule, rule:  none needed")
    lines.append(f"schedule, final: {final}")
    return final, lines

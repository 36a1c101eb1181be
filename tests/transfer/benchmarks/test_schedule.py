"""Schedules, the linear rule, and what a shortened run does with its milestones."""

import pytest

from distill.errors import UserError
from transfer.benchmarks.schedule import EpochSchedule, Schedule, linear_rule, plan

VOC = Schedule(batch=16, lr=0.02, steps=24_000, milestones=(18_000, 22_000), warmup=100)


def test_half_the_batch_halves_the_rate_and_doubles_the_steps():
    half = linear_rule(VOC, 8)
    assert half == Schedule(batch=8, lr=0.01, steps=48_000, milestones=(36_000, 44_000), warmup=200)


def test_the_last_rate_of_a_linear_decay_scales_too():
    decay = Schedule(batch=16, lr=1e-2, steps=20_000, end_lr=1e-4)
    quarter = linear_rule(decay, 4)
    assert (quarter.lr, quarter.end_lr, quarter.steps) == (2.5e-3, 2.5e-5, 80_000)


def test_the_plan_is_told_as_base_rule_and_final():
    final, lines = plan(VOC, batch=2)
    assert final.steps == 192_000 and final.lr == 0.0025
    assert lines == [
        "schedule, base:  batch 16, lr 0.02 (x0.1 at [18000, 22000]), 24000 steps, warm-up 100",
        "schedule, rule:  linear, batch x 1/8, lr x 1/8, steps x 8",
        "schedule, final: batch 2, lr 0.0025 (x0.1 at [144000, 176000]), 192000 steps, warm-up 800",
    ]


def test_the_published_batch_needs_no_rule():
    final, lines = plan(VOC, batch=16)
    assert final == VOC and lines[1] == "schedule, rule:  none needed"


def test_fewer_steps_move_the_milestones_along_and_leave_the_rate():
    final, lines = plan(VOC, batch=16, max_steps=240)
    assert (final.milestones, final.warmup, final.lr) == ((180, 220), 1, 0.02)
    assert "--max-steps 240 of 24000: milestones and warm-up scaled along" in lines[1]


def test_more_steps_than_planned_change_nothing():
    assert plan(VOC, batch=16, max_steps=99_999)[0] == VOC


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_the_shortest_runs_have_no_milestone_at_or_after_their_end(steps):
    assert all(step < steps for step in plan(VOC, batch=16, max_steps=steps)[0].milestones)


def test_a_milestone_beyond_the_last_step_is_an_error():
    with pytest.raises(UserError, match="milestone 22000 is not before the last step, 20000"):
        Schedule(batch=16, lr=0.02, steps=20_000, milestones=(18_000, 22_000))


def test_falling_milestones_are_an_error():
    with pytest.raises(UserError, match="must rise"):
        Schedule(batch=16, lr=0.02, steps=24_000, milestones=(22_000, 18_000))


def test_epochs_become_steps_once_the_number_of_images_is_known():
    schedule = EpochSchedule(batch=16, lr=0.02, epochs=740, milestones=(500, 660), warmup=500)
    assert schedule.in_steps(1_000) == Schedule(16, 0.02, 46_250, (31_250, 41_250), warmup=500)
    # 740 epochs of 9 images: the warm-up may not outlast half of the run
    assert schedule.in_steps(9) == Schedule(16, 0.02, 416, (281, 371), warmup=208)

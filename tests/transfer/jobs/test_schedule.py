"""Schedules, the linear rule, and the milestones of a shortened run."""

import pytest

from distill.errors import UserError
from transfer.jobs.schedule import Schedule, batch_size, fit, linear_rule

VOC = Schedule(batch=16, lr=0.02, steps=24_000, milestones=(18_000, 22_000), warmup=100)
LOWSHOT = Schedule(batch=16, lr=0.02, epochs=740, milestones=(500, 660), warmup=500)


def test_half_the_batch_halves_the_rate_and_doubles_the_steps():
    half = linear_rule(VOC, 8)
    assert half == Schedule(batch=8, lr=0.01, steps=48_000, milestones=(36_000, 44_000), warmup=200)


def test_epochs_stay_as_they_are_and_only_the_warm_up_is_longer():
    half = linear_rule(LOWSHOT, 8)
    assert half == Schedule(batch=8, lr=0.01, epochs=740, milestones=(500, 660), warmup=1_000)


def test_the_last_rate_of_a_linear_decay_scales_too():
    decay = Schedule(batch=16, lr=1e-2, steps=20_000, end_lr=1e-4)
    quarter = linear_rule(decay, 4)
    assert (quarter.lr, quarter.end_lr, quarter.steps) == (2.5e-3, 2.5e-5, 80_000)


def test_what_was_done_is_told_as_base_and_rule():
    final, lines = fit(VOC, batch=2, images=5_011)
    assert final.steps == 192_000 and final.lr == 0.0025
    assert lines == [
        "schedule, base:  batch 16, lr 0.02 (x0.1 at [18000, 22000]), 24000 steps, warm-up 100",
        "schedule, rule:  linear, batch x 1/8, lr x 1/8, steps x 8",
    ]
    assert str(final) == "batch 2, lr 0.0025 (x0.1 at [144000, 176000]), 192000 steps, warm-up 800"
    final, lines = fit(LOWSHOT, batch=4, images=1_000)
    assert lines == [
        "schedule, base:  batch 16, lr 0.02 (x0.1 at [500, 660]), 740 epochs, warm-up 500 steps",
        "schedule, rule:  linear, batch x 1/4, lr x 1/4, epochs as before",
    ]


def test_the_published_batch_needs_no_rule():
    final, lines = fit(VOC, batch=16, images=5_011)
    assert final == VOC and lines[1] == "schedule, rule:  none needed"


def test_an_epoch_has_as_many_steps_as_batches_the_last_one_smaller():
    assert LOWSHOT.total_steps(1_000) == 740 * 63
    assert linear_rule(LOWSHOT, 4).total_steps(1_000) == 740 * 250


def test_fewer_steps_move_the_milestones_along_and_leave_the_rate():
    final, lines = fit(VOC, batch=16, images=5_011, max_steps=240)
    assert (final.milestones, final.warmup, final.lr) == ((180, 220), 1, 0.02)
    assert "--max-steps 240 of 24000: milestones and warm-up scaled along" in lines[1]


def test_a_shortened_run_in_epochs_counts_in_steps():
    final, lines = fit(LOWSHOT, batch=16, images=1_000, max_steps=74)
    assert final == Schedule(batch=16, lr=0.02, steps=74, milestones=(50, 66), warmup=1)
    assert "--max-steps 74 of 46620" in lines[1]


def test_a_warm_up_may_not_outlast_half_of_the_run():
    final, lines = fit(LOWSHOT, batch=16, images=9)
    assert final.warmup == 370 and "half of the 740 steps" in lines[1]


def test_more_steps_than_there_are_change_nothing_and_the_plan_says_so():
    final, lines = fit(VOC, batch=16, images=5_011, max_steps=99_999)
    assert final == VOC
    assert lines[1] == "schedule, rule:  --max-steps 99999 changes nothing: the run has 24000"
    _, asked_for_as_many = fit(VOC, batch=16, images=5_011, max_steps=24_000)
    assert not any("--max-steps" in line for line in asked_for_as_many)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_the_shortest_runs_have_no_milestone_at_or_after_their_end(steps):
    assert all(step < steps for step in fit(VOC, 16, 5_011, max_steps=steps)[0].milestones)


def test_a_milestone_beyond_the_end_is_an_error():
    with pytest.raises(UserError, match="milestone 22000 is not before the last step, 20000"):
        Schedule(batch=16, lr=0.02, steps=20_000, milestones=(18_000, 22_000))
    with pytest.raises(UserError, match="milestone 11 is not before the last epoch, 9"):
        Schedule(batch=16, lr=0.02, epochs=9, milestones=(8, 11))


def test_falling_milestones_are_an_error():
    with pytest.raises(UserError, match="must rise"):
        Schedule(batch=16, lr=0.02, steps=24_000, milestones=(22_000, 18_000))


def test_a_device_takes_the_published_number_of_images():
    assert batch_size(published=16, a_device=2, gpus=0, wanted=None) == 2
    assert batch_size(published=16, a_device=2, gpus=4, wanted=None) == 8
    assert batch_size(published=16, a_device=2, gpus=16, wanted=None) == 16  # never more than published
    assert batch_size(published=16, a_device=2, gpus=1, wanted=16) == 16
    with pytest.raises(UserError, match="--batch-size 5 cannot be shared by 2 GPUs"):
        batch_size(published=16, a_device=2, gpus=2, wanted=5)

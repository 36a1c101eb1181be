"""The random numbers of views: whose function they are, and that they are distributed as torchvision's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from distill.data.draws import HUE, Draw, RandomView, draw, generator, records
from distill.errors import UserError

COUNT = 4000
# two samples of one distribution are farther apart in one of a thousand tests; the seeds are fixed
LEAST = 1e-3
STRENGTHS = (0.4, 0.5, 0.6, 0.1)
ALWAYS = RandomView(224, jitter=STRENGTHS, jitter_p=1.0, blur=1.0)


def draws(view: RandomView, width: int = 500, height: int = 375, count: int = COUNT) -> list[Draw]:
    return [draw(view, width, height, generator(seed=3, epoch=1, image=i, view=0)) for i in range(count)]


def torchvisions(transform: v2.Transform, width: int = 500, height: int = 375) -> list[dict]:
    """What torchvision's transform draws for images of that size."""
    torch.manual_seed(0)
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    return [transform.make_params([image]) for _ in range(COUNT)]


def assert_alike(ours, theirs) -> None:
    """Two samples of numbers (Kolmogorov and Smirnov)."""
    assert stats.ks_2samp(np.array(ours, float), np.array(theirs, float)).pvalue > LEAST


def test_numbers_are_a_function_of_seed_epoch_image_and_view():
    first = draw(ALWAYS, 500, 375, generator(1, 2, 3, 4))
    assert draw(ALWAYS, 500, 375, generator(1, 2, 3, 4)) == first
    for key in ((0, 2, 3, 4), (1, 0, 3, 4), (1, 2, 0, 4), (1, 2, 3, 0), (2, 1, 3, 4), (1, 2, 4, 3)):
        assert draw(ALWAYS, 500, 375, generator(*key)) != first
    # the colours do not follow the image's size
    assert replace(draw(ALWAYS, 40, 60, generator(1, 2, 3, 4)), box=first.box) == first


def test_drawing_leaves_all_global_generators_alone():
    torch.manual_seed(0), np.random.seed(0)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(0), np.random.seed(0)
    draws(ALWAYS, count=3)
    assert (torch.rand(1), np.random.rand()) == expected


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.2, 1.0), (0.05, 0.14)])
@pytest.mark.parametrize(("width", "height"), [(500, 375), (90, 160), (40, 200)])
def test_boxes_are_those_of_random_resized_crop(scale, width, height):
    """In the last picture, five times as high as wide, ten tries often fail and the middle is taken."""
    ours = np.array([one.box for one in draws(RandomView(224, scale), width, height)])
    theirs = torchvisions(v2.RandomResizedCrop(224, scale), width, height)
    theirs = np.array([[box["left"], box["top"], box["width"], box["height"]] for box in theirs])
    for boxes in (ours, theirs):
        left, top, w, h = boxes.T
        assert (boxes >= 0).all() and (left + w <= width).all() and (top + h <= height).all()
    assert_alike(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3])
    assert_alike(np.log(ours[:, 2] / ours[:, 3]), np.log(theirs[:, 2] / theirs[:, 3]))
    assert_alike(ours[:, 0] + ours[:, 2] / 2, theirs[:, 0] + theirs[:, 2] / 2)
    assert_alike(ours[:, 1] + ours[:, 3] / 2, theirs[:, 1] + theirs[:, 3] / 2)


@pytest.mark.parametrize(("width", "height"), [(500, 20), (20, 500), (30, 31)])
def test_where_no_box_fits_the_middle_is_taken_as_by_random_resized_crop(width, height):
    """Parts of more than the whole area never fit."""
    torch.manual_seed(0)
    image = torch.zeros(3, height, width)
    box = v2.RandomResizedCrop(224, (1.5, 2.0)).make_params([image])
    (ours,) = draws(RandomView(224, (1.5, 2.0)), width, height, count=1)
    assert ours.box == (box["left"], box["top"], box["width"], box["height"])


def test_jitter_is_that_of_color_jitter():
    jitters = [one.jitter for one in draws(ALWAYS)]
    theirs = torchvisions(v2.ColorJitter(*STRENGTHS))
    names = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
    for step, name in enumerate(names):
        assert_alike([dict(jitter)[step] for jitter in jitters], [params[name] for params in theirs])
    orders = [tuple(step for step, _ in jitter) for jitter in jitters]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > LEAST
    theirs = np.unique([params["fn_idx"].tolist() for params in theirs], axis=0, return_counts=True)[1]
    assert stats.chi2_contingency([counts, theirs]).pvalue > LEAST


def test_factors_do_not_fall_below_0_and_are_independent_of_the_order():
    jitters = [one.jitter for one in draws(replace(ALWAYS, jitter=(1.6, 0.4, 0.4, 0.1)))]
    theirs = torchvisions(v2.ColorJitter(1.6, 0.4, 0.4, 0.1))
    assert_alike([dict(jitter)[0] for jitter in jitters], [params["brightness_factor"] for params in theirs])
    first = [dict(jitter)[HUE] for jitter in jitters if jitter[0][0] == HUE]
    later = [dict(jitter)[HUE] for jitter in jitters if jitter[0][0] != HUE]
    assert_alike(first, later)


def test_a_step_of_strength_0_is_left_out():
    jitters = [one.jitter for one in draws(replace(ALWAYS, jitter=(0.4, 0.0, 0.4, 0.0)), count=50)]
    assert {frozenset(dict(jitter)) for jitter in jitters} == {frozenset({0, 2})}
    assert {one.jitter for one in draws(replace(ALWAYS, jitter=(0.0,) * 4), count=50)} == {()}


def test_blurs_width_is_that_of_gaussian_blur():
    theirs = torchvisions(v2.GaussianBlur(23, (0.1, 2.0)))
    assert_alike([one.sigma for one in draws(ALWAYS)], [params["sigma"][0] for params in theirs])
    assert {one.kernel for one in draws(ALWAYS, count=5)} == {23}
    assert {one.kernel for one in draws(RandomView(32), count=5)} == {3}
    assert {one.kernel for one in draws(RandomView(96, kernel=23), count=5)} == {23}


def test_each_step_happens_at_its_rate_and_independently():
    rates = dict(flip=0.5, jitter=0.8, grey=0.2, sigma=0.3, solarise=0.4)
    view = RandomView(224, flip=0.5, jitter=STRENGTHS, jitter_p=0.8, grey=0.2, blur=0.3, solarise=0.4)
    found = np.array([[bool(getattr(one, name)) for name in rates] for one in draws(view)])
    for happened, rate in zip(found.sum(0), rates.values(), strict=True):
        assert stats.binomtest(int(happened), COUNT, rate).pvalue > LEAST
    which, counts = np.unique(found, axis=0, return_counts=True)
    expected = np.prod(np.where(which, list(rates.values()), 1 - np.array(list(rates.values()))), axis=1)
    assert len(counts) == 32
    assert stats.chisquare(counts, COUNT * expected).pvalue > LEAST


def test_views_epochs_and_seeds_are_independent():
    """Neighbouring keys give unrelated numbers: no rank correlation, and together one uniform sample."""
    keys = [[(3, 1, i, 0), (3, 1, i, 1), (3, 2, i, 0), (4, 1, i, 0), (3, 1, i + 1, 0)] for i in range(COUNT)]
    numbers = np.array([[generator(*key).random() for key in row] for row in keys])
    for other in numbers.T[1:]:
        assert stats.spearmanr(numbers[:, 0], other).pvalue > LEAST
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > LEAST


def test_records_hold_what_is_left_to_do():
    one = Draw((0, 0, 9, 9), True, ((3, 0.25), (0, 1.5)), False, 0.5, 23, True)
    other = Draw((0, 0, 9, 9), False, (), True, 0.0, 23, False)
    found = records([one, other])
    assert found["steps"].tolist() == [[3, 0, -1, -1], [-1] * 4]
    assert found["factors"].tolist() == [[0.25, 1.5, 0, 0], [0] * 4]
    assert found["sigma"].tolist() == [0.5, 0] and found["kernel"].tolist() == [23, 23]
    for name in ("flip", "grey", "solarise"):
        assert found[name].tolist() == [getattr(one, name), getattr(other, name)]


@pytest.mark.parametrize("jitter", [(0.4, 0.4, 0.4, 0.6), (-0.1, 0.4, 0.4, 0.1)])
def test_impossible_strengths_are_one_line(jitter):
    with pytest.raises(UserError, match="colour jitter of .* the hue's to 0.5"):
        RandomView(224, jitter=jitter)

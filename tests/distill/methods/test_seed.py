"""SEED with small patches: the authors' two sums and two queues."""

import pytest
import torch
from torch.nn import functional as F

from distill.errors import UserError
from distill.losses import seed_loss
from distill.methods.seed import SEED
from distill.registry import TRANSFORMS
from tests.distill.losses.test_losses import seed_by_the_paper
from tests.distill.methods.small import STUDENT


def method(teacher, **settings):
    torch.manual_seed(0)
    teacher = {"weights": str(teacher), "output": "auto"} if isinstance(teacher, str) else teacher
    return SEED(dict(arch=STUDENT), teacher, queue_length=6, teacher_temperature=0.01, **settings).eval()


def views():
    g = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, side, side, generator=g) for side in (32, 16, 16, 16)]


def test_patches_have_their_own_targets_and_queue(method_inputs):
    """In two batches only the first patch of each image enters the patches' queue."""
    seed, index = method(str(method_inputs.moco), small_patches=3), torch.arange(2)
    whole, small = seed.queue.anchors.clone(), seed.small_queue.anchors.clone()
    assert not torch.equal(whole, small)
    for step in range(2):
        with torch.no_grad():
            students = [seed.head(seed.student(view)).double().numpy() for view in views()]
            teachers = [seed.teacher(view).double().numpy() for view in views()]
        expected = seed_by_the_paper(students[0], teachers[0], whole.double().numpy(), 0.2, 0.01)
        for s, t in zip(students[1:], teachers[1:], strict=True):
            expected += seed_by_the_paper(s, t, small.double().numpy(), 0.2, 0.01) / 3
        assert seed.loss(views(), index)["loss"].item() == pytest.approx(expected, rel=1e-5)
        places = slice(2 * step, 2 * step + 2)
        whole[places] = F.normalize(torch.from_numpy(teachers[0]), dim=1)
        small[places] = F.normalize(torch.from_numpy(teachers[1]), dim=1)
        torch.testing.assert_close(seed.queue.anchors, whole)
        torch.testing.assert_close(seed.small_queue.anchors, small)


def test_without_patches_it_is_seed(method_inputs):
    seed, index, view = method(str(method_inputs.moco)), torch.arange(2), views()[0]
    anchors = seed.queue.anchors.clone()
    with torch.no_grad():
        target = F.normalize(seed.teacher(view), dim=1)
        expected = seed_loss(seed.head(seed.student(view)), target, anchors, 0.2, 0.01)
        assert seed.loss([view], index)["loss"].equal(expected)
    assert seed.number_of_views == 1 and seed.small_queue is None
    assert not any(key.startswith("small_queue") for key in seed.state_dict())


def test_a_cache_has_no_embeddings_of_patches(method_inputs):
    cached = {"weights": str(method_inputs.moco), "cache": str(method_inputs.cache), "output": "auto"}
    method(cached)
    with pytest.raises(UserError, match="SEED needs embeddings of random views.*leave out --teacher-cache"):
        method(cached, small_patches=2)


def test_its_views_are_a_full_one_and_patches():
    augmentation = TRANSFORMS.build(dict(type="SmallPatchAugmentation", size=32, small_views=2))
    assert augmentation.sizes == (32, 14, 14)
    assert TRANSFORMS.build(dict(type="SmallPatchAugmentation")).sizes == (224, *[96] * 6)

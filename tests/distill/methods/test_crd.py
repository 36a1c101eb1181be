"""CRD: what is drawn, what is kept, what is refused."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from torch.nn import functional as F

from distill import pretrain
from distill.errors import UserError
from distill.methods.base import Progress
from distill.methods.crd import CRD
from distill.registry import MODELS
from tests.distill.methods.small import arguments, small_config


@pytest.fixture
def crd(method_inputs) -> CRD:
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("distill"):
        return MODELS.build(small_config("crd", method_inputs).model).eval()


def test_recipe_counts_the_samples(crd):
    assert crd.student_bank.rows.shape == crd.teacher_bank.rows.shape == (24, 128)
    assert crd.negatives == 24


def test_negatives_follow_seed_and_step_and_may_be_any_sample(crd):
    index = torch.tensor([4, 9, 9])
    drawn = crd._draw(index)
    assert drawn.shape == (3, 24)
    assert torch.equal(drawn, crd._draw(index))
    for crd.progress in Progress(step=1), Progress(seed=1):
        assert not torch.equal(drawn, crd._draw(index))
    everything = torch.cat([crd._draw(torch.arange(40)) for crd.progress in map(Progress, range(5))])
    assert everything.unique().tolist() == list(range(24))


def test_loss_is_the_papers_in_both_directions(crd):
    """It is computed from embeddings and banks before the step, with Z fixed by the batch before."""
    g = torch.Generator().manual_seed(3)
    batch = [torch.rand(3, 3, 32, 32, generator=g)], torch.tensor([7, 2, 11])
    crd.loss(*batch)
    with torch.no_grad():
        student = F.normalize(crd.head(crd.student(batch[0][0])), dim=1).double().numpy()
        teacher = F.normalize(crd.teacher_head(crd.teacher(batch[0][0])), dim=1).double().numpy()
    drawn = crd._draw(batch[1]).numpy()
    banks = [bank.rows.double().numpy().copy() for bank in (crd.teacher_bank, crd.student_bank)]
    partitions = [24 * np.exp(p.log_mean.item()) for p in (crd.student_partition, crd.teacher_partition)]
    found = crd.loss(*batch)
    for query, bank, z, name in zip((student, teacher), banks, partitions, found, strict=True):
        total, noise = 0.0, 24 / 24  # negatives / samples
        for i, sample in enumerate(batch[1].tolist()):
            p = np.exp(query[i] @ bank[sample] / 0.07) / z
            total -= np.log(p / (p + noise))
            for other in drawn[i]:
                p = np.exp(query[i] @ bank[other] / 0.07) / z
                total -= np.log(noise / (p + noise))
        assert found[name].item() == pytest.approx(total / 3, rel=1e-4)


def test_a_cached_teacher_and_a_batch_of_one(method_inputs):
    config = small_config("crd", method_inputs)
    config.model.teacher.update(cache=str(method_inputs.cache), output="auto")
    with DefaultScope.overwrite_default_scope("distill"):
        model = MODELS.build(config.model).eval()
    rows = torch.from_numpy(model.rows()[23])[None]
    losses = model.loss([torch.rand(1, 3, 32, 32)], torch.tensor([23]), rows)
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_another_number_of_samples_is_one_line(method_inputs, tmp_path):
    with pytest.raises(UserError, match=r"model\.samples is 23; this data set has 24 images"):
        pretrain(
            **arguments("crd", method_inputs),
            work_dir=str(tmp_path),
            cfg_options={"model.samples": 23},
            say=lambda line: None,
        )

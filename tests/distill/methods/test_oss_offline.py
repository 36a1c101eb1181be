"""OSS offline: codes of a frozen SwAV teacher, or an error that says what its checkpoint lacks."""

import numpy as np
import pytest
import torch

from distill.checkpoints import save_student
from distill.errors import UserError
from distill.methods.base import Progress
from distill.methods.oss_offline import OSSOffline
from distill.methods.swav import SwAV
from distill.modules.multi_crop import multi_crop_embeddings
from tests.distill.losses.test_sinkhorn import sinkhorn_by_the_paper
from tests.distill.losses.test_swapped_prediction import oss_by_the_paper
from tests.distill.methods.small import STUDENT
from tests.distill.methods.test_swav import LATER, SETTINGS, views


def method(weights, output="head", **settings):
    torch.manual_seed(0)
    teacher = dict(weights=str(weights), output=output)
    offline = OSSOffline(dict(arch=STUDENT), teacher, hidden=24, queue_length=3, **settings)
    offline.progress = LATER
    return offline


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_loss_is_the_student_s_with_the_teacher_s_codes(method_inputs):
    offline = method(method_inputs.swav).double()
    teacher, queue = offline.teacher, None
    prototypes = unit(teacher.prototypes.numpy())
    assert prototypes.shape == (12, 16)
    for step in range(2):
        crops = views(seed=step)
        z = unit(np.stack([teacher(crop).numpy() for crop in crops[:2]]))
        rows = z if queue is None else np.concatenate([queue, z], axis=1)
        codes = [sinkhorn_by_the_paper(part @ prototypes.T, 0.05, 3)[-3:] for part in rows]
        queue = z
        torch.manual_seed(step)
        w = multi_crop_embeddings(offline.student, offline.head, crops, (0.1, 0.05)).detach().numpy()
        clean, dropped = w @ prototypes.T
        torch.manual_seed(step)
        expected = oss_by_the_paper(clean, dropped, codes, 0.1, own_copy=False)
        assert offline.loss(crops, None)["loss"].item() == pytest.approx(expected, abs=1e-8)


def test_nothing_of_the_teacher_is_trained_or_saved(method_inputs):
    offline = method(method_inputs.swav)
    before = {key: value.clone() for key, value in offline.teacher.state_dict().items()}
    prototypes = offline.teacher.prototypes.clone()
    offline.train()
    offline.loss([crop.float() for crop in views()], None)["loss"].backward()
    assert all(p.grad is not None for p in offline.parameters())
    assert not any("teacher" in key or "prototypes" in key for key in offline.state_dict())
    assert all(torch.equal(before[key], value) for key, value in offline.teacher.state_dict().items())
    assert torch.equal(offline.teacher.prototypes, prototypes)


def test_the_queue_waits_for_its_epoch(method_inputs):
    offline = method(method_inputs.swav, queue_start_epoch=15)
    offline.progress = Progress(step=14, steps=130, epochs=130)
    offline.loss([crop.float() for crop in views()], None)
    assert not any(queue.anchors.any() for queue in offline.codes.queues)


def test_a_swav_student_of_ours_can_teach(tmp_path):
    torch.manual_seed(0)
    swav = SwAV(**SETTINGS)
    backbone, head, prototypes = swav.exports()["last"]
    mean, std = backbone.mean.flatten().tolist(), backbone.std.flatten().tolist()
    save_student(
        tmp_path / "last.pth", backbone.net, STUDENT, mean, std, 32, head.state_dict(), prototypes=prototypes
    )
    offline = method(tmp_path / "last.pth")
    torch.testing.assert_close(offline.teacher.prototypes, swav.prototypes.weight.detach())
    crop = views()[0].float()
    torch.testing.assert_close(offline.teacher(crop), swav.eval().head(swav.student(crop)).detach())


def test_what_a_teacher_lacks_is_said_in_one_line(method_inputs):
    with pytest.raises(UserError, match="needs prototypes .*take a SwAV checkpoint"):
        method(method_inputs.moco)
    with pytest.raises(UserError, match="set model.teacher.output='head'"):
        method(method_inputs.swav, output="backbone")
    teacher = dict(weights=str(method_inputs.moco), output="auto", cache=str(method_inputs.cache))
    with pytest.raises(UserError, match="needs embeddings of random views.*leave out --teacher-cache"):
        OSSOffline(dict(arch=STUDENT), teacher)

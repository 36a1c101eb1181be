"""CompRess-2q: what the student's queue is made of."""

import pytest
import torch
from torch.nn import functional as F

from distill.errors import UserError
from distill.losses import compress_loss
from distill.methods.compress import CompRess
from tests.distill.methods.small import STUDENT


def method(moco, **settings) -> CompRess:
    torch.manual_seed(0)
    return CompRess(dict(arch=STUDENT), dict(weights=str(moco)), queue_length=6, **settings).eval()


@pytest.mark.parametrize("projection", [None, 24])
def test_the_key_encoder_is_the_average_of_all_that_makes_the_embedding(projection, method_inputs):
    """With the linear layer of the published ResNet-50 (2048 -> 8192; 1024 -> 24 here) and without."""
    model = method(method_inputs.moco, queues=2, momentum=0.25, projection=projection)
    width = projection or model.student.width
    assert model.student_queue.anchors.shape == (6, width)
    view, index = torch.rand(3, 3, 32, 32), torch.arange(3)
    anchors = model.student_queue.anchors.clone(), model.teacher_queue.anchors.clone()
    slow = {name: value.clone() for name, value in model.key_encoder.named_parameters()}
    with torch.no_grad():
        for parameter in [*model.student.parameters(), *model.head.parameters()]:
            parameter.mul_(1.01)
    loss = model.loss([view], index)["loss"]
    fast = [*model.student.parameters(), *model.head.parameters()]
    assert len(slow) == len(fast)
    for (name, found), online in zip(model.key_encoder.named_parameters(), fast, strict=True):
        torch.testing.assert_close(found, 0.25 * slow[name] + 0.75 * online)
    embedding, target = model.head(model.student(view)), F.normalize(model.teacher(view), dim=1)
    torch.testing.assert_close(loss, compress_loss(embedding, target, *anchors, 0.04))
    torch.testing.assert_close(model.student_queue.anchors[:3], F.normalize(model.key_encoder(view), dim=1))


def test_a_projection_beside_one_queue_is_one_line(method_inputs):
    with pytest.raises(UserError, match="model.projection is for queues=2"):
        method(method_inputs.moco, queues=1, projection=24)

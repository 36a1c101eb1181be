"""Two real gloo processes give the loss, the gradient and the queue of one process."""

import pytest
import torch
import torch.distributed as dist
from mmengine.registry import DefaultScope
from torch.nn.parallel import DistributedDataParallel

from distill.losses import nt_xent_loss
from distill.methods.base import Method
from distill.modules.memory import Queue
from distill.registry import MODELS, TRANSFORMS
from tests import processes
from tests.distill.methods.small import SMALL, Inputs, small_config


def build(name: str, inputs: Inputs) -> Method:
    """The method of the small config, in eval mode: batch norm must not depend on the split."""
    with DefaultScope.overwrite_default_scope("distill"):
        return MODELS.build(small_config(name, inputs).model).eval()


def batch(name: str, inputs: Inputs) -> dict:
    generator = torch.Generator().manual_seed(1)
    sizes = TRANSFORMS.build(small_config(name, inputs).train_dataloader.dataset.augmentation).sizes
    make = lambda size: torch.randint(0, 256, (4, 3, size, size), generator=generator, dtype=torch.uint8)  # noqa: E731
    return {"views": [make(size) for size in sizes], "index": torch.arange(4)}


def two_steps(name: str, inputs: Inputs, rank: int, world: int) -> dict:
    """Losses of two steps (so that the queue matters), last gradients and the buffers."""
    torch.manual_seed(0)
    model = build(name, inputs)
    wrapped = DistributedDataParallel(model) if world > 1 else model
    data, losses = batch(name, inputs), []
    mine = slice(rank * 4 // world, (rank + 1) * 4 // world)
    part = {"views": [view[mine] for view in data["views"]], "index": data["index"][mine]}
    if (rows := model.rows()) is not None:
        part["rows"] = torch.stack([torch.from_numpy(rows[i]) for i in part["index"].tolist()])
    for _ in range(2):
        model.zero_grad()
        loss, _ = model.parse_losses(wrapped(**part, mode="loss"))
        loss.backward()
        loss = loss.detach().clone()
        if world > 1:
            dist.all_reduce(loss)
        losses.append(loss / world)
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    buffers = {n: b.clone() for n, b in model.named_buffers()}  # queues, banks, key encoders, ...
    return {"losses": losses, "gradients": gradients, "buffers": buffers}


def all_of_one(rank: int, names: list[str], inputs: Inputs) -> dict[str, dict]:
    return {name: two_steps(name, inputs, rank, 2) for name in names}


@pytest.fixture(scope="module")
def pair(request, method_inputs, tmp_path_factory) -> list[dict[str, dict]]:
    """One pair of processes for all methods that were asked for."""
    tests = [item for item in request.session.items if item.path == request.path]
    names = [test.callspec.params["name"] for test in tests if hasattr(test, "callspec")]
    return processes.in_two(all_of_one, tmp_path_factory.mktemp("pair"), names, method_inputs)


@pytest.mark.parametrize("name", SMALL)
def test_two_processes_equal_one(name, method_inputs, pair):
    expected = two_steps(name, method_inputs, 0, 1)
    for found in (of_one[name] for of_one in pair):
        for ours, theirs in zip(expected["losses"], found["losses"], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        assert expected["buffers"].keys() == found["buffers"].keys()
        for key, buffer in expected["buffers"].items():
            torch.testing.assert_close(buffer, found["buffers"][key], rtol=1e-5, atol=1e-6)
        assert expected["gradients"].keys() == found["gradients"].keys()
        for key, gradient in expected["gradients"].items():
            difference = (gradient - found["gradients"][key]).norm()
            # single precision, sums in another order
            assert difference <= 2e-3 * gradient.norm() + 1e-6, key


def queue_and_nt_xent(rank: int) -> dict:
    queue = Queue(7, 2)
    for step in range(3):  # 2 x 2 rows a step into 7 places
        queue.enqueue(torch.full((2, 2), float(step * 2 + rank)))
    generator = torch.Generator().manual_seed(2)
    z = torch.randn(2, 6, 8, generator=generator, dtype=torch.float64)
    mine = z[:, rank * 3 : rank * 3 + 3].clone().requires_grad_()
    loss = nt_xent_loss(mine[0], mine[1])
    loss.backward()
    return {"queue": queue.state_dict(), "loss": loss.detach(), "grad": mine.grad}


def test_queue_and_nt_xent_in_two_processes(tmp_path):
    """Both processes' queues wrap in rank order; mean loss and summed gradient are those of one process."""
    first, second = processes.in_two(queue_and_nt_xent, tmp_path)
    # written in turn: 0 0 1 1 2 2 3 | 3 4 4 5 5, so places 0-4 hold the second round
    assert first["queue"]["anchors"][:, 0].tolist() == [3, 4, 4, 5, 5, 2, 3]
    torch.testing.assert_close(first["queue"], second["queue"], rtol=0, atol=0)
    generator = torch.Generator().manual_seed(2)
    z = torch.randn(2, 6, 8, generator=generator, dtype=torch.float64).requires_grad_()
    loss = nt_xent_loss(z[0], z[1])
    loss.backward()
    torch.testing.assert_close(loss.detach(), (first["loss"] + second["loss"]) / 2)
    # DistributedDataParallel averages, so one process's gradient is the mean of what both contribute
    together = torch.cat([first["grad"], second["grad"]], dim=1) / 2
    torch.testing.assert_close(z.grad, together)

"""Two real gloo processes give the loss, the gradient and the queue of one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from distill.losses import nt_xent_loss
from distill.memory import Queue
from distill.methods import SEED, CompRess, SimCLR
from distill.methods.base import Method

STUDENT = {"arch": "mobilenetv3_small_050"}


def build(name: str, teacher: str) -> Method:
    teacher = {"weights": teacher, "output": "auto"}
    match name:
        case "compress_1q":
            return CompRess(STUDENT, teacher, queues=1, queue_length=10)
        case "compress_2q":
            return CompRess(STUDENT, teacher, queues=2, queue_length=10)
        case "compress_2q_no_key":
            return CompRess(STUDENT, teacher, queues=2, queue_length=10, key_encoder=False)
        case "seed":
            return SEED(STUDENT, teacher, queue_length=10, teacher_temperature=0.01)
        case "simclr":
            return SimCLR(STUDENT)


def batch(method: str) -> dict:
    generator = torch.Generator().manual_seed(1)
    views = 2 if method == "simclr" else 1
    make = lambda: torch.randint(0, 256, (4, 3, 32, 32), generator=generator, dtype=torch.uint8)  # noqa: E731
    return {"views": [make() for _ in range(views)], "index": torch.arange(4)}


def two_steps(method: str, teacher: str, rank: int, world: int) -> dict:
    """Losses of two steps (so that the queue matters), last gradients and the buffers."""
    torch.manual_seed(0)
    model = build(method, teacher).eval()  # eval: batch norm must not depend on the split
    wrapped = DistributedDataParallel(model) if world > 1 else model
    data, losses = batch(method), []
    mine = slice(rank * 4 // world, (rank + 1) * 4 // world)
    part = {"views": [view[mine] for view in data["views"]], "index": data["index"][mine]}
    for _ in range(2):
        model.zero_grad()
        loss = wrapped(**part, mode="loss")["loss"]
        loss.backward()
        loss = loss.detach().clone()
        if world > 1:
            dist.all_reduce(loss)
        losses.append(loss / world)
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    queues = {n: b.clone() for n, b in model.named_buffers() if "queue" in n}
    return {"losses": losses, "gradients": gradients, "queues": queues}


def in_two_processes(folder: Path, *what: str) -> list[dict]:
    """Runs this file once for each rank and returns what each has found."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    processes = [
        subprocess.Popen([sys.executable, __file__, str(folder), str(rank), *what], env=environment)
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=240) for process in processes] == [0, 0]
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


def one_of_two(folder: str, rank: str, method: str | None = None, teacher: str | None = None) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=int(rank), world_size=2)
    found = two_steps(method, teacher, int(rank), 2) if method else queue_and_nt_xent(int(rank))
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("method", ["compress_1q", "compress_2q", "compress_2q_no_key", "seed", "simclr"])
def test_two_processes_equal_one(method, teacher_file, tmp_path):
    expected = two_steps(method, str(teacher_file), 0, 1)
    for found in in_two_processes(tmp_path, method, str(teacher_file)):
        for ours, theirs in zip(expected["losses"], found["losses"], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        assert expected["queues"].keys() == found["queues"].keys()
        for name, queue in expected["queues"].items():
            torch.testing.assert_close(queue, found["queues"][name], rtol=1e-5, atol=1e-6)
        for name, gradient in expected["gradients"].items():
            difference = (gradient - found["gradients"][name]).norm()
            assert difference <= 2e-3 * gradient.norm() + 1e-6, (
                name
            )  # single precision, sums in another order


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
    """The queue wraps in rank order on both; mean loss and summed gradient are those of one process."""
    first, second = in_two_processes(tmp_path)
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


if __name__ == "__main__":
    one_of_two(*sys.argv[1:])

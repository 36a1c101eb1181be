#!/usr/bin/env python
"""Time and memory of the CompRess loss (forward and backward) beside two yardsticks.

The straightforward implementation clones the queues and keeps both logit matrices, a softmax, a
log-softmax and their gradients. The bare matrix products are the three that every implementation
needs: both logit matrices and the student's gradient. Each runs in a process of its own, so that its
peak memory is its own.

  python tools/benchmark_loss.py                    # B = 256, K = 128,000, 1q and 2q
  python tools/benchmark_loss.py --device cuda
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SHAPES = {"1q": (2048, 2048), "2q": (512, 2048)}  # widths of student and teacher embeddings
WAYS = ("ours", "straightforward", "products")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--queue", type=int, default=128_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", nargs=2, metavar=("SHAPE", "WAY"), help=argparse.SUPPRESS)
    return parser


def straightforward(student, teacher, student_anchors, teacher_anchors, temperature):
    import torch.nn.functional as F

    student_logits = F.normalize(student, dim=1) @ student_anchors.clone().T / temperature
    teacher_logits = F.normalize(teacher, dim=1) @ teacher_anchors.clone().T / temperature
    log_p, q = F.log_softmax(student_logits, dim=1), F.softmax(teacher_logits, dim=1)
    return F.kl_div(log_p, q, reduction="batchmean")


def memory_now(cuda: bool) -> float:
    """Memory in use in MB; the peak counts from here on."""
    import torch

    if cuda:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 1e6
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def memory_peak(cuda: bool) -> float:
    """Highest memory use since ``memory_now`` in MB."""
    import torch

    return torch.cuda.max_memory_allocated() / 1e6 if cuda else _status("VmHWM")


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1e3


def measure_one(shape: str, way: str, batch: int, queue: int, repeats: int, device: str) -> dict:
    """Seconds of each repeat, peak memory beyond the inputs in MB, loss and gradient norm."""
    import time

    import torch
    from torch.nn import functional as F

    from distill.losses import compress_loss

    generator = torch.Generator().manual_seed(0)
    student_width, teacher_width = SHAPES[shape]
    unit = lambda rows, width: F.normalize(torch.randn(rows, width, generator=generator), dim=1).to(device)  # noqa: E731
    teacher_anchors = unit(queue, teacher_width)
    student_anchors = teacher_anchors if shape == "1q" else unit(queue, student_width)
    teacher, student = unit(batch, teacher_width), unit(batch, student_width).requires_grad_()
    cuda = device != "cpu"

    def run() -> tuple[float, float]:
        student.grad = None
        if way == "products":
            with torch.no_grad():
                student_logits = student @ student_anchors.T
                teacher_logits = teacher @ teacher_anchors.T
                gradient = student_logits @ student_anchors
            del teacher_logits
            return 0.0, float(gradient.norm())
        loss = (compress_loss if way == "ours" else straightforward)(
            student, teacher, student_anchors, teacher_anchors, 0.04
        )
        loss.backward()
        return loss.item(), float(student.grad.norm())

    small = student @ student_anchors[:64].T  # start the matrix library before memory is counted
    del small
    before, seconds = memory_now(cuda), []
    for _ in range(repeats):
        if cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        value, norm = run()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds, "megabytes": memory_peak(cuda) - before, "loss": value, "gradient_norm": norm}


def main() -> None:
    args = parser().parse_args()
    if args.one:
        print(json.dumps(measure_one(*args.one, args.batch, args.queue, args.repeats, args.device)))
        return
    import torch

    threads = torch.get_num_threads()
    print(f"B = {args.batch}, K = {args.queue}, {args.device}, {threads} threads, torch {torch.__version__}")
    print("      way                 median s   fastest s   memory MB   loss        gradient norm")
    for shape in SHAPES:
        found = {way: run_one(shape, way, args) for way in WAYS}
        ours, plain, bare = (statistics.median(found[way]["seconds"]) for way in WAYS)
        memory = found["ours"]["megabytes"] / found["straightforward"]["megabytes"]
        print(
            f"  {shape}  ours: {ours / bare:.2f} x the products, {plain / ours:.2f} x faster than "
            f"straightforward, {memory:.2f} of its memory"
        )


def run_one(shape: str, way: str, args: argparse.Namespace) -> dict:
    """``measure_one`` in a process of its own, shown as a line."""
    options = [f"--{name}={getattr(args, name)}" for name in ("batch", "queue", "repeats", "device")]
    command = [sys.executable, __file__, "--one", shape, way, *options]
    row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(
        f"  {shape}  {way:<17} {statistics.median(row['seconds']):9.2f} {min(row['seconds']):11.2f} "
        f"{row['megabytes']:11.0f}   {row['loss']:<9.6f}   {row['gradient_norm']:.6f}",
        flush=True,
    )
    return row


if __name__ == "__main__":
    main()

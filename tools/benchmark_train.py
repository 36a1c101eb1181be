#!/usr/bin/env python
"""A training step of a method beside its bare networks: images a second, and memory.

  python tools/benchmark_train.py seed
  python tools/benchmark_train.py --all --batch-size 8
  python tools/benchmark_train.py crd --student mobilenetv3_large_100 --image-size 64

A step is the run's own: batch to the device, networks, loss, queues and banks, backward pass, optimiser.
Its bare networks are all calls of backbones and heads in that step, once more and with the same input: the
frozen ones forward, the trained ones forward and backward. Both take turns in one process. On a CPU
processor time is measured, so that a busy machine changes both alike. Memory is the peak above what lies
there between steps. Weights and pixels are random, settings the published ones; queues are full, and banks
have a row for each of ``--images``. Methods that need all images' embeddings get a few clusters.
"""

import argparse
import ctypes
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import UserError, run_cli, unknown  # noqa: E402

IMAGENET = 1_281_167
CACHED = 8  # images of the cache, for methods that need one
HEAD = f"{'method':26} images a second    bare networks   time    memory MB   bare networks"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("method", nargs="?", help="a file name of configs/_base_")
    parser.add_argument("--all", action="store_true", help="every method")
    parser.add_argument("--student", default="resnet18")
    parser.add_argument("--teacher-arch", default="resnet50", metavar="NAME")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--image-size", type=int, help="side of the views (default: the published one)")
    parser.add_argument("--images", type=int, default=IMAGENET, help="in the data set (default: ImageNet's)")
    parser.add_argument("--steps", type=int, default=5, help="measured, after one to warm up (default 5)")
    parser.add_argument("--amp", action="store_true", help="mixed precision (GPU), as in tools/distill.py")
    parser.add_argument("--compile", action="store_true", help="torch.compile for the networks")
    parser.add_argument("--device", help="cpu or cuda (default: the GPU where there is one)")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> None:
    args = parser().parse_args()
    import torch

    from distill.distributed import default_device
    from distill.engine.recipe import method_names

    if bool(args.method) == args.all:
        raise UserError("name one method, or give --all")
    if args.method and args.method not in method_names():
        raise unknown("method", args.method, method_names())
    args.device = args.device or default_device()
    cpu = f"{torch.get_num_threads()} CPU threads"
    place = cpu if args.device == "cpu" else torch.cuda.get_device_name()
    print(f"{args.teacher_arch} -> {args.student}, batch {args.batch_size}, {place}")
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in method_names() if args.all else [args.method]:
            print(line(name, measure(name, args, Path(folder)), args.batch_size), flush=True)


def line(name: str, found: dict[str, tuple[float, float]], batch: int) -> str:
    """A row of the table from (seconds, megabytes) of both."""
    (step, memory), (bare, least) = found["step"], found["bare"]
    rates = "".join(f" {rate:15.{2 if rate < 10 else 1}f}" for rate in (batch / step, batch / bare))
    return f"{name:26}{rates} {step / bare:7.2f} {memory:12.0f} {least:15.0f}"


def measure(name: str, args: argparse.Namespace, folder: Path) -> dict[str, tuple[float, float]]:
    """Median seconds and peak megabytes of a step and of its bare networks."""
    import torch
    from mmengine.logging import MMLogger
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import DefaultScope

    from distill.engine import acceleration
    from distill.methods.base import Progress
    from distill.registry import MODELS

    MMLogger.get_current_instance().setLevel("ERROR")  # it tells in which registries it looked first
    torch.manual_seed(0)
    config = settings(name, args, folder)
    config.device = args.device
    acceleration.fuse_optimizer(config)
    if args.amp:
        acceleration.use_mixed_precision(config)
    with DefaultScope.overwrite_default_scope("distill"), redirect_stdout(sys.stderr):  # a clean table
        method = MODELS.build(config.model).to(args.device).train()
        optimizer = build_optim_wrapper(method, config.optim_wrapper)
    method.progress = Progress(step=1, steps=2, epochs=config.train_cfg.max_epochs)  # in the middle of a run
    fill(method)
    data = batch(config, method, args)
    with Recorder(method) as recorder:
        method.train_step(data, optimizer)
    if args.compile:
        acceleration.compile_networks(method)

    def bare() -> None:
        with optimizer.optim_context(method):
            outputs = recorder.forward()
        recorder.backward(outputs)

    ways = {"step": lambda: method.train_step(data, optimizer), "bare": bare}
    megabytes = {way: peak_memory(run, args.device) for way, run in ways.items()}  # and to warm up
    seconds = {way: [] for way in ways}
    for _ in range(args.steps):
        for way, run in ways.items():
            seconds[way].append(seconds_of(run, args.device))
    return {way: (statistics.median(seconds[way]), megabytes[way]) for way in ways}


def settings(name: str, args: argparse.Namespace, folder: Path):
    """The method's published config with networks and the size of the data set filled in."""
    from mmengine.config import Config

    from distill.engine.config_root import config_root
    from distill.registry import MODELS
    from distill.targets import Need
    from distill.targets.sources import source_of

    config = Config.fromfile(config_root() / "_base_" / f"{name}.py")
    model, augmentation = config.model, config.train_dataloader.dataset.augmentation
    kind = MODELS.get(model.type)
    model.student.arch, images = args.student, args.images
    if (source := source_of(kind.needs)) is not None:
        network = args.teacher_arch if source.required == "arch" else teacher_file(args.teacher_arch, folder)
        model[source.key][source.required] = network
    if Need.ALL_IMAGES in kind.needs:
        model.teacher.cache, images = cache_of(model.teacher, folder / f"cache-{name}"), CACHED
    model.update(kind.fit_to_data(model, images)[0])
    augmentation.size = args.image_size or augmentation.size
    return config


def teacher_file(arch: str, folder: Path) -> str:
    """Random weights with all that a method can need: backbone, head and prototypes."""
    import torch

    from distill.backbones import Backbone
    from distill.checkpoints import save_student
    from distill.modules.heads import mlp

    file = folder / f"{arch}.pth"
    if not file.exists():
        network = Backbone(arch)
        head = mlp(network.width, 2048, 128, norm=True).state_dict()
        means = (network.mean.flatten().tolist(), network.std.flatten().tolist())
        save_student(file, network.net, arch, *means, 224, head=head, prototypes=torch.randn(3000, 128))
    return str(file)


def cache_of(teacher: dict, folder: Path) -> str:
    """The teacher's embeddings of a few made-up pictures."""
    import numpy as np
    from PIL import Image

    from distill.targets import Teacher
    from distill.targets.cached import write_cache

    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for number in range(CACHED):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(pictures / f"{number}.png")
    network = Teacher(**{key: value for key, value in teacher.items() if key != "cache"})
    write_cache(folder, network, str(pictures), dict(type="CentreCrop", size=64), workers=0)
    return str(folder)


def fill(method) -> None:
    """Puts unit vectors where a run begins with none, so that the step is one of later epochs."""
    from torch.nn import functional as F

    from distill.methods.online_clustering import OnlineKMeans
    from distill.modules.prototypes import Codes

    for module in method.modules():
        if isinstance(module, Codes):
            for queue in module.queues:
                queue.anchors.copy_(F.normalize(queue.anchors.normal_(), dim=1))
        if isinstance(module, OnlineKMeans):
            module.centres.copy_(F.normalize(module.centres.normal_(), dim=1))
            module.members.fill_(1)


def batch(config, method, args: argparse.Namespace) -> dict:
    """Random pixels as the data loader gives them."""
    import torch

    from distill.registry import TRANSFORMS

    size = args.batch_size
    sides = TRANSFORMS.build(config.train_dataloader.dataset.augmentation).sizes
    views = [torch.randint(0, 256, (size, 3, side, side), dtype=torch.uint8) for side in sides]
    images = len(method.teacher.rows) if config.model.get("teacher", {}).get("cache") else args.images
    return {"views": views, "index": torch.arange(size) % images, "unreadable": []}


class Recorder:
    """Inside ``with``: writes down the calls of the method's networks; afterwards it can repeat them.

    A network is any module with parameters that the method calls, and not one that such a module calls in
    its turn.
    """

    def __init__(self, method):
        teacher = [] if method.teacher is None else method.teacher.modules()
        found = dict.fromkeys((*method.modules(), *teacher))
        self.modules = [part for part in found if part is not method and list(part.parameters())]
        self.calls, self.depth, self.handles = [], 0, []

    def __enter__(self) -> "Recorder":
        for module in self.modules:
            self.handles.append(module.register_forward_pre_hook(self._begin, with_kwargs=True))
            self.handles.append(module.register_forward_hook(self._end, always_call=True))
        return self

    def __exit__(self, *_) -> None:
        for handle in self.handles:
            handle.remove()

    def _begin(self, module, args: tuple, kwargs: dict) -> None:
        import torch

        if self.depth == 0:
            self.calls.append((module, [kept(part) for part in args], kwargs, torch.is_grad_enabled()))
        self.depth += 1

    def _end(self, *_) -> None:
        self.depth -= 1

    def forward(self) -> list:
        """The calls once more, in their order; returns their outputs."""
        import torch

        outputs = []
        for module, args, kwargs, gradient in self.calls:
            with torch.set_grad_enabled(gradient):
                outputs.append(module(*args, **kwargs))
        return outputs

    def backward(self, outputs: list) -> None:
        """The backward passes of what is trained; leaves no gradient behind."""
        import torch

        trained = [output for output in outputs if output.requires_grad]
        torch.autograd.backward(trained, [torch.ones_like(output) for output in trained])
        for module, args, *_ in self.calls:
            module.zero_grad()
            for part in args:
                if torch.is_tensor(part):
                    part.grad = None


def kept(value):
    """A copy of a tensor that belongs to no graph; anything else as it is."""
    import torch

    return value.detach().clone().requires_grad_(value.requires_grad) if torch.is_tensor(value) else value


def seconds_of(run: Callable[[], object], device: str) -> float:
    """Of processor time on a CPU, else until the GPU is done."""
    import torch

    if device == "cpu":
        started = time.process_time()
        run()
        return time.process_time() - started
    torch.cuda.synchronize()
    started = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def peak_memory(run: Callable[[], object], device: str) -> float:
    """Of ``run``, beyond what was in use before, in MB."""
    import torch

    if device == "cpu":
        ctypes.CDLL(None).malloc_trim(0)  # what is free but kept would hide a part
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
        before = resident("VmRSS")
        run()
        return resident("VmHWM") - before
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def resident(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1e3


if __name__ == "__main__":
    run_cli(main)

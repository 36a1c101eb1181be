#!/usr/bin/env python
"""Time of a CompRess-1q epoch with the teacher running and with its embeddings taken from a cache.

  python tools/benchmark_cache.py --teacher resnet50 --student resnet18 --images 128

Weights are random (time does not depend on them), pictures come from the demo world, and data loading
runs in this process for both, so that the teacher is the only difference. The cost of writing the cache
once is shown too.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import run_cli  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--teacher", default="resnet50")
    parser.add_argument("--student", default="resnet18")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=3, help="measured, after one to warm up")
    return parser


def main() -> None:
    args = parser().parse_args()
    import torch

    from distill.backbones import Backbone
    from distill.checkpoints import save_student
    from distill.demo.world import write_demo
    from distill.targets import Teacher
    from distill.targets.cached import write_cache

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        images = write_demo(Path(folder) / "demo", n_classification=(args.images, 1), n_scenes=(1, 1))
        root = str(images / "imagefolder" / "train")
        teacher, cache = f"{folder}/teacher.pth", f"{folder}/cache"
        network = Backbone(args.teacher)
        save_student(teacher, network.net, args.teacher, (0.5,) * 3, (0.25,) * 3, args.image_size)
        started = time.perf_counter()
        write_cache(cache, Teacher(teacher).to(device), root, dict(type="CentreCrop", size=args.image_size))
        print(f"{args.teacher} -> {args.student}, {args.images} images of {args.image_size} px, batch "
              f"{args.batch_size}, {device}, {torch.get_num_threads()} threads")  # fmt: skip
        print(f"  writing the cache, once   {time.perf_counter() - started:8.2f} s")
        running = epoch_seconds(args, root, dict(weights=teacher), device)
        cached = epoch_seconds(args, root, dict(weights=teacher, cache=cache), device)
    print(f"  an epoch, teacher running {running:8.2f} s")
    print(f"  an epoch, from the cache  {cached:8.2f} s   {running / cached:.2f} x faster")


def epoch_seconds(args: argparse.Namespace, root: str, teacher: dict, device: str) -> float:
    """Median seconds of an epoch: loading, loss, backward pass, SGD step."""
    import torch
    from torch.utils.data import DataLoader

    from distill.data.sampler import EpochSampler
    from distill.data.unlabelled import UnlabelledImages, collate_views
    from distill.methods.compress import CompRess

    torch.manual_seed(0)
    images = UnlabelledImages(root, dict(type="CropFlip", size=args.image_size))
    loader = DataLoader(
        images, args.batch_size, sampler=EpochSampler(images), collate_fn=collate_views, drop_last=True
    )
    method = CompRess(dict(arch=args.student), teacher, queue_length=1024).to(device).train()
    images.rows = method.rows()
    optimizer = torch.optim.SGD(method.parameters(), 0.01, momentum=0.9)
    seconds = []
    for _ in range(args.epochs + 1):
        started = time.perf_counter()
        for batch in loader:
            loss = method(**method.data_preprocessor(batch), mode="loss")["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss.item()  # waits for a GPU
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    run_cli(main)

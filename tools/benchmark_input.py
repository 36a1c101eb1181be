#!/usr/bin/env python
"""Images a second on one core: this project's views beside the same views made as in their authors' code.

  python tools/benchmark_input.py

The authors' code is written as torchvision's transforms of PIL images, with Pillow's Gaussian blur, and
normalises on the CPU; here the networks do that. Pictures are JPEGs of 500 x 375 pixels, written for this
measurement, or those in ``--data``. Both ways take turns, image by image, and processor time is measured,
so that a busy machine changes both alike.
"""

import argparse
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
    parser.add_argument("--data", metavar="DIR", help="folder of images, instead of made-up ones")
    parser.add_argument("--images", type=int, default=64, help="at most (default 64)")
    parser.add_argument("--rounds", type=int, default=3, help="passes over them (default 3)")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> None:
    args = parser().parse_args()
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        root = args.data or write_pictures(Path(folder), args.images)
        print(f"{'views':42} {'ours':>10} {'authors':>10}   images a second and core")
        for name, (augmentation, theirs) in pipelines().items():
            ours, others = rates(root, augmentation, theirs, args.images, args.rounds)
            print(f"{name:42} {ours:10.1f} {others:10.1f}   {ours / others:.2f} x", flush=True)


def write_pictures(folder: Path, count: int) -> str:
    """Pictures with coarse and fine structure, so that decoding one takes as long as a photograph."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(count):
        pixels = np.zeros((375, 500, 3))
        for cell, strength in ((125, 120), (25, 60), (5, 30), (1, 8)):
            shape = (-(-375 // cell), -(-500 // cell), 3)
            noise = random.uniform(-strength, strength, shape).repeat(cell, 0).repeat(cell, 1)
            pixels += noise[:375, :500]
        image = Image.fromarray((pixels + 128).clip(0, 255).astype(np.uint8))
        image.save(folder / f"{number}.jpg", quality=90)
    return str(folder)


def pipelines() -> dict:
    """Title -> this project's augmentation, and the authors' views as transforms of PIL images."""
    from torchvision import transforms as T

    finish = [T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    flip, grey, blur = T.RandomHorizontalFlip(), T.RandomGrayscale(0.2), pillow_blur

    def jitter(*strengths: float):
        return T.RandomApply([T.ColorJitter(*strengths)], p=0.8)

    def view(size: int, scale: tuple[float, float], *steps):
        return T.Compose([T.RandomResizedCrop(size, scale=scale), *steps, *finish])

    swav = [flip, jitter(0.8, 0.8, 0.8, 0.2), grey, blur(0.5)]
    moco = view(224, (0.2, 1.0), jitter(0.4, 0.4, 0.4, 0.1), grey, blur(0.5), flip)
    byol = [flip, jitter(0.4, 0.4, 0.2, 0.1), grey]
    return {
        "SwAV, 2 of 224 and 6 of 96 px": (
            {"type": "MultiCrop"},
            [view(224, (0.14, 1.0), *swav)] * 2 + [view(96, (0.05, 0.14), *swav)] * 6,
        ),
        "MoCo-v2, 2 of 224 px": ({"type": "MoCoV2Augmentation", "views": 2}, [moco] * 2),
        "BYOL, 2 of 224 px": (
            {"type": "BYOLAugmentation"},
            [
                view(224, (0.08, 1.0), *byol, blur(1.0)),
                view(224, (0.08, 1.0), *byol, blur(0.1), T.RandomSolarize(128, 0.2)),
            ],
        ),
        "crop and flip (CompRess), 1 of 224 px": ({"type": "CropFlip"}, [view(224, (0.08, 1.0), flip)]),
    }


def pillow_blur(p: float):
    """Pillow's blur, three box blurs, with a width between 0.1 and 2 pixels."""
    import random

    from PIL import ImageFilter
    from torchvision import transforms as T

    def blur(image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))

    return T.RandomApply([T.Lambda(blur)], p=p)


def rates(root: str, augmentation: dict, theirs: list, images: int, rounds: int) -> tuple[float, float]:
    """Images a second of processor time, ours and the authors', reading and decoding included."""
    from PIL import Image

    from distill.data.unlabelled import UnlabelledImages

    ours = UnlabelledImages(root, augmentation)
    count = min(images, len(ours))
    seconds = [0.0, 0.0]
    for epoch in range(rounds):
        for index in range(count):
            started = time.process_time()
            ours[epoch, index]
            between = time.process_time()
            image = Image.open(ours.images.name(index)).convert("RGB")
            [transform(image) for transform in theirs]
            seconds[0] += between - started
            seconds[1] += time.process_time() - between
    return tuple(rounds * count / spent for spent in seconds)


if __name__ == "__main__":
    run_cli(main)

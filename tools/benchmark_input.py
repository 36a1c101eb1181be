#!/usr/bin/env python
"""Images a second and core: this project's views beside the same views made as in their authors' code.

  python tools/benchmark_input.py

The authors' code is written as torchvision's transforms of PIL images, with Pillow's Gaussian blur, and
normalises on the CPU; here the networks do that. Ours are measured twice: made whole in the data worker, as
for a CPU, and only cut out there, as for a GPU, which finishes them. Beside them: decoding and random crops
alone, by Pillow, and lightly's own views where it is installed. Pictures are JPEGs of 500 x 375 pixels,
written for this measurement, or those in ``--data``. All ways take turns, image by image, and processor time
is measured, so that a busy machine changes all alike.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import run_cli  # noqa: E402

HEAD = f"{'images a second and core':38} authors   in the worker    cut out only  crops alone  lightly"


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

    from distill.data.file_index import list_images

    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        root = args.data or write_pictures(Path(folder), args.images)
        count = min(args.images, len(list_images(root)))
        print(HEAD)
        for name, (augmentation, theirs, lightly) in pipelines().items():
            found = rates(ways(root, augmentation, theirs, lightly), count, args.rounds)
            print(line(name, found), flush=True)


def line(name: str, found: dict[str, float]) -> str:
    """A row of the table; what is not there is a dash."""
    authors = found["authors"]
    ours = "".join(f"{found[way]:9.1f} {found[way] / authors:4.2f} x" for way in ("worker", "cut"))
    lightly = f"{found['lightly']:9.1f}" if "lightly" in found else f"{'-':>9}"
    return f"{name:38} {authors:7.1f} {ours} {found['crops']:12.1f}{lightly}"


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
    """Title -> our augmentation, the authors' views as transforms of PIL images, and lightly's or None."""
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
    lightly = lightly_views()
    return {
        "SwAV, 2 of 224 and 6 of 96 px": (
            {"type": "MultiCrop"},
            [view(224, (0.14, 1.0), *swav)] * 2 + [view(96, (0.05, 0.14), *swav)] * 6,
            lightly.get("swav"),
        ),
        "MoCo-v2, 2 of 224 px": (
            {"type": "MoCoV2Augmentation", "views": 2}, [moco] * 2, lightly.get("moco"),
        ),
        "SEED (MoCo-v2's view), 1 of 224 px": (
            {"type": "MoCoV2Augmentation"}, [moco], lightly.get("moco", [])[:1],
        ),
        "BYOL, 2 of 224 px": (
            {"type": "BYOLAugmentation"},
            [
                view(224, (0.08, 1.0), *byol, blur(1.0)),
                view(224, (0.08, 1.0), *byol, blur(0.1), T.RandomSolarize(128, 0.2)),
            ],
            lightly.get("byol"),
        ),
        "crop and flip (CompRess), 1 of 224 px": (
            {"type": "CropFlip"}, [view(224, (0.08, 1.0), flip)], None,
        ),
    }  # fmt: skip


def lightly_views() -> dict[str, list]:
    """Method -> lightly's transforms of a PIL image, one a view; nothing where it is not installed."""
    try:
        from lightly.transforms import BYOLTransform, MoCoV2Transform, SwaVTransform
    except ImportError:
        return {}
    made = {"swav": SwaVTransform(), "moco": MoCoV2Transform(), "byol": BYOLTransform()}
    return {name: transform.transforms for name, transform in made.items()}


def pillow_blur(p: float):
    """Pillow's blur, three box blurs, with a width between 0.1 and 2 pixels."""
    import random

    from PIL import ImageFilter
    from torchvision import transforms as T

    def blur(image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))

    return T.RandomApply([T.Lambda(blur)], p=p)


def ways(root: str, augmentation: dict, theirs: list, lightly: list | None) -> dict[str, Callable]:
    """Name -> a way to make the views of an image from its file, called with (epoch, number of the image)."""
    from PIL import Image
    from torchvision import transforms as T

    from distill.data.unlabelled import UnlabelledImages

    worker, cut = UnlabelledImages(root, augmentation), UnlabelledImages(root, augmentation)
    cut.cut_only = True
    crops = [T.RandomResizedCrop(view.size, view.scale) for view in worker.augmentation.views]

    def by_pillow(transforms: list) -> Callable:
        def make(epoch: int, index: int) -> None:
            image = Image.open(worker.images.name(index)).convert("RGB")
            [transform(image) for transform in transforms]

        return make

    found = {
        "authors": by_pillow(theirs),
        "worker": lambda *item: worker[item],
        "cut": lambda *item: cut[item],
        "crops": by_pillow(crops),
    }
    return found | ({"lightly": by_pillow(lightly)} if lightly else {})


def rates(ways: dict[str, Callable], images: int, rounds: int) -> dict[str, float]:
    """Images a second of processor time, reading and decoding included."""
    for make in ways.values():
        make(0, 0)  # the first call is slower
    seconds = dict.fromkeys(ways, 0.0)
    for epoch in range(rounds):
        for index in range(images):
            for name, make in ways.items():
                started = time.process_time()
                make(epoch, index)
                seconds[name] += time.process_time() - started
    return {name: rounds * images / spent for name, spent in seconds.items()}


if __name__ == "__main__":
    run_cli(main)

"""Every kind of detector and segmenter learns four pictures by heart, from the data to the metric.

The pictures hold a red and a green rectangle; the network is timm's smallest ResNet, the
heads and the optimiser are those of ``--smoke``.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from transfer import run
from transfer.benchmark import find_benchmark
from transfer.datasets.find import find_data
from transfer.frameworks import FRAMEWORKS
from transfer.jobs.initial import Initial
from transfer.jobs.job import make_run
from transfer.matrix.plan import make_jobs


class Case(NamedTuple):
    """How a benchmark is run here; ``side`` is that of the pictures in training and testing."""

    side: int
    steps: int
    options: dict = {}


# A box head that is one small stage needs a map of 8x8: pictures of 128.
EVERY = "precomputed_proposal_topk"
DETECTORS = {
    "voc07_det": Case(64, 60),
    "voc07_det_res5": Case(128, 45),
    "voc07_fast_rcnn": Case(
        128, 80, {f"dataloader.train.mapper.{EVERY}": 2_000, f"dataloader.test.mapper.{EVERY}": 2_000}
    ),
    "coco_det": Case(64, 60),
    "coco_det_c4": Case(128, 45),
    "coco_lowshot_1k": Case(64, 60),
}
# nothing here is mostly background, so that its pixels count as others do
EQUAL = {f"model.{head}.loss_decode.background_weight": 1.0 for head in ("decode_head", "auxiliary_head")}
SEGMENTERS = {
    "voc12_seg": Case(128, 45, {**EQUAL, "model.backbone.output_stride": 8}),
    "cityscapes_seg_d2": Case(64, 40),
}
SIDE, COLOURS = 64, {"red": (220, 40, 40), "green": (40, 200, 40)}
# a picture a row: left, top, width, height of the red and the green rectangle
PICTURES = (
    ((4, 6, 24, 24), (34, 30, 26, 28)),
    ((30, 4, 30, 22), (6, 34, 22, 26)),
    ((8, 30, 28, 28), (38, 6, 22, 30)),
    ((32, 32, 24, 28), (4, 4, 30, 24)),
)


def draw(boxes) -> tuple[Image.Image, Image.Image]:
    """The picture, and the mask of its class numbers: 0 ground, 1 red, 2 green."""
    pixels = np.full((SIDE, SIDE, 3), 110, np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for number, ((left, top, width, height), colour) in enumerate(
        zip(boxes, COLOURS.values(), strict=True), 1
    ):
        pixels[top : top + height, left : left + width] = colour
        mask[top : top + height, left : left + width] = number
    return Image.fromarray(pixels), Image.fromarray(mask)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """The four pictures as training and test data: with masks in the folder, with boxes in its ``coco``."""
    root = tmp_path_factory.mktemp("four")
    images, objects = [], []
    for number, boxes in enumerate(PICTURES):
        for folder, image in zip(("img", "ann"), draw(boxes), strict=True):
            for split in ("train", "val"):
                (root / folder / split).mkdir(parents=True, exist_ok=True)
                image.save(root / folder / split / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
        for category, (left, top, width, height) in enumerate(boxes):
            right, bottom = left + width, top + height
            objects.append(
                {
                    "id": len(objects) + 1, "image_id": number, "category_id": category, "iscrowd": 0,
                    "bbox": [left, top, width, height], "area": width * height,
                    "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                }
            )  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(COLOURS)]
    content = json.dumps({"images": images, "annotations": objects, "categories": categories})
    (root / "coco").mkdir()
    for split in ("train", "val"):
        (root / f"coco/{split}.json").write_text(content)
        (root / f"coco/{split}").symlink_to(root / "img" / split)
    return root


def metrics_of(name: str, case: Case, root: Path, tmp_path: Path) -> dict[str, float]:
    benchmark = find_benchmark(name).for_smoke()
    pytest.importorskip(benchmark.framework, reason=f"{benchmark.framework} is not installed")
    data = find_data(benchmark.data, str(root), None, None, tmp_path)
    initial = Initial("random", "r", "test_resnet", "", "", (0.5,) * 3, (0.25,) * 3)
    line = (
        name,
        "x",
        "--smoke",
        "--image-size",
        case.side,
        "--max-steps",
        case.steps,
        "--work-dir",
        tmp_path,
    )
    given = run.parser().parse_args([*map(str, line)])
    (job,) = make_jobs(benchmark, given, case.options, initial, data, [0], gpus=0)
    framework = FRAMEWORKS[benchmark.framework]
    make_run(job, framework.part("fill").fill).save()
    metrics, _ = framework.part("trainer").train_and_test(job)
    return metrics


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_learns_four_pictures_by_heart(name, four, tmp_path):
    found = metrics_of(name, DETECTORS[name], four / "coco", tmp_path)
    headlines = {key: value for key, value in found.items() if key.endswith("AP50")}
    assert headlines and min(headlines.values()) > 90


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_segmenter_learns_four_pictures_by_heart(name, four, tmp_path):
    assert metrics_of(name, SEGMENTERS[name], four, tmp_path)["mAcc"] > 95

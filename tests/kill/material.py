"""Made-up pictures, a teacher and a student of a size at which a whole run takes seconds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from distill import results
from distill.backbones import create_backbone
from distill.checkpoints import save_student
from distill.demo.world import write_demo
from distill.modules.heads import mlp
from tests.distill.evaluation.conftest import write_folder


@dataclass(frozen=True)
class Material:
    """What the commands are given.

    Attributes:
        images: 24 pictures of 48 pixels, without labels.
        photos: 40 pictures of 200 pixels.
        labelled: ``train`` and ``val``, two classes.
        scenes: the demo's, in the layouts of VOC, COCO and masks.
        teacher: a ResNet-18 in MoCo-v2's layout.
        student: what ``tools/distill.py`` writes.
        rows: three results of it.
    """

    images: Path
    photos: Path
    labelled: Path
    scenes: Path
    teacher: Path
    student: Path
    rows: Path


def make(root: Path) -> Material:
    """Writes all of it into ``root``, the same bytes every time."""
    paths = {name: root / name for name in ("images", "photos", "labelled", "scenes")}
    files = {
        "teacher": root / "moco.pth.tar",
        "student": root / "run/last.pth",
        "rows": root / "results.jsonl",
    }
    _pictures(paths["images"], number=24, side=48)
    _pictures(paths["photos"], number=40, side=200)
    write_folder(paths["labelled"] / "train", images=12)
    write_folder(paths["labelled"] / "val", seed=1)
    write_demo(paths["scenes"], n_classification=(10, 10), n_scenes=(12, 4))
    torch.manual_seed(7)
    state = {f"module.encoder_q.{k}": v for k, v in create_backbone("resnet18").state_dict().items()}
    state |= {f"module.encoder_q.fc.{k}": v for k, v in mlp(512, 512, 128).state_dict().items()}
    torch.save({"arch": "resnet18", "state_dict": state}, files["teacher"])
    network = create_backbone("test_resnet")
    files["student"].parent.mkdir()
    save_student(
        files["student"], network, "test_resnet", (0.5,) * 3, (0.25,) * 3, 32, meta={"method": "SEED"}
    )
    for seed in range(3):
        row = results.make_row(
            "knn", "run", "distilled", "test_resnet", seed, {"1nn": 50.0 + seed}, "", "", {}, 1
        )
        results.append(files["rows"], row)
    return Material(**paths, **files)


def _pictures(folder: Path, number: int, side: int) -> None:
    random = np.random.default_rng(side)
    folder.mkdir(parents=True)
    for name in range(number):
        Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(
            folder / f"{name:02}.png"
        )

"""Every method of ``configs/_base_`` at a size for tests: 24 images of 32 px, batch 5, seconds on one core.

Tests for all methods are parametrised over ``SMALL``: an entry here is tested for training, resuming bit
for bit, two processes, and conversion of what it exports.
"""

from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from distill.engine.recipe import recipe

STUDENT = "test_efficientnet"


@dataclass(frozen=True)
class Small:
    """How a method is tested.

    Attributes:
        method: file name in ``configs/_base_``.
        teacher: ``moco`` or ``swav`` (a ResNet-18 in that layout), ``cached`` (the first one's embeddings),
            the name of an architecture to train, or None.
        options: changes to the config.
    """

    method: str
    teacher: str | None = "moco"
    options: dict = field(default_factory=dict)


FEW_CROPS = {"train_dataloader.dataset.augmentation.small_views": 2}
CLUSTERS = {"model.hidden": 32, "model.projection": 16, "model.prototypes": 12} | FEW_CROPS
STARTED = {"model.queue_length": 4, "model.queue_start_epoch": 0}  # full, and used, from the second step on
# maps of 2 x 2 pixels
PIXELS = {"model.hidden": 32, "model.attention_width": 32, "train_dataloader.dataset.augmentation.size": 64}
ONLINE = "mobilenetv3_small_050"  # a teacher that is trained too

SMALL = {
    "compress_1q": Small("compress_1q"),
    "compress_2q": Small("compress_2q"),
    "compress_2q_no_key": Small("compress_2q", options={"model.key_encoder": False}),
    "seed": Small("seed", options={"model.teacher_temperature": 0.01}),
    "seed_cached": Small("seed", "cached", {"model.teacher_temperature": 0.01}),
    "seed_small_patches": Small(
        "seed_small_patches",
        options={"model.small_patches": 3, "train_dataloader.dataset.augmentation.small_views": 3},
    ),
    "simclr": Small("simclr", teacher=None),
    "simclr_norm": Small("simclr", None, {"model.head_norm": True}),
    "moco_v2": Small("moco_v2", None),
    "byol": Small("byol", None, {"model.hidden": 32, "model.projection": 16}),
    # every 3, because the tests have training states at multiples of 3
    "byol_accumulated": Small(
        "byol_accumulated", None, {"model.hidden": 32, "optim_wrapper.accumulative_counts": 3}
    ),
    "crd": Small("crd"),
    "cluster_classification": Small("cluster_classification", "cached", {"model.teacher.output": "auto"}),
    "reg": Small("reg"),
    "reg_bn": Small("reg_bn"),
    "feature_matching": Small("feature_matching"),
    "feature_matching_no_map": Small(
        "feature_matching", "cached", {"model.map_weight": 0.0, "model.teacher.output": "auto"}
    ),
    "probabilistic_transfer": Small("probabilistic_transfer"),
    "seed_l2": Small("seed_l2"),
    "seed_kmeans": Small("seed_kmeans", "cached"),
    "seed_online_clustering": Small("seed_online_clustering"),
    "seed_binary_contrastive": Small("seed_binary_contrastive"),
    "swav": Small("swav", None, CLUSTERS | STARTED | {"model.prototypes_frozen_until_epoch": 0}),
    "swav_no_queue": Small("swav", None, CLUSTERS | {"model.queue_length": 0}),
    "oss": Small("oss", ONLINE, CLUSTERS | STARTED | {"model.prototypes_frozen_until_epoch": 0}),
    "oss_plain": Small("oss", ONLINE, CLUSTERS | {"model.dropout": None, "model.adversarial": False}),
    "oss_joint": Small("oss", ONLINE, CLUSTERS | {"model.joint_classifier": True, "model.own_copy": True}),
    "oss_offline": Small("oss_offline", "swav", {"model.hidden": 32} | STARTED | FEW_CROPS),
    "pcd": Small("pcd", options=PIXELS),
    "pcd_asymmetric": Small("pcd", options=PIXELS | {"model.symmetric": False}),
    "pcd_vectorised": Small("pcd_vectorised", options={"model.hidden": 32, "model.view_pairing": "same"}),
}


@dataclass(frozen=True)
class Inputs:
    """Files that methods start from."""

    images: Path
    moco: Path
    swav: Path
    cache: Path


def arguments(name: str, inputs: Inputs) -> dict:
    """The arguments of ``pretrain`` or ``tools/distill.py``, without the changes to the config."""
    small = SMALL[name]
    teacher = {"moco": inputs.moco, "cached": inputs.moco, "swav": inputs.swav}.get(
        small.teacher, small.teacher
    )
    return {
        "method": small.method,
        "data": str(inputs.images),
        "student": STUDENT,
        "teacher": None if teacher is None else str(teacher),
        "teacher_cache": str(inputs.cache) if small.teacher == "cached" else None,
        "epochs": 2,
        "batch_size": 5,
        "image_size": 32,
        "workers": 0,
    }


def small_config(name: str, inputs: Inputs) -> Config:
    """The resolved config of a run of that size."""
    config, _ = recipe(**arguments(name, inputs))
    config.merge_from_dict(SMALL[name].options)
    return config

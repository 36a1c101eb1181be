"""What a benchmark fixes, as data."""

from dataclasses import dataclass, field

from transfer.benchmarks.schedule import EpochSchedule, Schedule


@dataclass(frozen=True)
class ImageSize:
    """Image sizes in pixels.

    Args:
        train: shorter sides to draw from (detection), or the one scale of segmentation's random resize.
        test: shorter side at test time.
        longest: bound on the longer side.
        crop: (height, width) of the training crop; None for detection.
    """

    train: tuple[int, ...]
    test: int
    longest: int
    crop: tuple[int, int] | None = None


# MMSegmentation's random resize and flip; the smoke data are digits, which scale and mirror badly.
SEGMENTATION = {
    "channels": 128,
    "auxiliary_channels": 64,
    "output_stride": 8,
    "scale_range": (0.5, 2.0),
    "flip": 0.5,
    "background_weight": 1.0,
}
SEGMENTATION_SMOKE = {
    "schedule": Schedule(batch=8, lr=2e-3, steps=120, warmup=10, end_lr=1e-5),
    "optimizer": "AdamW",  # in so few steps SGD stays close to all background
    "size": ImageSize(train=(128,), test=128, longest=512, crop=(128, 128)),
    "model": {"output_stride": 16, "scale_range": (0.8, 1.25), "flip": 0.0, "background_weight": 0.15},
}


@dataclass(frozen=True)
class Protocol:
    """One benchmark's settings.

    Args:
        name: as given on the command line and written to result rows.
        framework: ``detectron2``, ``mmdet`` or ``mmseg``.
        schedule: the published schedule.
        images_per_gpu: images a device takes in the published run; sets the batch on fewer devices.
        weight_decay: of the optimizer.
        optimizer: ``SGD`` (momentum 0.9), or ``AdamW``, with which a smoke run learns.
        size: image sizes.
        seeds: number of seeds the published result is averaged over.
        split_size: images in one low-shot split; None where the whole training set is used.
        model: numbers of the model's heads.
        smoke: the settings of ``--smoke`` that differ, same field names.
        source: where the numbers come from.
    """

    name: str
    framework: str
    schedule: Schedule | EpochSchedule
    images_per_gpu: int
    weight_decay: float
    size: ImageSize
    seeds: int
    source: str
    optimizer: str = "SGD"
    split_size: int | None = None
    model: dict = field(default_factory=dict)
    smoke: dict = field(default_factory=dict)

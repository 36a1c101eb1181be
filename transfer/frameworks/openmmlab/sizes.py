"""Picture sizes in a config's pipelines, and the output stride of its backbone."""

from mmengine.config import Config

from distill.errors import UserError
from transfer.jobs.job import Job


def innermost(dataset: dict) -> dict:
    """The data set itself, inside ``RepeatDataset`` and its like."""
    while "dataset" in dataset:
        dataset = dataset["dataset"]
    return dataset


def set_sizes(config: Config, job: Job) -> None:
    """Shorter side, training crop and output stride as the user wants them.

    The bound on the longer side keeps its proportion; the crop becomes ``image_size`` squared unless given.

    Raises:
        UserError: a size that this config does not have.
    """
    train = innermost(config.train_dataloader.dataset)["pipeline"]
    test = innermost(config.test_dataloader.dataset)["pipeline"]
    if job.image_size:
        longest, shorter = sorted(_scale(test), reverse=True)
        scale = (round(longest * job.image_size / shorter), job.image_size)
        for step in (step for step in (*train, *test) if "scale" in step):
            step["scale"] = [scale, scale] if isinstance(step["scale"], list) else scale
    _set_crop(config, job, train)
    if job.output_stride:
        if "output_stride" not in config.model.backbone:
            raise UserError(f"--output-stride: {job.benchmark} has none; segmentation benchmarks have")
        config.model.backbone.output_stride = job.output_stride


def _set_crop(config: Config, job: Job, train: list[dict]) -> None:
    crops = [step for step in train if "crop_size" in step]
    if job.crop_size and not crops:
        raise UserError("--crop-size: detection trains on whole pictures; use --image-size")
    size = job.crop_size or (job.image_size and (job.image_size, job.image_size))
    if crops and size:
        for step in crops:
            step["crop_size"] = size
        config.model.data_preprocessor.size = size


def _scale(pipeline: list[dict]) -> tuple[int, int]:
    return next(step["scale"] for step in pipeline if "scale" in step)

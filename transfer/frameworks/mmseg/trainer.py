"""FCN as OSS A.6 describes it, in MMSegmentation."""

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from transfer.datasets.segmentation import IGNORE, find_segmentation
from transfer.frameworks.mmseg.adapter import DistilledBackbone
from transfer.frameworks.openmmlab import trainer
from transfer.frameworks.openmmlab.trainer import backbone, dataloader, stage_widths
from transfer.jobs.job import Job
from transfer.network.dilation import set_output_stride


@MODELS.register_module()
class DilatedBackbone(DistilledBackbone):
    """The backbone with maps no coarser than ``output_stride``: MMSegmentation's ``d8`` variant."""

    def __init__(self, output_stride: int, **options):
        super().__init__(**options)
        set_output_stride(self, output_stride)


@MODELS.register_module()
class BalancedCrossEntropy(nn.Module):
    """Cross-entropy in which class 0 counts less; MMSegmentation's own weights fail on ignored pixels."""

    loss_name = "loss_ce"

    def __init__(self, background_weight: float, loss_weight: float):
        super().__init__()
        self.background_weight, self.loss_weight = background_weight, loss_weight

    def forward(self, logits: Tensor, labels: Tensor, weight=None, ignore_index: int = IGNORE) -> Tensor:
        """(B, C, H, W) logits and (B, H, W) labels -> scalar; ``weight`` (of pixel samplers) is not used."""
        weights = logits.new_ones(logits.shape[1])
        weights[0] = self.background_weight
        return self.loss_weight * cross_entropy(logits, labels, weights, ignore_index=ignore_index)


def train_and_test(job: Job) -> tuple[dict[str, float], int]:
    """Trains and tests; returns (metrics in percent, step the run was resumed from)."""
    return trainer.train_and_test(job, build_config(job), read_metrics)


def build_config(job: Job) -> dict:
    """Model, data and metric as an mmengine config."""
    data = find_segmentation(job.data_root, job.benchmark, job.classes)
    read_mask = {"type": "ReadMask", "table": data.table}
    scale = (job.size.longest, job.size.test)
    train = [
        {"type": "ReadPicture"},
        read_mask,
        {"type": "RandomResize", "scale": scale, "ratio_range": job.model["scale_range"], "keep_ratio": True},
        {"type": "RandomCrop", "crop_size": job.size.crop, "cat_max_ratio": 0.75},
        {"type": "RandomFlip", "prob": job.model["flip"]},
        {"type": "PhotoMetricDistortion"},
        {"type": "PackSegInputs"},
    ]
    # The mask keeps its own size: predictions are scaled back to it.
    test = [
        {"type": "ReadPicture"},
        {"type": "Resize", "scale": scale, "keep_ratio": True},
        read_mask,
        {"type": "PackSegInputs"},
    ]

    def dataset(split: str, pipeline: list[dict]) -> dict:
        where = {"benchmark": job.benchmark, "data_root": job.data_root, "classes": job.classes}
        return {"type": "SegmentationPairs", **where, "split": split, "pipeline": pipeline}

    return {
        "model": _model(job),
        "train_dataloader": dataloader(dataset("train", train), job.batch_per_device, job.workers, job.seed),
        "test_dataloader": dataloader(dataset("val", test), 1, job.workers, None),
        "test_evaluator": {"type": "IoUMetric", "iou_metrics": ["mIoU"]},
    }


def _model(job: Job) -> dict:
    widths = stage_widths(job.arch)
    common = {
        "type": "FCNHead",
        "num_classes": len(job.classes),
        "align_corners": False,
        "dropout_ratio": 0.1,
        "norm_cfg": {"type": job.norm, "requires_grad": True},
    }
    loss = {"type": "CrossEntropyLoss", "use_sigmoid": False}
    if job.model["background_weight"] != 1:
        loss = {"type": "BalancedCrossEntropy", "background_weight": job.model["background_weight"]}
    decode = {
        **common,
        "in_index": 3,
        "in_channels": widths[3],
        "channels": job.model["channels"],
        "num_convs": 2,
        "concat_input": True,
        "loss_decode": {**loss, "loss_weight": 1.0},
    }
    auxiliary = {
        **common,
        "in_index": 2,
        "in_channels": widths[2],
        "channels": job.model["auxiliary_channels"],
        "num_convs": 1,
        "concat_input": False,
        "loss_decode": {**loss, "loss_weight": 0.4},
    }
    return {
        "type": "EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            "mean": job.mean_255,
            "std": job.std_255,
            "bgr_to_rgb": True,
            "pad_val": 0,
            "seg_pad_val": IGNORE,
            "size": job.size.crop,
        },
        "backbone": {
            **backbone(job),
            "type": "DilatedBackbone",
            "output_stride": job.model["output_stride"],
        },
        "decode_head": decode,
        "auxiliary_head": auxiliary,
        "train_cfg": {},
        "test_cfg": {"mode": "whole"},
    }


def read_metrics(found: dict) -> dict[str, float]:
    """mIoU, pixel accuracy and mean class accuracy in percent."""
    return {name: float(found[name]) for name in ("mIoU", "aAcc", "mAcc")}

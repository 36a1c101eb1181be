"""Mask R-CNN with FPN as OSS A.7 describes it, in MMDetection."""

import mmdet  # noqa: F401  its scope must be known before the config is built

from transfer.datasets.coco import find_instances
from transfer.frameworks.mmdet import adapter  # noqa: F401  registers DistilledBackbone
from transfer.frameworks.openmmlab import trainer
from transfer.frameworks.openmmlab.trainer import backbone, dataloader, stage_widths
from transfer.jobs.job import Job

STRIDES = (4, 8, 16, 32)


def train_and_test(job: Job) -> tuple[dict[str, float], int]:
    """Trains and tests; returns (metrics in percent, step the run was resumed from)."""
    return trainer.train_and_test(job, build_config(job), read_metrics)


def build_config(job: Job) -> dict:
    """Model, data and metric as an mmengine config."""
    data = find_instances(job.data_root)
    scale = (job.size.longest, job.size.test)
    labels = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": True}
    resize = {"type": "Resize", "scale": scale, "keep_ratio": True}
    flip, pack = {"type": "RandomFlip", "prob": job.model["flip"]}, {"type": "PackDetInputs"}
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    common = {"type": "CocoDataset", "metainfo": {"classes": job.classes}}
    train = {
        **common,
        "ann_file": job.annotations,
        "data_prefix": {"img": str(data.train[1])},
        "filter_cfg": {"filter_empty_gt": True},
        "pipeline": [{"type": "ReadPicture"}, labels, resize, flip, pack],
    }
    test = {
        **common,
        "ann_file": str(data.val[0]),
        "data_prefix": {"img": str(data.val[1])},
        "test_mode": True,
        "pipeline": [{"type": "ReadPicture"}, resize, {**pack, "meta_keys": keys}],
    }
    metric = {"type": "CocoMetric", "ann_file": str(data.val[0]), "metric": ["bbox", "segm"]}
    return {
        "model": _model(job),
        "train_dataloader": dataloader(train, job.batch_per_device, job.workers, job.seed),
        "test_dataloader": dataloader(test, 1, job.workers, None),
        "test_evaluator": metric,
    }


def _model(job: Job) -> dict:
    widths = stage_widths(job.arch)
    channels = job.model["channels"]
    return {
        "type": "MaskRCNN",
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": job.mean_255,
            "std": job.std_255,
            "bgr_to_rgb": True,
            "pad_mask": True,
            "pad_size_divisor": 32,
        },
        "backbone": backbone(job),
        "neck": {
            "type": "FPN",
            "in_channels": widths,
            "out_channels": channels,
            "num_outs": 5,
            "norm_cfg": {"type": job.norm, "requires_grad": True},
        },
        "rpn_head": _rpn(channels, job.model["anchor_scale"]),
        "roi_head": _roi_head(job, channels),
        "train_cfg": _train_rules(job.model),
        "test_cfg": _test_rules(job.model),
    }


def _coder(stds: list[float]) -> dict:
    return {"type": "DeltaXYWHBBoxCoder", "target_means": [0.0] * 4, "target_stds": stds}


def _rpn(channels: int, scale: int) -> dict:
    return {
        "type": "RPNHead",
        "in_channels": channels,
        "feat_channels": channels,
        "anchor_generator": {
            "type": "AnchorGenerator",
            "scales": [scale],
            "ratios": [0.5, 1.0, 2.0],
            "strides": [*STRIDES, 64],
        },
        "bbox_coder": _coder([1.0] * 4),
        "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 1.0},
        "loss_bbox": {"type": "L1Loss", "loss_weight": 1.0},
    }


def _roi_head(job: Job, channels: int) -> dict:
    def extractor(size: int) -> dict:
        return {
            "type": "SingleRoIExtractor",
            "roi_layer": {"type": "RoIAlign", "output_size": size, "sampling_ratio": 0},
            "out_channels": channels,
            "featmap_strides": list(STRIDES),
            "finest_scale": job.model["finest_scale"],
        }

    return {
        "type": "StandardRoIHead",
        "bbox_roi_extractor": extractor(7),
        "bbox_head": {
            "type": "Shared2FCBBoxHead",
            "in_channels": channels,
            "fc_out_channels": job.model["fc"],
            "roi_feat_size": 7,
            "num_classes": len(job.classes),
            "bbox_coder": _coder([0.1, 0.1, 0.2, 0.2]),
            "reg_class_agnostic": False,
            "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": False, "loss_weight": 1.0},
            "loss_bbox": {"type": "L1Loss", "loss_weight": 1.0},
        },
        "mask_roi_extractor": extractor(14),
        "mask_head": {
            "type": "FCNMaskHead",
            "num_convs": job.model["mask_convs"],
            "in_channels": channels,
            "conv_out_channels": channels,
            "num_classes": len(job.classes),
            "loss_mask": {"type": "CrossEntropyLoss", "use_mask": True, "loss_weight": 1.0},
        },
    }


def _train_rules(model: dict) -> dict:
    def assigner(positive: float, negative: float, at_least: float) -> dict:
        limits = {"pos_iou_thr": positive, "neg_iou_thr": negative, "min_pos_iou": at_least}
        return {"type": "MaxIoUAssigner", **limits, "match_low_quality": True, "ignore_iof_thr": -1}

    def sampler(number: int, positive: float, with_truth: bool) -> dict:
        shares = {"num": number, "pos_fraction": positive, "neg_pos_ub": -1}
        return {"type": "RandomSampler", **shares, "add_gt_as_proposals": with_truth}

    common = {"pos_weight": -1, "debug": False}
    return {
        "rpn": {
            "assigner": assigner(0.7, 0.3, 0.3),
            "sampler": sampler(256, 0.5, False),
            "allowed_border": -1,
            **common,
        },
        "rpn_proposal": _proposals(2 * model["proposals"], model["proposals"]),
        "rcnn": {
            "assigner": assigner(0.5, 0.5, 0.5),
            "sampler": sampler(model["rois"], 0.25, True),
            "mask_size": 28,
            **common,
        },
    }


def _test_rules(model: dict) -> dict:
    nms = {"type": "nms", "iou_threshold": 0.5}
    rcnn = {"score_thr": 0.05, "nms": nms, "max_per_img": 100, "mask_thr_binary": 0.5}
    return {"rpn": _proposals(model["proposals"], model["proposals"]), "rcnn": rcnn}


def _proposals(before_nms: int, at_most: int) -> dict:
    nms = {"type": "nms", "iou_threshold": 0.7}
    return {"nms_pre": before_nms, "max_per_img": at_most, "nms": nms, "min_bbox_size": 0}


def read_metrics(found: dict) -> dict[str, float]:
    """``bbox_AP``, ``bbox_AP50``, ``bbox_AP75`` and the same for ``segm``, in percent.

    MMDetection gives no numbers at all for a model that found nothing: these are 0.
    """
    named = {"AP": "mAP", "AP50": "mAP_50", "AP75": "mAP_75"}
    return {
        f"{kind}_{ours}": 100 * float(found.get(f"coco/{kind}_{theirs}", 0.0))
        for kind in ("bbox", "segm")
        for ours, theirs in named.items()
    }

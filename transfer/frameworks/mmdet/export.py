"""A converted backbone for MMDetection: its weights, and a config of Mask R-CNN with an FPN."""

from transfer.frameworks.openmmlab import export
from transfer.network.converted import ConvertedBackbone
from transfer.network.weights import write_checkpoint

SUFFIX, CONFIG, HAS_OWN_RESNET = ".pth", ".py", True
tensors, write = export.tensors, write_checkpoint


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}: an FPN over the stages, from MMDetection's base model."""
    model = {
        "data_preprocessor": export.pixels(converted.policy),
        "backbone": export.backbone(converted),
        "neck": {
            "in_channels": [converted.backbone.channels[stage] for stage in converted.stages],
            "norm_cfg": export.norm(converted.policy),
        },
    }
    return {".py": export.config(converted, "mmdet", "mask-rcnn_r50_fpn.py", model)}

"""A converted backbone for MMSegmentation: its weights, and a config of an FCN."""

from transfer.frameworks.openmmlab import export
from transfer.network.converted import ConvertedBackbone
from transfer.network.weights import write_checkpoint

SUFFIX, HAS_OWN_RESNET = ".pth", True
tensors, write = export.tensors, write_checkpoint


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}: an FCN on the last stage, its auxiliary head on the one before."""
    channels = [converted.backbone.channels[stage] for stage in converted.stages]
    last = len(channels) - 1
    model = {
        "data_preprocessor": export.pixels(converted.policy),
        "pretrained": None,
        "backbone": export.backbone(converted),
        "decode_head": {"in_channels": channels[-1], "in_index": last},
        "auxiliary_head": {"in_channels": channels[-2], "in_index": last - 1} if last else None,
    }
    return {".py": export.config(converted, "mmseg", "fcn_r50-d8.py", model)}

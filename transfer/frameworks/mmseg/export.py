"""A converted backbone for MMSegmentation: its weights, and a config of an FCN."""

from __future__ import annotations

import copy

from distill.errors import UserError
from transfer.frameworks.openmmlab import export
from transfer.network.converted import ConvertedBackbone
from transfer.network.dilation import set_output_stride
from transfer.network.partition import STRIDES
from transfer.network.weights import write_checkpoint

SUFFIX, CONFIG, HAS_OWN_RESNET = ".pth", ".py", True
tensors, write = export.tensors, write_checkpoint


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}: the FCN of OSS A.6, on maps of stride 8 where the network can.

    The decode head is on the last stage, the auxiliary head on the one before, if there is one.
    """
    channels = [converted.backbone.channels[stage] for stage in converted.stages]
    last = len(channels) - 1
    reason = _why_not_stride_8(converted)
    auxiliary = {"in_channels": channels[-2], "in_index": last - 1, "channels": 64} if last else None
    model = {
        # Training needs a size; a config's own data_preprocessor=dict(size=crop_size) replaces it.
        "data_preprocessor": {**export.pixels(converted.policy), "size": (512, 512)},
        "pretrained": None,
        "backbone": export.backbone(converted) | _strides(converted, 32 if reason else 8),
        "decode_head": {"in_channels": channels[-1], "in_index": last, "channels": 128},
        "auxiliary_head": auxiliary,
    }
    return {".py": export.config(converted, "mmseg", "fcn_r50-d8.py", model, _about(converted, reason))}


def _strides(converted: ConvertedBackbone, output_stride: int) -> dict:
    if not converted.layout:
        return {"output_stride": output_stride}
    if output_stride == 32:
        return {}
    return {"strides": (1, 2, 1, 1), "dilations": (1, 1, 2, 4), "contract_dilation": True}


def _why_not_stride_8(converted: ConvertedBackbone) -> str:
    """Why the maps cannot be brought to stride 8 by dilation; empty if they can."""
    if converted.layout:
        if converted.layout.bottleneck:
            return ""
        return "MMSegmentation's own ResNet dilates the first convolution of a basic block alone"
    try:
        set_output_stride(copy.deepcopy(converted.backbone), 8)
    except UserError as error:
        return str(error).removeprefix(f"{converted.arch}: ").split(";")[0]
    return ""


def _about(converted: ConvertedBackbone, reason: str) -> str:
    """A line for the file: whether this is the benchmarks' model, and if not, why."""
    what = "the model of the benchmarks voc12_seg and cityscapes_seg (FCN of OSS A.6)"
    different = [f"its maps have stride 32, not 8 ({reason})"] if reason else []
    if converted.stages != tuple(STRIDES):
        different.append(f"its heads are on {', '.join(converted.stages)} alone")
    if converted.policy.norm != "SyncBN" or converted.policy.norm_eval or converted.frozen:
        different.append("it is frozen or normalised in another way")
    return f"This is not {what}: {'; '.join(different)}." if different else f"This is {what}."

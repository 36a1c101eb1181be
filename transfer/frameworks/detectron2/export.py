"""A converted backbone for Detectron2: its weights, and YAML configs for C4 and FPN.

The configs fine-tune as a self-supervised backbone needs it: the pixels it was trained on, RGB, nothing
frozen, synchronised batch norm; ``Policy`` changes that.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from distill.backbones.weights import State, Weights
from transfer.frameworks.text import comment, quoted
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone
from transfer.network.plain_resnet import ResNetLayout
from transfer.network.weights import write_arrays

SUFFIX, CONFIG, HAS_OWN_RESNET = ".pkl", ".yaml", True
write = write_arrays

# Detectron2 keeps a convolution's norm inside it, and calls a ResNet's stages res2 to res5.
NAMES = (
    (r"^conv1\.", "stem.conv1."),
    (r"^bn1\.", "stem.conv1.norm."),
    (r"^layer(\d)\.", lambda match: f"res{int(match[1]) + 1}."),
    (r"\.downsample\.0\.", ".shortcut."),
    (r"\.downsample\.1\.", ".shortcut.norm."),
    (r"\.bn(\d)\.", r".conv\1.norm."),
)


def tensors(weights: Weights, backbone: StagedBackbone, native: bool) -> State:
    """The tensors of stem to res5; for Detectron2's own ResNet under its names."""
    state = dict(backbone.state_dict())
    return own_names(state) if native else state


def own_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A ResNet's tensors under the names of Detectron2's own ResNet (``res2.0.conv1.norm.weight``)."""
    renamed = {}
    for key, value in state.items():
        for pattern, name in NAMES:
            key = re.sub(pattern, name, key)
        renamed[key] = value
    return renamed


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}, of the detectors that this network can have.

    Detectron2's own C4 box head has no norm after res5: the class that adds one is written beside the config.
    """
    texts = {}
    if not converted.layout or converted.layout.bottleneck:
        texts["_c4.yaml"] = _c4(converted)  # Detectron2's own C4 box head is made of bottlenecks
    if converted.layout and converted.layout.bottleneck:
        texts["_c4.py"] = Path(__file__).with_name("res5_norm.py").read_text()
    if converted.backbone.exact:
        texts["_fpn.yaml"] = _fpn(converted)  # its FPN adds maps that must double in size exactly
    return texts


def _c4(converted: ConvertedBackbone) -> str:
    """Faster R-CNN C4: the backbone up to res4, and res5 as its box head."""
    own = {
        "BACKBONE": {"NAME": "build_distilled_backbone", "FREEZE_AT": converted.frozen},
        "ROI_HEADS": {"NAME": "DistilledRes5ROIHeads", "IN_FEATURES": ["res4"]},
    }
    native = {
        "BACKBONE": {"NAME": "build_resnet_backbone", "FREEZE_AT": converted.frozen},
        "ROI_HEADS": {"NAME": "Res5ROIHeadsWithNorm", "IN_FEATURES": ["res4"]},
    }
    model = {**(native if converted.layout else own), "RPN": {"IN_FEATURES": ["res4"]}}
    usage = "import the .py file beside this one; " if converted.layout else ""
    return _yaml(converted, "Base-RCNN-C4.yaml", model, ("res4",), usage)


def _fpn(converted: ConvertedBackbone) -> str:
    """An FPN over the stages."""
    builder = "build_resnet_fpn_backbone" if converted.layout else "build_distilled_fpn_backbone"
    model = {
        "BACKBONE": {"NAME": builder, "FREEZE_AT": converted.frozen},
        "FPN": {"IN_FEATURES": list(converted.stages), "NORM": converted.policy.norm or ""},
    }
    return _yaml(converted, "Base-RCNN-FPN.yaml", model, converted.stages)


def _yaml(
    converted: ConvertedBackbone, base: str, model: dict, out_stages: tuple[str, ...], usage: str = ""
) -> str:
    import yaml

    policy = converted.policy
    if converted.layout:
        model["WEIGHTS"] = str(converted.file)
        model["RESNETS"] = _own_resnet(converted.layout, out_stages, policy.norm or "BN")
    else:
        model["WEIGHTS"] = ""  # the adapter loads DISTILLED.WEIGHTS, strictly
        model["DISTILLED"] = {
            "ARCH": converted.arch, "WEIGHTS": str(converted.file), "OUT_STAGES": list(out_stages),
            "NORM": policy.norm or "", "NORM_EVAL": policy.norm_eval,
        }  # fmt: skip
    # Detectron2 defaults to BGR pixels and a std of 1: both would be silently wrong here
    model["PIXEL_MEAN"], model["PIXEL_STD"] = policy.pixel_mean(), policy.pixel_std()
    content = {"VERSION": 2, "MODEL": model, "INPUT": {"FORMAT": policy.order}}
    add = "" if converted.layout else "transfer.frameworks.detectron2.adapter.add_distilled_config(cfg); "
    usage += f"cfg = get_cfg(); {add}cfg.merge_from_file(...{base}); cfg.merge_from_file(this file)"
    about = comment(f"{quoted(converted.arch)} from {quoted(converted.source)}", usage)
    return about + yaml.safe_dump(content, sort_keys=False, width=110)


def _own_resnet(layout: ResNetLayout, out_stages: tuple[str, ...], norm: str) -> dict:
    """``MODEL.RESNETS`` for Detectron2's own ResNet."""
    return {
        "DEPTH": layout.depth,
        "NUM_GROUPS": layout.groups,
        "WIDTH_PER_GROUP": layout.width,
        "STEM_OUT_CHANNELS": layout.stem,
        "RES2_OUT_CHANNELS": layout.res2,
        "STRIDE_IN_1X1": False,  # the stride is in the 3x3 convolution, as in torchvision
        "NORM": norm,
        "OUT_FEATURES": list(out_stages),
    }

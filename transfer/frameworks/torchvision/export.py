"""A checkpoint for torchvision: the whole network without classifier, and Python that builds it.

Plain ResNets are torchvision's own, with its keys; any other network comes from timm, cut into stages for
torchvision's detectors.
"""

import re

from distill.backbones import create_backbone
from distill.backbones.backbone import AS_WITH_WEIGHTS, OWN_ARCHITECTURES
from distill.backbones.weights import State, Weights, load_strict
from distill.errors import UserError
from transfer.frameworks.text import comment, literal, quoted
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone
from transfer.network.weights import write_state

SUFFIX, CONFIG, HAS_OWN_RESNET = ".pth", ".py", False
write = write_state

TEXT = '''"""A backbone by itself and in torchvision's detectors, for RGB images (B, 3, H, W) in [0, 1].

``build()(normalise(images))`` are the images' features. A detector normalises by itself:
``FasterRCNN(fpn_backbone(), num_classes, image_mean=normalise.mean, image_std=normalise.std)``.
"""

from pathlib import Path

{imports}
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.transforms import Normalize

WEIGHTS = Path(__file__).with_name({file})
normalise = Normalize({mean}, {std})
CHANNELS = {channels}  # of the maps
LEVELS = {levels}  # in the FPN
{stages}

def build():
    """The network without classifier, its weights strictly loaded."""
    model = {create}
{load}    model.load_state_dict(torch.load(WEIGHTS, weights_only=True), strict=True)
    return model.eval()


def fpn_backbone(out_channels=256):
    """The network under a feature pyramid; all of it trains."""
    body = build()
{cut}    return BackboneWithFPN(body, LEVELS, list(CHANNELS.values()), out_channels)
'''
CUT = """\
    parts = {stage: torch.nn.Sequential(*map(body.get_submodule, names)) for stage, names in STAGES.items()}
    body = torch.nn.ModuleDict(parts)
"""


def resnets() -> list[str]:
    """Networks that have the same name and keys in timm and torchvision."""
    from torchvision.models import list_models

    return [name for name in list_models() if re.fullmatch(r"(wide_)?resne(x)?t\d+(_\w+)?", name)]


def tensors(weights: Weights, backbone: StagedBackbone, native: bool) -> State:
    """The whole network's tensors.

    Raises:
        UserError: a network of this project alone.
    """
    if weights.arch in OWN_ARCHITECTURES:
        raise UserError(
            f"neither torchvision nor timm has {weights.arch}; onnx and the detection frameworks take it"
        )
    net = create_backbone(weights.arch)
    load_strict(net, weights.backbone, f"{weights.arch} <- {weights.path}")
    return net.state_dict()


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}: Python with ``build()``, ``normalise`` and ``fpn_backbone()``."""
    backbone, stages = converted.backbone, converted.stages
    of_arch = _of_resnet if converted.arch in resnets() else _of_timm
    text = TEXT.format(
        file=quoted(converted.file.name),
        mean=converted.policy.mean,
        std=converted.policy.std,
        channels={stage: backbone.channels[stage] for stage in stages},
        **of_arch(converted),
    )
    return {".py": comment(f"{quoted(converted.arch)} from {quoted(converted.source)}") + text}


def _of_resnet(converted: ConvertedBackbone) -> dict[str, object]:
    layers = {f"layer{int(stage[-1]) - 1}": str(level) for level, stage in enumerate(converted.stages)}
    return {
        "imports": "import torch\nimport torchvision.models",
        "levels": layers,
        "stages": "",
        "create": f"torchvision.models.get_model({quoted(converted.arch)}, weights=None)",
        "load": "    model.fc = torch.nn.Identity()\n",
        "cut": "",
    }


def _of_timm(converted: ConvertedBackbone) -> dict[str, object]:
    more = AS_WITH_WEIGHTS.get(converted.arch, {})
    arguments = "".join(f", {name}={literal(value)}" for name, value in more.items())
    return {
        "imports": "import timm\nimport torch",
        "levels": {stage: str(level) for level, stage in enumerate(converted.stages)},
        "stages": f"STAGES = {literal(dict(converted.backbone.plan))}\n",
        "create": f"timm.create_model({quoted(converted.arch)}, num_classes=0{arguments})",
        "load": "",
        "cut": CUT,
    }

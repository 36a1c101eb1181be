"""A checkpoint for timm: a folder that ``timm.create_model("local-dir:FOLDER", pretrained=True)`` opens.

A model hub takes the same three files, and ``hf-hub:USER/NAME`` opens them there.
"""

import json

import torch

from distill.backbones import create_backbone
from distill.backbones.backbone import OWN_ARCHITECTURES
from distill.backbones.weights import State, Weights, load_strict
from distill.errors import UserError
from transfer.frameworks.timm.card import card
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone
from transfer.network.weights import write_safetensors

SUFFIX, CONFIG, HAS_OWN_RESNET = "/model.safetensors", "/config.json", False
SIDE = 224  # of images, where a checkpoint does not tell
write = write_safetensors


def tensors(weights: Weights, backbone: StagedBackbone, native: bool) -> State:
    """The whole network's tensors.

    Raises:
        UserError: a network of this project that timm does not have.
    """
    if weights.arch in OWN_ARCHITECTURES:
        raise UserError(f"timm has no {weights.arch}; onnx and the detection frameworks take it")
    net = create_backbone(weights.arch)
    load_strict(net, weights.backbone, f"{weights.arch} <- {weights.path}")
    return net.state_dict()


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}: timm's ``config.json`` and the model card."""
    return {CONFIG: json.dumps(config(converted), indent=2) + "\n", "/README.md": card(converted)}


def config(converted: ConvertedBackbone) -> dict:
    """What timm's own ``push_to_hf_hub`` writes, less what it says of the weights that timm publishes.

    Pictures are scaled and cropped as ``tools/evaluate.py`` does it.
    """
    with torch.device("meta"):
        net = create_backbone(converted.weights.arch)
    policy, side = converted.policy, converted.weights.image_size or SIDE
    return {
        "architecture": net.pretrained_cfg["architecture"],
        "num_classes": 0,
        "num_features": net.num_features,
        "pretrained_cfg": {
            "custom_load": False,
            "input_size": [3, side, side],
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": 0.875,
            "crop_mode": "center",
            "mean": list(policy.mean),
            "std": list(policy.std),
            "num_classes": 0,
            "pool_size": None,
            "first_conv": net.pretrained_cfg["first_conv"],
            "classifier": net.pretrained_cfg["classifier"],
        },
    }

"""A checkpoint for torchvision: the whole ResNet without classifier, and Python that builds it."""

import re

from distill.backbones import create_backbone
from distill.backbones.weights import State, Weights, load_strict
from distill.errors import UserError
from transfer.frameworks import plain_python
from transfer.frameworks.text import quoted
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone
from transfer.network.weights import write_state

SUFFIX, CONFIG, HAS_OWN_RESNET = ".pth", ".py", False
write = write_state


def tensors(weights: Weights, backbone: StagedBackbone, native: bool) -> State:
    """The whole network's tensors: plain ResNets have the same name and keys in timm and torchvision.

    Raises:
        UserError: any other network.
    """
    from torchvision.models import list_models

    valid = [name for name in list_models() if re.fullmatch(r"(wide_)?resne(x)?t\d+(_\w+)?", name)]
    if weights.arch not in valid:
        names = ", ".join(valid)
        raise UserError(f"torchvision has no network with the keys of {weights.arch}; valid: {names}")
    net = create_backbone(weights.arch)
    load_strict(net, weights.backbone, f"{weights.arch} <- {weights.path}")
    return net.state_dict()


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}: a Python file with ``build()`` and ``normalise``."""
    load = (
        "    model.fc = torch.nn.Identity()\n"
        "    model.load_state_dict(torch.load(WEIGHTS, weights_only=True), strict=True)\n"
    )
    create = f"torchvision.models.get_model({quoted(converted.arch)}, weights=None)"
    return {".py": plain_python.text(converted, "torch", "import torchvision.models\n", create, load)}

"""A checkpoint for timm: the whole network without classifier, and Python that builds it."""

from distill.backbones import create_backbone
from distill.backbones.backbone import OWN_ARCHITECTURES
from distill.backbones.weights import State, Weights, load_strict
from distill.errors import UserError
from transfer.frameworks import plain_python
from transfer.frameworks.text import quoted
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone
from transfer.network.weights import write_safetensors

SUFFIX, CONFIG, HAS_OWN_RESNET = ".safetensors", ".py", False
write = write_safetensors


def tensors(weights: Weights, backbone: StagedBackbone, native: bool) -> State:
    """The whole network's tensors.

    Raises:
        UserError: a network of this project that timm does not have.
    """
    if weights.arch in OWN_ARCHITECTURES:
        raise UserError(f"timm has no {weights.arch}; the detection frameworks take it")
    net = create_backbone(weights.arch)
    load_strict(net, weights.backbone, f"{weights.arch} <- {weights.path}")
    return net.state_dict()


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}: a Python file with ``build()`` and ``normalise``."""
    # safetensors cannot open a path that is not UTF-8, but it takes a file's bytes
    load = "    model.load_state_dict(load(WEIGHTS.read_bytes()), strict=True)\n"
    create = f"timm.create_model({quoted(converted.arch)}, num_classes=0)"
    return {".py": plain_python.text(converted, "timm", "from safetensors.torch import load\n", create, load)}

"""A checkpoint for the toy framework: the whole network, and a Python file that names it."""

from distill.backbones.weights import State, Weights
from transfer.frameworks.text import quoted
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone
from transfer.network.weights import write_state

SUFFIX, CONFIG, HAS_OWN_RESNET = ".pth", ".py", False
write = write_state


def tensors(weights: Weights, backbone: StagedBackbone, native: bool) -> State:
    """The network's tensors, under timm's names."""
    return dict(weights.backbone)


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}."""
    policy = converted.policy
    return {".py": f"arch, mean, std = {quoted(converted.arch)}, {policy.mean}, {policy.std}\n"}

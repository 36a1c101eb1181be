"""What MMDetection's and MMSegmentation's configs for a converted backbone have in common.

They fine-tune as a self-supervised backbone needs it: the pixels it was trained on, RGB, nothing frozen,
synchronised batch norm; ``Policy`` changes that.
"""

from __future__ import annotations

from distill.backbones.weights import State, Weights
from distill.errors import UserError
from transfer.frameworks.text import Expression, comment, literal, quoted
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import STRIDES, StagedBackbone
from transfer.network.plain_resnet import ResNetLayout
from transfer.network.policy import Policy

# mmengine's own variable for the folder is pasted into the code, where a quote in it would end the string.
FOLDER = """
import inspect
import os

# The weights lie beside this file, wherever both are moved to.
__folder = os.path.dirname(inspect.currentframe().f_code.co_filename)
"""


def tensors(weights: Weights, backbone: StagedBackbone, native: bool) -> State:
    """The tensors of stem to res5; OpenMMLab's own ResNet has timm's key names."""
    return dict(backbone.state_dict())


def config(converted: ConvertedBackbone, framework: str, base: str, model: dict, *about: str) -> str:
    """A config that changes the framework's shipped ``base`` model and is to be used as a ``_base_``.

    ``about`` are more lines of its comment.
    """
    adapter = f"transfer.frameworks.{framework}.adapter"
    usage = "Use it as one of the _base_ of a config, with a data set and a schedule."
    head = comment(f"{quoted(converted.arch)} from {quoted(converted.source)}", *about, usage)
    base = f"{framework}::_base_/models/{base}"
    imports = "" if converted.layout else f"custom_imports = {literal({'imports': [adapter]})}\n"
    return f"{head}_base_ = {literal([base])}\n{FOLDER}{imports}model = {literal(model)}\n"


def pixels(policy: Policy) -> dict:
    """Settings of ``data_preprocessor``."""
    return {
        "mean": policy.pixel_mean(), "std": policy.pixel_std(),
        "bgr_to_rgb": policy.order == "RGB",  # OpenMMLab's loaders read BGR
    }  # fmt: skip


def norm(policy: Policy, learns: bool = True) -> dict:
    """``norm_cfg``; FrozenBN becomes a BN that does not learn and, by ``norm_eval``, does not move."""
    return {"type": "SyncBN" if policy.norm == "SyncBN" else "BN", "requires_grad": learns}


def backbone(converted: ConvertedBackbone) -> dict:
    """The adapter, or with a ``layout`` the framework's own ResNet."""
    policy = converted.policy
    file = Expression(f"os.path.join(__folder, {quoted(converted.file.name)})")
    if not converted.layout:
        return {
            "_delete_": True, "type": "DistilledBackbone", "arch": converted.arch, "weights": file,
            "out_stages": converted.stages, "frozen_stages": converted.frozen - 1,
            "norm_eval": policy.norm_eval, "norm": policy.norm,
        }  # fmt: skip
    return {
        "_delete_": True, **_own_resnet(converted.layout, converted.arch), "num_stages": 4,
        "strides": (1, 2, 2, 2), "dilations": (1, 1, 1, 1),
        "out_indices": tuple(list(STRIDES).index(stage) for stage in converted.stages),
        "frozen_stages": converted.frozen - 1, "norm_cfg": norm(policy, policy.norm != "FrozenBN"),
        "norm_eval": policy.norm_eval or policy.norm == "FrozenBN", "style": "pytorch",
        "init_cfg": {"type": "Pretrained", "checkpoint": file},
    }  # fmt: skip


def _own_resnet(layout: ResNetLayout, arch: str) -> dict:
    """Type and sizes for OpenMMLab's own ``ResNet`` or ``ResNeXt`` (not ``ResNetV1c``: its stem is deep).

    Raises:
        UserError: a wide ResNet, which they cannot build.
    """
    if layout.groups > 1:
        return {"type": "ResNeXt", "depth": layout.depth, "groups": layout.groups, "base_width": layout.width}
    if layout.width * (4 if layout.bottleneck else 1) != layout.res2:
        raise UserError(f"{arch}: OpenMMLab has no ResNet with wide bottlenecks; convert it without --native")
    return {
        "type": "ResNet", "depth": layout.depth, "stem_channels": layout.stem, "base_channels": layout.width
    }  # fmt: skip

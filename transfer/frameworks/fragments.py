"""Configs for a converted backbone, as text: each loads in its framework as it is.

They fine-tune the way a self-supervised backbone needs it: the pixels it was trained on, RGB, nothing
frozen, synchronised batch norm; ``Policy`` changes that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pprint import pformat

from transfer.frameworks.native import ResNetLayout, detectron2_resnet, openmmlab_resnet
from transfer.network.partition import STAGES, STRIDES, StagedBackbone
from transfer.network.policy import Policy


@dataclass(frozen=True)
class Export:
    """What a fragment tells about.

    Attributes:
        backbone: the stages; only its sizes matter here.
        file: where the weights will lie.
        source: what they were made from, for the comment.
        layout: of the framework's own ResNet; None: the adapters of this package.
    """

    backbone: StagedBackbone
    policy: Policy
    file: Path
    source: str
    layout: ResNetLayout | None = None

    @property
    def arch(self) -> str:
        return self.backbone.arch

    @property
    def stages(self) -> tuple[str, ...]:
        return self.backbone.out_stages

    @property
    def frozen(self) -> int:
        """How many stages are frozen, counted from the stem."""
        assert self.policy.frozen == STAGES[: len(self.policy.frozen)], "frameworks freeze from the stem on"
        return len(self.policy.frozen)


def detectron2_c4(export: Export) -> str:
    """YAML for Faster R-CNN C4: the backbone up to res4, and res5 as its box head."""
    own = {
        "BACKBONE": {"NAME": "build_distilled_backbone", "FREEZE_AT": export.frozen},
        "ROI_HEADS": {"NAME": "DistilledRes5ROIHeads", "IN_FEATURES": ["res4"]},
    }
    native = {
        "BACKBONE": {"NAME": "build_resnet_backbone", "FREEZE_AT": export.frozen},
        "ROI_HEADS": {"NAME": "Res5ROIHeads", "IN_FEATURES": ["res4"]},
    }
    model = {**(native if export.layout else own), "RPN": {"IN_FEATURES": ["res4"]}}
    return _detectron2(export, "Base-RCNN-C4.yaml", model, ("res4",))


def detectron2_fpn(export: Export) -> str:
    """YAML for an FPN over the stages."""
    builder = "build_resnet_fpn_backbone" if export.layout else "build_distilled_fpn_backbone"
    model = {
        "BACKBONE": {"NAME": builder, "FREEZE_AT": export.frozen},
        "FPN": {"IN_FEATURES": list(export.stages), "NORM": export.policy.norm or ""},
    }
    return _detectron2(export, "Base-RCNN-FPN.yaml", model, export.stages)


def _detectron2(export: Export, base: str, model: dict, out_stages: tuple[str, ...]) -> str:
    import yaml

    policy = export.policy
    if export.layout:
        model["WEIGHTS"] = str(export.file)
        model["RESNETS"] = detectron2_resnet(export.layout, out_stages, policy.norm or "BN")
        before = ""
    else:
        model["WEIGHTS"] = ""  # the adapter loads DISTILLED.WEIGHTS, strictly
        model["DISTILLED"] = {
            "ARCH": export.arch, "WEIGHTS": str(export.file), "OUT_STAGES": list(out_stages),
            "NORM": policy.norm or "", "NORM_EVAL": policy.norm_eval,
        }  # fmt: skip
        before = "transfer.frameworks.detectron2.adapter.add_distilled_config(cfg); "
    # Detectron2 defaults to BGR pixels and a std of 1: both would be silently wrong here
    model["PIXEL_MEAN"], model["PIXEL_STD"] = policy.pixel_mean(), policy.pixel_std()
    content = {"VERSION": 2, "MODEL": model, "INPUT": {"FORMAT": policy.order}}
    return (
        f"# {export.arch} from {export.source}\n"
        f"# cfg = get_cfg(); {before}cfg.merge_from_file(...{base}); cfg.merge_from_file(this file)\n"
        + yaml.safe_dump(content, sort_keys=False, width=110)
    )


def mmdet(export: Export) -> str:
    """Python config: Mask R-CNN with an FPN over the stages, from MMDetection's base model."""
    model = {
        "data_preprocessor": _openmmlab_pixels(export.policy),
        "backbone": _openmmlab_backbone(export),
        "neck": {
            "in_channels": [export.backbone.channels[stage] for stage in export.stages],
            "norm_cfg": _openmmlab_norm(export.policy),
        },
    }
    return _openmmlab(export, "mmdet", "mask-rcnn_r50_fpn.py", model)


def mmseg(export: Export) -> str:
    """Python config: MMSegmentation's base FCN on the last stage, its auxiliary head on the one before."""
    channels = [export.backbone.channels[stage] for stage in export.stages]
    last = len(channels) - 1
    model = {
        "data_preprocessor": _openmmlab_pixels(export.policy),
        "pretrained": None,
        "backbone": _openmmlab_backbone(export),
        "decode_head": {"in_channels": channels[-1], "in_index": last},
        "auxiliary_head": {"in_channels": channels[-2], "in_index": last - 1} if last else None,
    }
    return _openmmlab(export, "mmseg", "fcn_r50-d8.py", model)


def _openmmlab(export: Export, framework: str, base: str, model: dict) -> str:
    adapter = f"transfer.frameworks.{framework}.adapter"
    imports = "" if export.layout else f'custom_imports = dict(imports=["{adapter}"])\n'
    return (
        f"# {export.arch} from {export.source}\n"
        f"# Use it as one of the _base_ of a config, with a data set and a schedule.\n"
        f'_base_ = ["{framework}::_base_/models/{base}"]\n'
        f"{imports}model = {pformat(model, width=108, sort_dicts=False)}\n"
    )


def _openmmlab_pixels(policy: Policy) -> dict:
    return {
        "mean": policy.pixel_mean(), "std": policy.pixel_std(),
        "bgr_to_rgb": policy.order == "RGB",  # OpenMMLab's loaders read BGR
    }  # fmt: skip


def _openmmlab_norm(policy: Policy, learns: bool = True) -> dict:
    """Their norm settings; a FrozenBN is there a BN that neither learns nor (``norm_eval``) moves."""
    return {"type": "SyncBN" if policy.norm == "SyncBN" else "BN", "requires_grad": learns}


def _openmmlab_backbone(export: Export) -> dict:
    policy = export.policy
    file = f"{{{{ fileDirname }}}}/{export.file.name}"  # beside the config, wherever both are moved to
    if not export.layout:
        return {
            "_delete_": True, "type": "DistilledBackbone", "arch": export.arch, "weights": file,
            "out_stages": export.stages, "frozen_stages": export.frozen - 1,
            "norm_eval": policy.norm_eval, "norm": policy.norm,
        }  # fmt: skip
    return {
        "_delete_": True, **openmmlab_resnet(export.layout, export.arch), "num_stages": 4,
        "strides": (1, 2, 2, 2), "dilations": (1, 1, 1, 1),
        "out_indices": tuple(list(STRIDES).index(stage) for stage in export.stages),
        "frozen_stages": export.frozen - 1, "norm_cfg": _openmmlab_norm(policy, policy.norm != "FrozenBN"),
        "norm_eval": policy.norm_eval or policy.norm == "FrozenBN", "style": "pytorch",
        "init_cfg": {"type": "Pretrained", "checkpoint": file},
    }  # fmt: skip


PYTHON = '''"""{arch} from {source}: features of RGB images.

``build()(normalise(images))`` takes images (B, 3, H, W) in [0, 1].
"""

from pathlib import Path

import {module}
{extra}from torchvision.transforms import Normalize

WEIGHTS = Path(__file__).with_name("{file}")
normalise = Normalize({mean}, {std})


def build():
    """The network without classifier, its weights strictly loaded."""
    model = {create}
{load}    return model.eval()
'''


def timm(export: Export) -> str:
    """Python file with ``build()`` and ``normalise`` for timm."""
    create = f'timm.create_model("{export.arch}", num_classes=0, checkpoint_path=str(WEIGHTS))'
    return _python(export, "timm", "", create, "")


def torchvision(export: Export) -> str:
    """Python file with ``build()`` and ``normalise`` for torchvision."""
    load = (
        "    model.fc = torch.nn.Identity()\n"
        "    model.load_state_dict(torch.load(WEIGHTS, weights_only=True), strict=True)\n"
    )
    create = f'torchvision.models.get_model("{export.arch}", weights=None)'
    return _python(export, "torch", "import torchvision.models\n", create, load)


def _python(export: Export, module: str, extra: str, create: str, load: str) -> str:
    return PYTHON.format(
        arch=export.arch, source=export.source, module=module, extra=extra, file=export.file.name,
        mean=export.policy.mean, std=export.policy.std, create=create, load=load,
    )  # fmt: skip

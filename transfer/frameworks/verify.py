"""Do the converted weights give the same maps through the framework as through timm?

Each function loads a written fragment the way its framework does, takes 8-bit images through the framework's
own normalisation and backbone, and returns both: (pixels as the backbone gets them, {stage: map}).
"""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import Tensor

from distill.backbones import create_backbone
from distill.backbones.weights import Weights, load_strict
from distill.errors import UserError
from transfer.network.partition import maps_of_whole, plan_stages

TOLERANCE = 1e-4
MODULES = {
    "detectron2": ("Detectron2", ("detectron2", "detectron2._C")),
    "mmdet": ("MMDetection", ("mmcv.ops", "mmdet.models")),
    "mmseg": ("MMSegmentation", ("mmcv", "mmseg.models")),
    "timm": ("timm", ("timm",)),
    "torchvision": ("torchvision", ("torchvision",)),
}
Seen = tuple[Tensor, dict[str, Tensor]]


def require(target: str) -> str:
    """The framework's name and version.

    Raises:
        UserError: it is not installed, or does not import.
    """
    name, modules = MODULES[target]
    try:
        for module in modules:
            importlib.import_module(module)
    except (ImportError, AssertionError, OSError) as error:  # mmdet asserts mmcv's version
        raise UserError(
            f"{name} does not import here ({str(error).splitlines()[0]}): the conversion cannot be verified; "
            "install it, or give --no-verify"
        ) from error
    return f"{name} {importlib.import_module(target).__version__}"


def sample_images() -> Tensor:
    """Two fixed noise images, 8-bit RGB (2, 3, 128, 160): not square, and big enough for every network."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 128, 160), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def compare(weights: Weights, unused_keys: frozenset[str], images: Tensor, seen: Seen) -> dict[str, float]:
    """Largest absolute difference of pixels and of each stage's map between timm's network and ``seen``.

    timm's network gets the framework's pixels, so that rounding there is not counted twice. Parts after
    res5 (``unused_keys``) may be absent from ``weights``: they reach no map.
    """
    net = create_backbone(weights.arch).eval()
    tail = {key: value for key, value in net.state_dict().items() if key in unused_keys}
    load_strict(net, tail | weights.backbone, weights.path)
    pixels, maps = seen
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (weights.mean, weights.std))
    differences = {"pixels": _difference(pixels, (images / 255 - mean) / std)}
    reference = maps_of_whole(net, plan_stages(net, weights.arch)[0], pixels)
    return differences | {stage: _difference(maps[stage], reference[stage]) for stage in maps}


def _difference(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        return float("inf")
    worst = (a - b).abs().max().item()
    return worst if worst == worst else float("inf")


@torch.no_grad()
def through_detectron2(fragment: Path, weights_file: Path, images: Tensor) -> Seen:
    """Detectron2, with the adapters or with its own ResNet, as the fragment says; C4 gives res4 and res5."""
    from detectron2 import model_zoo
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    from transfer.frameworks.detectron2.adapter import add_distilled_config

    cfg = get_cfg()
    add_distilled_config(cfg)
    c4 = fragment.stem.endswith("_c4")
    cfg.merge_from_file(model_zoo.get_config_file(f"Base-RCNN-{'C4' if c4 else 'FPN'}.yaml"))
    cfg.merge_from_file(str(fragment))
    cfg.MODEL.DEVICE = "cpu"
    native = cfg.MODEL.DISTILLED.WEIGHTS == ""
    if not native:
        cfg.MODEL.DISTILLED.WEIGHTS = str(weights_file)
    model = build_model(cfg).eval()
    if native:
        DetectionCheckpointer(model).load(str(weights_file))
    ordered = images if cfg.INPUT.FORMAT == "RGB" else images.flip(1)
    pixels = model.preprocess_image([{"image": image} for image in ordered]).tensor
    if not c4:
        return pixels, model.backbone.bottom_up(pixels)
    maps = model.backbone(pixels)
    res5 = model.roi_heads.res5 if native else model.roi_heads.res5[0]  # without the new norm after it
    return pixels, {**maps, "res5": res5(maps["res4"])}


def through_mmdet(fragment: Path, weights_file: Path, images: Tensor) -> Seen:
    """MMDetection, with the adapter or with its own ResNet."""
    from mmdet.registry import MODELS

    return _through_openmmlab(fragment, images, MODELS)


def through_mmseg(fragment: Path, weights_file: Path, images: Tensor) -> Seen:
    """MMSegmentation, with the adapter or with its own ResNet."""
    from mmseg.registry import MODELS

    return _through_openmmlab(fragment, images, MODELS)


@torch.no_grad()
def _through_openmmlab(fragment: Path, images: Tensor, models) -> Seen:
    from mmengine.config import Config
    from mmengine.registry import DefaultScope

    model = Config.fromfile(fragment).model
    with DefaultScope.overwrite_default_scope(models.scope):  # whatever ran before in this process
        normalise = models.build(model.data_preprocessor)
        backbone = models.build(model.backbone)
        if hasattr(backbone, "init_weights"):  # their own ResNet: where Runner would load the weights
            backbone.init_weights()
    bgr = [image.flip(0) for image in images]  # as OpenMMLab's loaders give them
    pixels = normalise({"inputs": bgr, "data_samples": None})["inputs"]
    backbone.eval()  # not chained: their ResNet's train() returns nothing
    stages = model.backbone.get("out_stages") or [f"res{index + 2}" for index in model.backbone.out_indices]
    return pixels, dict(zip(stages, backbone(pixels), strict=True))


@torch.no_grad()
def through_python(fragment: Path, weights_file: Path, images: Tensor) -> Seen:
    """timm or torchvision, by running the fragment's ``build()`` and ``normalise``."""
    import runpy

    names = runpy.run_path(str(fragment))
    model, pixels = names["build"](), names["normalise"](images / 255)
    if hasattr(model, "feature_info"):
        plan = plan_stages(model, type(model).__name__)[0]
    else:  # torchvision's ResNet has timm's names
        plan = {f"res{n + 1}": (f"layer{n}",) for n in (1, 2, 3, 4)}
    return pixels, {s: x for s, x in maps_of_whole(model, plan, pixels).items() if s != "stem"}

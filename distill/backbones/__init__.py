"""Networks that turn images into features: any timm model, CompRess's AlexNet, SimCLR's ResNet-50x4."""

from distill.backbones.backbone import Backbone, create_backbone, default_mean_std, is_known, output_width
from distill.backbones.image_size import check_image_size
from distill.backbones.weights import LoadReport, State, Weights, load_strict, state_sha256

__all__ = [
    "Backbone", "LoadReport", "State", "Weights", "check_image_size", "create_backbone", "default_mean_std",
    "is_known", "load_strict", "output_width", "state_sha256",
]  # fmt: skip

"""Networks that turn images into features: any timm model, CompRess's AlexNet, SimCLR's ResNet-50x4."""

from distill.backbones.backbone import Backbone, create_backbone, default_mean_std, output_width
from distill.backbones.teacher import Teacher, check_image_size

__all__ = ["Backbone", "Teacher", "check_image_size", "create_backbone", "default_mean_std", "output_width"]

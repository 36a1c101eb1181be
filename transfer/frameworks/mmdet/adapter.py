"""Registers ``DistilledBackbone`` in MMDetection.

In a config: ``custom_imports = dict(imports=["transfer.frameworks.mmdet.adapter"])``, then
``backbone=dict(type="DistilledBackbone", arch="resnet18", weights="file.pth")``.
"""

from mmdet.registry import MODELS

from transfer.frameworks.openmmlab.adapter import DistilledBackbone

__all__ = ["DistilledBackbone"]

MODELS.register_module(module=DistilledBackbone)

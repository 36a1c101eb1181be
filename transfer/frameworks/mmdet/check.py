"""Tries whether MMDetection works."""


def works() -> str:
    """Registers its models; returns what was tried, or raises."""
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    if MODELS.get("MaskRCNN") is None:
        raise RuntimeError("MaskRCNN is not registered")
    return "Mask R-CNN registered"

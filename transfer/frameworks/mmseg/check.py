"""Tries whether MMSegmentation works."""


def works() -> str:
    """Registers its models; returns what was tried, or raises."""
    from mmseg.registry import MODELS
    from mmseg.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    if MODELS.get("FCNHead") is None:
        raise RuntimeError("FCNHead is not registered")
    return "FCN registered"

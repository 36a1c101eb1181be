"""Self-supervised distillation of small vision backbones.

``distill.pretrain`` is the Python form of ``tools/distill.py``. Importing the package loads neither
torch nor any OpenMMLab package, so that command-line help stays quick.
"""

__version__ = "0.1.0"
__all__ = ["pretrain"]


def __getattr__(name: str):
    if name == "pretrain":
        from distill.engine.pretrain import pretrain

        return pretrain
    raise AttributeError(f"module 'distill' has no attribute {name!r}")

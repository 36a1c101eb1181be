"""What timm's and torchvision's files have in common: ``build()`` and ``normalise``."""

from __future__ import annotations

import runpy
from pathlib import Path

from torch import Tensor, nn

from transfer.frameworks.text import comment, quoted
from transfer.network.converted import ConvertedBackbone

TEXT = '''"""Features of RGB images: ``build()(normalise(images))`` takes images (B, 3, H, W) in [0, 1]."""

from pathlib import Path

import {module}
{extra}from torchvision.transforms import Normalize

WEIGHTS = Path(__file__).with_name({file})
normalise = Normalize({mean}, {std})


def build():
    """The network without classifier, its weights strictly loaded."""
    model = {create}
{load}    return model.eval()
'''


def text(converted: ConvertedBackbone, module: str, extra: str, create: str, load: str) -> str:
    """A Python file: ``create`` makes the network, ``load`` are the lines that fill it."""
    mean, std = converted.policy.mean, converted.policy.std
    file = quoted(converted.file.name)
    return comment(f"{quoted(converted.arch)} from {quoted(converted.source)}") + TEXT.format(
        module=module, extra=extra, file=file, mean=mean, std=std, create=create, load=load
    )


def run(file: Path, images: Tensor) -> tuple[nn.Module, Tensor]:
    """The file's network and its pixels for 8-bit images."""
    names = runpy.run_path(str(file))
    return names["build"](), names["normalise"](images / 255)

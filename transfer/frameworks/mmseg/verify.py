"""A written config in MMSegmentation."""

from pathlib import Path

from mmseg.registry import MODELS
from torch import Tensor

from transfer.frameworks.openmmlab import verify
from transfer.network.compare import Seen


def maps(config: Path, weights_file: Path, images: Tensor) -> Seen:
    """The maps of its backbone, which finds its weights beside the config."""
    return verify.maps(config, images, MODELS)

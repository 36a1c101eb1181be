"""Where networks look when they are asked for the true class: Grad-CAM (OSS Figure 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.backbones import Backbone
from distill.errors import UserError
from distill.evaluation.features import Features, evaluation_mode
from distill.evaluation.linear import Linear, mean_and_scale
from distill.figures.drawing import COLOURS, Drawing, as_pixels, grid, short
from distill.figures.material import Material, Subject

try:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
except ImportError as error:
    raise UserError("the figure grad_cam needs the library grad-cam: pip install grad-cam") from error

INCHES = 1.6  # of a picture
RIGHT, WRONG = (COLOURS[0], "-"), (COLOURS[5], "--")  # blue and vermilion


class LinearHead(nn.Module):
    """The classifier of the protocol ``linear``: features as the network gives them (B, D) -> (B, C)."""

    def __init__(self, train: Features, seed: int):
        super().__init__()
        x = F.normalize(train.x)
        self.mean, self.scale = mean_and_scale(x)
        x = (x - self.mean) / self.scale
        self.layer = Linear(seed=seed).fit(x, train.y, len(train.classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer((F.normalize(x) - self.mean) / self.scale)


@dataclass(frozen=True)
class Looks:
    """``heat`` (B, S, S) in 0..1 for the true class, and the class that was predicted, (B,)."""

    heat: np.ndarray
    predicted: Tensor


def draw(material: Material, subjects: Sequence[Subject]) -> Iterator[Drawing]:
    """One figure: a column a picture, a row a network."""
    rows = material.chosen(material.pictures, range(len(material.val)))
    images, y = material.look(material.val, rows), torch.from_numpy(material.val.labels)[rows]
    figure, fields = grid(["picture", *(subject.label for subject in subjects)], len(rows), INCHES)
    for field, image, label in zip(fields[0], images, y, strict=True):
        field.imshow(as_pixels(image))
        field.set_xlabel(short(material.val.classes[label]), fontsize=8)
    for own, subject in zip(fields[1:], subjects, strict=True):
        looks = looks_of(subject, images, y)
        for field, image, heat, guess, label in zip(own, images, looks.heat, looks.predicted, y, strict=True):
            field.imshow(as_pixels(image))
            field.imshow(heat, cmap="inferno", alpha=0.55, vmin=0, vmax=1)
            colour, dashes = RIGHT if guess == label else WRONG
            field.spines[:].set(visible=True, color=colour, linestyle=dashes, linewidth=2.5)
            field.set_xlabel(short(material.val.classes[guess]), fontsize=8, color=colour)
    yield Drawing(
        name="grad_cam",
        figure=figure,
        title="Grad-CAM of the true class",
        caption=f"{len(rows)} random pictures (seed {material.seed}) of {material.val.root} at "
        f"{images.shape[-1]} px. Bright: what speaks for the true class, which stands below the picture, in "
        "each network's last map, by a linear classifier on its features that was fitted to the training "
        "images. Below each: the class that it predicts, right in a solid blue frame, wrong in a dashed "
        "orange one. As in OSS, Figure 5.",
    )


def looks_of(subject: Subject, images: Tensor, y: Tensor) -> Looks:
    """Grad-CAM of each image's true class, with the linear head fitted to the subject's training features.

    Args:
        images: (B, 3, S, S) uint8; ``y``: their classes, (B,).

    Raises:
        UserError: the network's last map is none of (B, C, h, w).
    """
    head = LinearHead(subject.features[0], subject.material.seed)
    backbone = subject.backbone
    device = next(backbone.parameters()).device
    network = nn.Sequential(backbone, head.to(device))
    pixels = images.to(device).float() / 255
    targets = [ClassifierOutputTarget(label) for label in y.tolist()]
    with evaluation_mode(network), GradCAM(model=network, target_layers=[last_map(backbone)]) as cam:
        heat = cam(input_tensor=pixels, targets=targets)
        with torch.no_grad():
            predicted = network(pixels).argmax(1).cpu()
    return Looks(heat, predicted)


def last_map(backbone: Backbone) -> nn.Module:
    """The module whose output is the network's last map, (B, C, h, w).

    Raises:
        UserError: it has none.
    """
    info = getattr(backbone.net, "feature_info", None)
    if isinstance(getattr(backbone.net, "patch_embed", None), nn.Module) or not info:
        valid = "convolutional networks, or other --figures"
        raise UserError(f"grad_cam: {backbone.arch} has no maps of pixels; valid: {valid}")
    return backbone.net.get_submodule(info[-1]["module"])

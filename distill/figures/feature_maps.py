"""The last feature maps of all networks in colours that can be compared (PCD Figure 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.evaluation.features import evaluation_mode
from distill.figures.drawing import Drawing, as_pixels, grid
from distill.figures.material import Material, Subject
from distill.figures.shared_colours import colours, shared_components

INCHES = 1.5  # of a picture


def draw(material: Material, subjects: Sequence[Subject]) -> Iterator[Drawing]:
    """One figure: a column a picture, a row a network."""
    rows = material.chosen(material.pictures, range(len(material.val)))
    images = material.look(material.val, rows)
    maps = [map_of(subject, images) for subject in subjects]
    finest = max((each.shape[-2:] for each in maps), key=lambda size: size[0] * size[1])
    maps = [F.interpolate(each, finest, mode="bilinear") for each in maps]
    positions = [each.permute(0, 2, 3, 1).flatten(0, 2) for each in maps]  # (B * h * w, D)
    coloured = colours(shared_components(positions))

    figure, fields = grid(["picture", *(subject.label for subject in subjects)], len(rows), INCHES)
    for field, image in zip(fields[0], images, strict=True):
        field.imshow(as_pixels(image))
    for own, pixels in zip(fields[1:], coloured, strict=True):
        for field, picture in zip(own, pixels.reshape(len(rows), *finest, 3), strict=True):
            field.imshow(picture, interpolation="nearest")
    yield Drawing(
        name="feature_maps",
        figure=figure,
        title="Last feature maps",
        caption=f"{len(rows)} random pictures (seed {material.seed}) of {material.val.root} at "
        f"{images.shape[-1]} px, maps brought to {finest[0]} x {finest[1]} positions. Colours are three "
        "principal components fitted once to all pictures and networks (multiple factor analysis): "
        "lightness, blue to yellow, green to red. Two networks that see a place alike show it in the same "
        "colour. As in PCD, Figure 1.",
    )


def map_of(subject: Subject, images: Tensor) -> Tensor:
    """Feature maps (B, D, h, w) on the CPU of images (B, 3, S, S) uint8."""
    device = next(subject.backbone.parameters()).device
    with evaluation_mode(subject.backbone), torch.no_grad():
        return subject.backbone.feature_map(images.to(device)).float().cpu()

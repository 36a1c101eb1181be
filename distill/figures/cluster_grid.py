"""Images of random clusters, a row a cluster (CompRess Figure A2); nothing is chosen by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from distill.figures.drawing import Drawing, as_pixels, short
from distill.figures.material import Material, Subject, readable

COLUMNS = 20  # as many images of a cluster as the paper shows
CELL = 96  # pixels of an image in the grid, at most
INCHES = 0.5  # of a cell
GAP = 4  # pixels between cells


def draw(material: Material, subjects: Sequence[Subject]) -> Iterator[Drawing]:
    """A grid for each network."""
    for subject in subjects:
        clusters = subject.alignment.clusters
        shown = material.chosen(material.clusters, clusters.unique().tolist())
        count = len(subject.alignment.category)
        yield Drawing(
            name=f"cluster_grid-{subject.slug}",
            figure=_grid(material, subject, shown),
            title=f"Clusters of the features of {subject.label}",
            caption=f"{len(shown)} of {count} k-means clusters of the training images in "
            f"{material.train.root}, drawn at random (seed {material.seed}), and up to {COLUMNS} random "
            "images of each. Left: the class that the Hungarian algorithm gives the cluster, and how many "
            "of its images are of that class. As in CompRess, Figure A2.",
        )


def members(material: Material, subject: Subject, cluster: int) -> list[int]:
    """Random images of a cluster, numbers of the training set."""
    rows = np.array(readable(material.train, subject.features[0]))
    return material.chosen(COLUMNS, rows[(subject.alignment.clusters == cluster).numpy()])


def _grid(material: Material, subject: Subject, shown: Sequence[int]) -> Figure:
    rows = [material.look(material.train, members(material, subject, cluster)) for cluster in shown]
    pixels = np.concatenate([_strip(images) for images in rows])
    figure = Figure(figsize=(INCHES * COLUMNS + 1.5, INCHES * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(pixels, interpolation="none")
    height = len(pixels) / len(shown)
    axes.set_yticks([height * (place + 0.5) for place in range(len(shown))])
    axes.set_yticklabels([_label(subject, cluster) for cluster in shown], fontsize=7)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _strip(images: Tensor) -> np.ndarray:
    """Images (B, 3, S, S) uint8 side by side, small enough for the grid, on white."""
    side = min(CELL, images.shape[-1])
    if side < images.shape[-1]:
        images = F.interpolate(images.float(), (side, side), mode="bilinear", antialias=True)
    strip = np.full((side + GAP, COLUMNS * (side + GAP), 3), 255, np.uint8)
    for place, image in enumerate(images.clamp(0, 255).byte()):
        left = place * (side + GAP)
        strip[:side, left : left + side] = as_pixels(image)
    return strip


def _label(subject: Subject, cluster: int) -> str:
    """The cluster's class, and how much of the cluster it is."""
    train, category = subject.features[0], subject.alignment.category[cluster]
    inside = subject.alignment.clusters == cluster
    common = torch.sum(train.y[inside] == category).item()
    return f"{short(train.classes[category])}\n{common} of {int(inside.sum())}"

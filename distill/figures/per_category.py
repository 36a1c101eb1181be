"""Accuracy of each class by cluster alignment, sorted: a curve a network (CompRess Figure A1)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from distill import results
from distill.errors import UserError
from distill.figures.drawing import COLOURS, DASHES, Drawing
from distill.figures.material import Material, Subject

Curves = Mapping[str, Mapping[str, float]]  # label -> class -> percent


def draw(material: Material, subjects: Sequence[Subject]) -> Iterator[Drawing]:
    """One figure for all networks."""
    curves = {subject.label: subject.alignment.per_class for subject in subjects}
    yield drawing(curves, f"validation images in {material.val.root}")


def drawing_of_rows(files: Iterable[str | os.PathLike]) -> Drawing:
    """The figure of earlier evaluations: for each label the newest row of ``cluster_alignment``.

    Raises:
        UserError: no such file, or no row with the accuracy of each class.
    """
    curves, files = {}, [os.fspath(file) for file in files]
    for file in files:
        if not os.path.isfile(file):
            raise UserError(f"no such results file: {file}")
        for row in results.find(results.read(file), task="cluster_alignment"):
            per_class = row.get("details", {}).get("per_class", {})
            if measured := {name: value for name, value in per_class.items() if value is not None}:
                curves[row["label"]] = measured
    if not curves:
        raise UserError(
            f"{', '.join(files)}: no row of cluster_alignment with the accuracy of each class; "
            "tools/evaluate.py writes them"
        )
    return drawing(curves, f"validation images of the evaluations in {', '.join(files)}")


def drawing(curves: Curves, images: str) -> Drawing:
    """The figure of given accuracies, percent; ``images``: which ones, for the caption."""
    return Drawing(
        name="per_category",
        figure=_plot(curves),
        title="Cluster alignment by class",
        caption=f"For every class the share of its {images} that fall into the cluster which the Hungarian "
        "algorithm gives to the class; each network's classes in falling order. As in CompRess, Figure A1.",
    )


def _plot(curves: Curves) -> Figure:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (label, per_class) in enumerate(curves.items()):
        values = sorted(per_class.values(), reverse=True)
        mean = sum(values) / len(values)
        axes.plot(
            range(1, len(values) + 1), values, linewidth=2, label=f"{label} (mean {mean:.1f})",
            color=COLOURS[number % len(COLOURS)], linestyle=DASHES[number % len(DASHES)],
        )  # fmt: skip
    axes.set(xlabel="classes, best first", ylabel="accuracy, percent", ylim=(0, 100))
    axes.set_xlim(1, max(2, *map(len, curves.values())))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure

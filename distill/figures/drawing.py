"""A drawn figure and the PNG that it becomes, with what it shows written into it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from distill.results.atomic import atomic_path

DOTS_PER_INCH = 150
CHARACTERS_PER_INCH = 14  # of the caption
# Okabe and Ito's colours, told apart with any colour vision; lines differ in their dashes as well
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
DASHES = ("-", "--", "-.", ":")
STYLE = {
    "text.parse_math": False,  # names of classes and runs are text, also where they hold a $
    "font.size": 9,
    "figure.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        name: of its file, without ``.png``.
        figure: with everything but title and caption.
        title: one line.
        caption: what is shown, of what, and how it was chosen.
    """

    name: str
    figure: Figure
    title: str
    caption: str


@contextmanager
def style() -> Iterator[None]:
    """What is drawn and written inside looks like this project's figures."""
    with rc_context(STYLE):
        yield


def write(drawing: Drawing, folder: str | Path, command: str) -> Path:
    """Writes ``folder/NAME.png`` atomically, title above, caption and command below; makes the folder.

    The file says them in its text fields as well: Title, Description, Comment (the command).
    """
    path = Path(folder) / f"{drawing.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = int(CHARACTERS_PER_INCH * drawing.figure.get_figwidth())
    command_lines = textwrap.wrap(command, columns, break_long_words=False, break_on_hyphens=False)
    lines = [*textwrap.wrap(drawing.caption, columns), *command_lines]
    drawing.figure.suptitle("\n".join(textwrap.wrap(drawing.title, columns * 2 // 3)))
    drawing.figure.text(0.01, -0.01, "\n".join(lines), fontsize=8, va="top", linespacing=1.4)
    said = {"Title": drawing.title, "Description": drawing.caption, "Comment": command}
    with atomic_path(path) as part:
        # "tight" takes in the caption, which lies below the figure proper
        drawing.figure.savefig(
            part, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight", pad_inches=0.15, metadata=said
        )
    return path


def grid(rows: Sequence[str], columns: int, side: float) -> tuple[Figure, list[list[Axes]]]:
    """A figure of named rows of ``columns`` square fields, of ``side`` inches each, without axes."""
    figure = Figure(figsize=(max(side * columns, 5) + 1.5, side * len(rows)), layout="constrained")
    fields = figure.subplots(len(rows), columns, squeeze=False)
    for field in fields.flat:
        field.set(xticks=[], yticks=[])
        field.spines[:].set_visible(False)
    for name, (first, *_) in zip(rows, fields, strict=True):
        lines = textwrap.wrap(name, 20, break_on_hyphens=False)
        first.set_ylabel("\n".join(lines), rotation=0, ha="right", va="center")
    return figure, fields.tolist()


def as_pixels(image: Tensor) -> np.ndarray:
    """(3, H, W) -> (H, W, 3), as matplotlib shows it."""
    return image.permute(1, 2, 0).numpy()


def short(name: str, characters: int = 24) -> str:
    """A name that may not take more room than that."""
    return name if len(name) <= characters else f"{name[: characters - 3]}..."

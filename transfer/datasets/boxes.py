"""Pictures with boxes, in VOC's layout or in COCO's format."""

import os
from collections.abc import Mapping, Sequence

from transfer.datasets import coco_files, voc
from transfer.datasets.check import Problems
from transfer.datasets.coco_boxes import CocoBoxes, find_coco_boxes
from transfer.datasets.layout import has_folder


def find_boxes(
    root: str | os.PathLike,
    classes: tuple[str, ...] | None = None,
    left_out: Mapping[str, Sequence[str]] | None = None,
    problems: Problems | None = None,
) -> voc.VocDetection | CocoBoxes:
    """VOC's layout in or below ``root`` if it is there, else COCO's format.

    Args:
        classes: names to detect; by default those of the data.
        left_out: split -> names of the pictures to leave out.
        problems: look at all pictures, leave out those with defects, and tell them; None: do not look.

    Raises:
        UserError: neither is there, or what ``find_detection`` and ``find_coco_boxes`` refuse.
    """
    in_coco = not has_folder(root, voc.INSIDE, voc.NEEDS) and coco_files.is_there(root)
    return (find_coco_boxes if in_coco else voc.find_detection)(root, classes, left_out, problems)

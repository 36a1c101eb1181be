"""Whether a benchmark's own data is there; other layouts of its kind are for those who name the benchmark."""

from collections.abc import Callable
from pathlib import Path

from transfer.datasets import cityscapes_instances, coco_files, segmentation, voc
from transfer.datasets.layout import find_folder


def check_own(layout: str, root: str) -> None:
    """Checks that ``root`` holds data in a benchmark's own layout; plain folders of masks are anyone's.

    Without this check a plan of all benchmarks would measure Cityscapes' settings on VOC, and call the rows
    ``cityscapes_seg``.

    Args:
        layout: a name of ``transfer.datasets.find.LAYOUTS``.

    Raises:
        UserError: it does not, with the tree that is expected.
    """
    _OWN[layout](root)


def _tree(inside: tuple[str, ...], needs: tuple[str, ...], what: str) -> Callable[[str], object]:
    return lambda root: find_folder(root, inside, needs, what)


def _masks(layout: str) -> Callable[[str], object]:
    _, *tree = segmentation.TREES[layout]
    return lambda root: segmentation.plain_folders(Path(root)) or find_folder(root, *tree)


_VOC = _tree(voc.INSIDE, voc.NEEDS, "VOC2007 detection data")
_OWN: dict[str, Callable[[str], object]] = {
    "voc_boxes": _VOC,
    "voc_boxes_and_proposals": _VOC,
    "voc_masks": _masks("voc_masks"),
    "cityscapes_masks": _masks("cityscapes_masks"),
    "coco": lambda root: [coco_files.find_files(root, split) for split in coco_files.SPLITS],
    "cityscapes_instances": _tree(cityscapes_instances.INSIDE, cityscapes_instances.NEEDS, "Cityscapes data"),
}

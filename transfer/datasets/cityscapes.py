"""Cityscapes: its folders and its class numbers."""

from pathlib import Path

from distill.errors import UserError

IGNORE = 255
CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # of CLASSES, in order
HIGHEST_LABEL_ID = 33  # the licence plate is -1, which a mask holds as 255


def label_map() -> dict[int, int]:
    """Every labelId -> trainId 0-18, or 255 (ignored)."""
    train_ids = {label_id: train_id for train_id, label_id in enumerate(LABEL_IDS)}
    return {label_id: train_ids.get(label_id, IGNORE) for label_id in range(HIGHEST_LABEL_ID + 1)}


def mask_kind(folder: Path) -> str:
    """``labelTrainIds`` if those masks are there, else ``labelIds``, which every download has."""
    for kind in ("labelTrainIds", "labelIds"):
        if next((folder / "gtFine/train").glob(f"*/*_gtFine_{kind}.png"), None) is not None:
            return kind
    raise UserError(f"{folder / 'gtFine/train'}: no <city>/*_gtFine_labelIds.png in it")


def pairs(folder: Path, split: str, kind: str | None = None) -> list[tuple[Path, Path]]:
    """(picture, mask) of one split, sorted; whether the masks are there is not looked at.

    Args:
        kind: of mask; by default ``mask_kind``'s.
    """
    kind = kind or mask_kind(folder)
    pictures = sorted((folder / "leftImg8bit" / split).glob("*/*_leftImg8bit.png"))
    found = []
    for picture in pictures:
        name = picture.name.replace("_leftImg8bit.png", f"_gtFine_{kind}.png")
        found.append((picture, folder / "gtFine" / split / picture.parent.name / name))
    if not found:
        raise UserError(f"{folder / 'leftImg8bit' / split}: no <city>/*_leftImg8bit.png in it")
    return found

"""Writes demo scenes in the folder layouts of Pascal VOC, COCO and Cityscapes.

Every writer takes ``{"train": [Scene], "val": [Scene]}`` and a folder, and puts a ``classes.txt`` with the
class names in id order beside its layout.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from distill.demo.scenes import DIGITS, Scene

Scenes = dict[str, list[Scene]]

VOID = 255
VOC_IDS = tuple(range(1, len(DIGITS) + 1))  # 0 is background

# Cityscapes' own table (name, id, trainId): the ground and the ten digits borrow eleven of its classes,
# so that the dataset classes of every framework read the demo unchanged.
CITYSCAPES_GROUND = ("road", 7, 0)
CITYSCAPES_DIGITS = (
    ("traffic light", 19, 6),
    ("traffic sign", 20, 7),
    ("person", 24, 11),
    ("rider", 25, 12),
    ("car", 26, 13),
    ("truck", 27, 14),
    ("bus", 28, 15),
    ("train", 31, 16),
    ("motorcycle", 32, 17),
    ("bicycle", 33, 18),
)
CITYSCAPES_CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
CITIES = {"train": ("northtown", "southtown"), "val": ("westtown",)}


def save_jpeg(image: Image.Image, path: Path) -> None:
    """Saves a picture as JPEG without colour subsampling, which would smear thin strokes."""
    image.save(path, quality=90, subsampling=0)


def write_classes(folder: Path, names: tuple[str, ...]) -> None:
    """Writes ``classes.txt``, one name a line in id order."""
    (folder / "classes.txt").write_text("\n".join(names) + "\n")


def write_voc(scenes: Scenes, root: Path) -> None:
    """``VOCdevkit/VOC2007`` (boxes; train -> trainval, val -> test) and ``VOC2012`` (class masks)."""
    boxes, masks = root / "VOCdevkit/VOC2007", root / "VOCdevkit/VOC2012"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (boxes / folder).mkdir(parents=True)
    for folder in ("SegmentationClass", "JPEGImages", "ImageSets/Segmentation"):
        (masks / folder).mkdir(parents=True)
    names = {"train": [], "val": []}
    first = 1
    for split, drawn in scenes.items():
        for number, scene in enumerate(drawn, first):
            name = f"{number:06d}"
            save_jpeg(scene.image, boxes / f"JPEGImages/{name}.jpg")
            save_jpeg(scene.image, masks / f"JPEGImages/{name}.jpg")
            (boxes / f"Annotations/{name}.xml").write_text(_voc_xml(name, scene))
            labels = Image.fromarray(scene.label_map(VOC_IDS, ground=0, border=VOID))
            labels.putpalette(voc_palette())
            labels.save(masks / f"SegmentationClass/{name}.png")
            names[split].append(name)
        first += len(drawn)
    for split, listed in {"trainval": names["train"], "test": names["val"]}.items():
        (boxes / f"ImageSets/Main/{split}.txt").write_text("\n".join(listed) + "\n")
    for split, listed in {**names, "trainval": names["train"] + names["val"]}.items():
        (masks / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(listed) + "\n")
    write_classes(boxes, DIGITS)
    write_classes(masks, ("background", *DIGITS))


def voc_palette() -> list[int]:
    """VOC's 256 colours as 768 numbers: the id's bits go in turn to red, green, blue, from their top down."""
    palette = []
    for label in range(256):
        for channel in range(3):
            palette.append(sum((label >> (3 * k + channel) & 1) << (7 - k) for k in range(8)))
    return palette


def _voc_xml(name: str, scene: Scene) -> str:
    width, height = scene.image.size
    lines = ["<annotation>", "  <folder>VOC2007</folder>", f"  <filename>{name}.jpg</filename>"]
    lines.append(f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>")
    lines.append("  <segmented>0</segmented>")
    for thing in scene.things:
        left, top, right, bottom = thing.box
        lines.append(f"  <object><name>{DIGITS[thing.label]}</name><pose>Unspecified</pose>")
        lines.append("    <truncated>0</truncated><difficult>0</difficult>")
        # VOC counts pixels from 1, its last pixel included
        lines.append(f"    <bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>")
        lines.append(f"      <xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>")
    return "\n".join([*lines, "</annotation>", ""])


def write_coco(scenes: Scenes, root: Path) -> None:
    """``{train,val}2017`` and ``annotations/instances_*.json`` with category ids 1..10 and RLE masks."""
    (root / "annotations").mkdir(parents=True)
    image_id = annotation_id = 0
    for split, drawn in scenes.items():
        (root / f"{split}2017").mkdir()
        images, annotations = [], []
        for scene in drawn:
            image_id += 1
            name, (width, height) = f"{image_id:012d}.jpg", scene.image.size
            save_jpeg(scene.image, root / f"{split}2017" / name)
            images.append({"id": image_id, "file_name": name, "width": width, "height": height})
            for thing in scene.things:
                annotation_id += 1
                left, top, right, bottom = thing.box
                annotations.append({
                    "id": annotation_id,
                    "image_id": image_id,
                    "category_id": thing.label + 1,
                    "iscrowd": 0,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": int(thing.mask.sum()),
                    # strokes have holes, which COCO's polygons cannot have
                    "segmentation": {"size": [height, width], "counts": run_lengths(thing.mask)},
                })
        categories = [{"id": i, "name": name, "supercategory": "digit"} for i, name in enumerate(DIGITS, 1)]
        content = {
            "info": {"description": "demo world of handwritten digits"},
            "licenses": [],
            "images": images,
            "annotations": annotations,
            "categories": categories,
        }
        (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(content))
    write_classes(root, DIGITS)


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed RLE: lengths of runs down the columns, starting with zeros.

    >>> run_lengths(np.array([[1, 0], [1, 1]], bool))
    [0, 2, 1, 1]
    """
    flat = np.concatenate([[0], mask.ravel(order="F").astype(np.int8)])
    changes = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()


def write_cityscapes(scenes: Scenes, root: Path) -> None:
    """``leftImg8bit`` and ``gtFine`` (labelIds, labelTrainIds, instanceIds) by split and city.

    Outlines are id 0 (unlabeled), trainId 255, like every class outside the 19.
    """
    ids = tuple(label for _, label, _ in CITYSCAPES_DIGITS)
    train_ids = tuple(train for _, _, train in CITYSCAPES_DIGITS)
    for split, drawn in scenes.items():
        cities = CITIES[split]
        for city in cities:
            (root / f"leftImg8bit/{split}/{city}").mkdir(parents=True)
            (root / f"gtFine/{split}/{city}").mkdir(parents=True)
        for number, scene in enumerate(drawn):
            city = cities[number % len(cities)]
            name = f"{split}/{city}/{city}_{number:06d}_000019"
            scene.image.save(root / f"leftImg8bit/{name}_leftImg8bit.png")
            labels = scene.label_map(ids, ground=CITYSCAPES_GROUND[1], border=0)
            trained = scene.label_map(train_ids, ground=CITYSCAPES_GROUND[2], border=VOID)
            for kind, content in {
                "labelIds": labels,
                "labelTrainIds": trained,
                "instanceIds": _instance_ids(scene, labels),
            }.items():
                Image.fromarray(content).save(root / f"gtFine/{name}_gtFine_{kind}.png")
    write_classes(root, CITYSCAPES_CLASSES)


def _instance_ids(scene: Scene, labels: np.ndarray) -> np.ndarray:
    """(H, W) uint16: ``id * 1000 + number among its class`` on digits, the label id elsewhere."""
    instances = labels.astype(np.uint16)
    seen = [0] * len(DIGITS)
    for thing in scene.things:
        inside = thing.mask & (labels != 0)
        instances[inside] = CITYSCAPES_DIGITS[thing.label][1] * 1000 + seen[thing.label]
        seen[thing.label] += 1
    return instances


SCENE_LAYOUTS: dict[str, Callable[[Scenes, Path], None]] = {
    "voc": write_voc,
    "coco": write_coco,
    "cityscapes": write_cityscapes,
}

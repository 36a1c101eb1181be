"""Small made-up archives in the published formats: two or four classes, a few images each.

``WRITERS[name](root)`` writes a set below ``root`` and returns the names of its images' classes, in order:
those of the training and those of the validation images.
"""

import pickle
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

Labels = tuple[list[str], list[str]]


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed, 12, 10, 3)).save(path)


def write_lines(path: Path, lines: Iterable[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def imagenet(root: Path, classes: Sequence[str] = ("n01", "n02"), images: int = 3) -> Labels:
    for part, name, number in [
        (part, name, number) for part in ("train", "val") for name in classes for number in range(images)
    ]:
        save(root / "imagenet" / part / name / f"{part}_{number}.JPEG", number)
    labels = [name for name in classes for _ in range(images)]
    return labels, labels


def write_batch(
    path: Path, seed: int, key: str, labels: Sequence[int], pixels: np.ndarray | None = None
) -> None:
    """A batch as Python 2 pickled it: planes one after the other, (N, 3072)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = noise(seed, len(labels), 3072) if pixels is None else pixels
    path.write_bytes(pickle.dumps({"data": pixels, key: list(labels)}, protocol=2))


def cifar10(root: Path) -> Labels:
    folder = root / "cifar-10-batches-py"
    for number in range(1, 6):
        write_batch(folder / f"data_batch_{number}", number, "labels", [number % 2, 1])
    write_batch(folder / "test_batch", 9, "labels", [1, 0, 1])
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["cat", "dog"]}, protocol=2))
    return ["dog", "dog", "cat", "dog", "dog", "dog", "cat", "dog", "dog", "dog"], ["dog", "cat", "dog"]


def cifar10_of(root: Path, pixels: np.ndarray, labels: np.ndarray, count: int) -> None:
    """Given images (N, 3072) of four classes: the first ``count`` are training images, in five batches."""
    folder = root / "cifar-10-batches-py"
    for number, rows in enumerate(np.array_split(np.arange(count), 5), start=1):
        write_batch(folder / f"data_batch_{number}", 0, "labels", labels[rows].tolist(), pixels[rows])
    write_batch(folder / "test_batch", 0, "labels", labels[count:].tolist(), pixels[count:])
    meta = {"label_names": ["red", "green", "blue", "white"]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))


def cifar100(root: Path) -> Labels:
    folder = root / "cifar-100-python"
    write_batch(folder / "train", 0, "fine_labels", [0, 1, 1, 0])
    write_batch(folder / "test", 1, "fine_labels", [1, 0])
    meta = {"fine_label_names": ["oak", "rose"], "coarse_label_names": ["trees"]}
    (folder / "meta").write_bytes(pickle.dumps(meta, protocol=2))
    return ["oak", "rose", "rose", "oak"], ["rose", "oak"]


def stl10(root: Path) -> Labels:
    folder = root / "stl10_binary"
    write_lines(folder / "class_names.txt", ["airplane", "bird"])
    for part, labels in (("train", [1, 2, 2]), ("test", [2, 1])):
        noise(len(part), len(labels), 3, 96, 96).tofile(folder / f"{part}_X.bin")
        np.array(labels, np.uint8).tofile(folder / f"{part}_y.bin")
    return ["airplane", "bird", "bird"], ["bird", "airplane"]


def dtd(root: Path, folder: str = "dtd/dtd") -> Labels:
    for seed, (part, name) in enumerate(
        (p, n) for p in ("train", "val", "test") for n in ("banded", "woven")
    ):
        save(root / folder / "images" / name / f"{part}.jpg", seed)
        with open(_parents(root / folder / "labels" / f"{part}1.txt"), "a") as file:
            file.write(f"{name}/{part}.jpg\n")
    return ["banded", "woven", "banded", "woven"], ["banded", "woven"]


def _parents(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def sun397(root: Path) -> Labels:
    classes, folder = ["/a/abbey", "/a/apse/indoor"], root / "SUN397"
    write_lines(folder / "ClassName.txt", classes)
    for part, names in (("Training", "pq"), ("Testing", "rs")):
        lines = [f"{name}/sun_{letter}.jpg" for letter in names for name in classes]
        write_lines(folder / f"{part}_01.txt", lines)
        for seed, line in enumerate(lines):
            save(folder / line[1:], seed + ord(part[0]))
    save(folder / "a/abbey/sun_unlisted.jpg", 0)
    return classes * 2, classes * 2


def places365(root: Path) -> Labels:
    classes, folder = ["/a/airfield", "/b/bar"], root / "places365"
    write_lines(
        folder / "categories_places365.txt", [f"{name} {label}" for label, name in enumerate(classes)]
    )
    train = [
        (f"{name}/{number:08d}.jpg", label) for label, name in enumerate(classes) for number in range(2)
    ]
    val = [("Places365_val_00000001.jpg", 1), ("Places365_val_00000002.jpg", 0)]
    for name, images_in, lines in (
        ("places365_train_standard.txt", "data_256_standard", train), ("places365_val.txt", "val_256", val),
    ):  # fmt: skip
        write_lines(folder / name, [f"{path} {label}" for path, label in lines])
        for seed, (path, _) in enumerate(lines):
            save(folder / images_in / path.lstrip("/"), seed)
    return [classes[label] for _, label in train], [classes[1], classes[0]]


def places205(root: Path) -> Labels:
    folder = root / "places205"
    for part, lines in (
        ("train", ["a/abbey/gsun_1.jpg 0", "a/alley/gsun_2.jpg 1"]), ("val", ["a/alley/gsun_3.jpg 1"])
    ):  # fmt: skip
        write_lines(folder / "trainvalsplit_places205" / f"{part}_places205.csv", lines)
        for seed, line in enumerate(lines):
            save(folder / "data/vision/torralba/deeplearning/images256" / line.split()[0], seed)
    return ["a/abbey", "a/alley"], ["a/alley"]


def cub200(root: Path) -> list[tuple[str, bool]]:
    """Class, and whether it is for training, of each image."""
    folder, classes = root / "CUB_200_2011", [f"{number:03d}.Bird_{number}" for number in range(1, 5)]
    images = [(label, number) for label in range(4) for number in range(3)]
    files = [f"{classes[label]}/Bird_{number}.jpg" for label, number in images]
    for seed, file in enumerate(files):
        save(folder / "images" / file, seed)
    for name, values in (
        ("classes.txt", classes),
        ("images.txt", files),
        ("image_class_labels.txt", [label + 1 for label, _ in images]),
        ("train_test_split.txt", [int(number != 1) for _, number in images]),
    ):
        write_lines(folder / name, [f"{number} {value}" for number, value in enumerate(values, start=1)])
    return [(classes[label], number != 1) for label, number in images]


def cub200_by_image(root: Path) -> Labels:
    images = cub200(root)
    return [name for name, train in images if train], [name for name, train in images if not train]


def cub200_by_class(root: Path) -> Labels:
    names = [name for name, _ in cub200(root)]
    return names[:6], names[6:]


def cars196(root: Path) -> Labels:
    """MATLAB's structures as Stanford published them: box, class from 1, file."""
    folder, classes = root / "stanford_cars", ["AM General Hummer", "Acura RL", "Audi S4", "BMW X5"]
    fields = [("bbox_x1", "O"), ("class", "O"), ("fname", "O")]
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array(classes, object)})
    for images, annotations, labels in (
        ("cars_train", "devkit/cars_train_annos.mat", [3, 1, 2, 4]),
        ("cars_test", "cars_test_annos_withlabels.mat", [4, 2, 1]),
    ):
        found = [(1, label, f"{number:05d}.jpg") for number, label in enumerate(labels, start=1)]
        savemat(folder / annotations, {"annotations": np.array([found], fields)})
        for _, label, file in found:
            save(folder / images / file, label)
    return [classes[label - 1] for label in (3, 1, 2, 4)], [classes[label - 1] for label in (4, 2, 1)]


def cars196_by_class(root: Path) -> Labels:
    train, val = cars196(root)
    return [name for name in train + val if name[0:2] in ("AM", "Ac")], [
        name for name in train + val if name[0] == "B" or name[0:2] == "Au"
    ]


VOC = {
    "trainval": {"000001": [("dog", 0), ("person", 1)], "000002": [("person", 1), ("person", 0)]},
    "test": {"000003": [("cat", 1), ("dog", 0)], "000004": []},
}


def voc07(root: Path, folder: str = "VOCdevkit/VOC2007") -> dict[str, list[list[int]]]:
    """The rows of labels by part, for cat, dog and person."""
    for part, images in VOC.items():
        write_lines(root / folder / "ImageSets/Main" / f"{part}.txt", images)
        for name, objects in images.items():
            save(root / folder / "JPEGImages" / f"{name}.jpg", int(name))
            said = [
                f"<object><name>{each}</name><difficult>{difficult}</difficult></object>"
                for each, difficult in objects
            ]
            write_lines(
                root / folder / "Annotations" / f"{name}.xml", ["<annotation>", *said, "</annotation>"]
            )
    return {"trainval": [[0, 1, -1], [0, 0, 1]], "test": [[-1, 1, 0], [0, 0, 0]]}


WRITERS: dict[str, Callable[[Path], Labels]] = {
    "imagenet": imagenet, "cifar10": cifar10, "cifar100": cifar100, "stl10": stl10, "dtd": dtd,
    "sun397": sun397, "places365": places365, "places205": places205,
    "cub200_by_image": cub200_by_image, "cub200_by_class": cub200_by_class,
    "cars196_by_image": cars196, "cars196_by_class": cars196_by_class,
}  # fmt: skip

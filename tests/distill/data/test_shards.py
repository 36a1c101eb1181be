"""Images from shards: the same order, bits, names and fingerprints as from the folder."""

import multiprocessing
import os
import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distill.data.image_files import open_images
from distill.data.images import UnreadableImage
from distill.data.labelled import list_labelled
from distill.data.pack import pack
from distill.data.shards import MOST_OPEN, Shards
from distill.data.unlabelled import UnlabelledImages
from distill.errors import UserError


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> Path:
    """Three classes of small pictures, whose order is not that of their files' paths, and hostile names."""
    root, random = tmp_path_factory.mktemp("classes") / "train", np.random.default_rng(0)
    hostile = ("a/new\nline.png", "a-b/it's.png", "ü/雪 1.jpg", "ü/latin-\udce9.png")
    for name in ("a/1.png", "a/deep/2.jpg", *hostile):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(path)
    for name in (".hidden/3.png", "top.png"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / "a/1.png", root / name)
    (root / "a/torn.jpg").write_bytes((root / "a/deep/2.jpg").read_bytes()[:200])
    return root


@pytest.fixture(scope="module")
def shards(classes, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("packed") / "train"
    pack(classes, out, shard_bytes=3000, workers=0, say=print)
    return out


def read(images, row: int) -> bytes | str:
    try:
        return images.read(row).tobytes()
    except UnreadableImage as error:
        return str(error).replace(str(images.root), "ROOT")


def test_the_images_are_those_of_the_folder(classes, shards):
    folder, packed = open_images(classes), open_images(str(shards))
    assert len(list(shards.glob("*.tar"))) > 2
    assert packed.files == folder.files and len(packed) == 9
    assert packed.fingerprint == folder.fingerprint
    for row in range(len(folder)):
        assert packed.content(row) == Path(classes, folder.files[row]).read_bytes()
        assert read(packed, row) == read(folder, row)
        assert packed.name(row) == folder.name(row).replace(str(classes), str(shards))
    assert [name for name in map(packed.name, range(9)) if name.endswith("\\udce9.png")], "printable"


def test_so_are_labelled_images(classes, shards):
    folder, packed = list_labelled(classes), list_labelled(shards)
    assert packed.classes == folder.classes == ("a", "a-b", "ü")
    assert packed.files == folder.files and packed.files[0] == "a/1.png" != open_images(shards).files[0]
    assert packed.labels.tolist() == folder.labels.tolist() == [0, 0, 0, 0, 1, 2, 2]
    assert packed.fingerprint == folder.fingerprint != open_images(shards).fingerprint
    rows = [5, 0, 3]
    assert [read(packed.subset(rows), row) for row in range(3)] == [read(folder, row) for row in rows]
    assert packed.subset(rows).fingerprint == folder.subset(rows).fingerprint
    assert packed.config == {"data_root": str(shards)}


def test_training_sees_the_same_views_and_skips_the_same_images(image_folder, tmp_path):
    root = shutil.copytree(image_folder, tmp_path / "images")
    torn = open_images(root).files[3]
    (root / torn).write_bytes((root / torn).read_bytes()[:40])
    pack(root, tmp_path / "shards", workers=0)
    view = {"type": "CropFlip", "size": 16}
    folder, packed = (UnlabelledImages(str(tmp_path / name), view, seed=1) for name in ("images", "shards"))
    for index in range(24):
        one, other = folder[2, index], packed[2, index]
        assert one["index"] == other["index"] and bool((one["views"][0] == other["views"][0]).all())
        assert [os.path.relpath(path, root) for path in one["unreadable"]] == [
            os.path.relpath(path, tmp_path / "shards") for path in other["unreadable"]
        ]
    assert packed[0, 3]["unreadable"] == [str(tmp_path / "shards" / torn)]


def all_contents(images) -> list[bytes]:
    return [images.content(row) for row in range(len(images))]


def test_forked_and_spawned_processes_read_the_same(classes, shards):
    """A forked one has the open files of its parent, at whatever place another has read them."""
    images = open_images(shards)
    contents = all_contents(images)
    assert len(pickle.dumps(images)) < 1000
    for start, processes in (("fork", 3), ("spawn", 1)):
        with multiprocessing.get_context(start).Pool(processes) as pool:
            assert pool.map(all_contents, [images] * 30) == [contents] * 30


def test_few_files_are_open_however_many_shards_there_are(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    for number in range(MOST_OPEN + 40):
        (root / f"{number:04d}.png").write_bytes(bytes([number % 256]))
    shards = pack(root, tmp_path / "shards", shard_bytes=1, workers=0)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        assert [shards.content(name)[0] for name in shards] == [number % 256 for number in range(len(shards))]
        assert len(os.listdir("/proc/self/fd")) - before <= MOST_OPEN


def test_tar_unpacks_the_folder(classes, shards, tmp_path):
    for file in sorted(shards.glob("*.tar")):
        subprocess.run(["tar", "xf", file, "-C", tmp_path], check=True)
    images = open_images(tmp_path)
    packed = open_images(classes)
    assert images.files == packed.files and images.fingerprint == packed.fingerprint
    assert all_contents(images) == all_contents(packed)


def test_what_cannot_be_read_is_named(shards, tmp_path):
    def broken(change) -> Path:
        copy = shutil.copytree(shards, tmp_path / str(len(list(tmp_path.iterdir()))))
        change(copy)
        return copy

    def torn(file: Path) -> None:
        os.truncate(file, file.stat().st_size - 1024)

    for change, message in (
        (lambda copy: (copy / "images-000001.tar").unlink(), "images-000001.tar: this shard is missing"),
        (lambda copy: torn(copy / "images-000001.tar"), "images-000001.tar: torn, .* bytes of"),
        (lambda copy: torn(copy / "packed_images.index"), "packed_images.index: torn, or of another version"),
        (lambda copy: (copy / "packed_images.index").unlink(), "the images are not all packed"),
    ):
        for opened in (open_images, list_labelled):
            with pytest.raises(UserError, match=f"{message}.*give the tools/pack_images.py command again"):
                opened(broken(change))

    copy = broken(lambda copy: None)
    images = Shards(copy)
    os.truncate(copy / "images-000000.tar", 600)
    with pytest.raises(UserError, match=r"images-000000.tar: torn, it ends within \.hidden/3.png"):
        images.content(images[0])
    (copy / images.record["shards"][-1][0]).unlink()
    with pytest.raises(UserError, match="this shard is missing"):
        images.content(images[-1])
    with pytest.raises(FileNotFoundError, match="nowhere.jpg"):
        images.content("nowhere.jpg")


def test_what_is_no_folder_of_classes_is_named(image_folder, tmp_path):
    (tmp_path / "flat").mkdir()
    shutil.copy(next(image_folder.rglob("*.png")), tmp_path / "flat")
    pack(tmp_path / "flat", tmp_path / "shards", workers=0)
    with pytest.raises(UserError, match="shards: no class folders in it"):
        list_labelled(tmp_path / "shards")

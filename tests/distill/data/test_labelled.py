from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distill.data.labelled import LabelledArray, check_same_classes, list_labelled
from distill.errors import UserError
from distill.results.manifest import fingerprint_files


@pytest.fixture
def labelled(tmp_path):
    """``labelled("train", classes=("a", "b"))`` writes an ImageFolder and returns its path."""

    def write(name, classes=("cat", "dog"), images=2):
        for folder in (tmp_path / name / label for label in classes):
            folder.mkdir(parents=True)
            for number in range(images):
                Image.new("RGB", (8, 8), (ord(folder.name[0]), 10 * number, 0)).save(folder / f"{number}.png")
        return tmp_path / name

    return write


def test_classes_and_files_come_sorted_and_from_any_depth(labelled):
    root = labelled("train", classes=("zebra", "ant"), images=2)
    (root / "ant" / "more").mkdir()
    (root / "ant" / "0.png").rename(root / "ant" / "more" / "0.PNG")
    (root / "ant" / "notes.txt").write_text("not an image")
    (root / ".cache").mkdir()
    folder = list_labelled(root)
    assert folder.classes == ("ant", "zebra")
    assert folder.files == ("ant/1.png", "ant/more/0.PNG", "zebra/0.png", "zebra/1.png")
    assert folder.labels.tolist() == [0, 0, 1, 1]


def test_what_cannot_be_used_is_named(tmp_path, labelled):
    with pytest.raises(UserError, match="no such image folder: .*nowhere"):
        list_labelled(tmp_path / "nowhere")
    (tmp_path / "flat").mkdir()
    with pytest.raises(UserError, match="flat: no class folders"):
        list_labelled(tmp_path / "flat")
    root = labelled("train")
    (root / "empty").mkdir()
    with pytest.raises(UserError, match="no images in .*empty"):
        list_labelled(root)


def test_train_and_val_must_have_the_same_classes(labelled):
    train = list_labelled(labelled("train", classes=("a", "b", "c")))
    val = list_labelled(labelled("val", classes=("a", "b", "d")))
    check_same_classes(train, train)
    with pytest.raises(UserError, match=r"1 only in .*train \(c\); 1 only in .*val \(d\)"):
        check_same_classes(train, val)


def test_a_set_names_reads_and_fingerprints_its_images(labelled):
    """The fingerprint is the one that features and caches of earlier versions were made with."""
    folder = list_labelled(labelled("train", images=3))
    assert folder.name(4) == str(folder.root / folder.files[4])
    assert np.array_equal(folder.read(4), np.array(Image.open(folder.name(4)).convert("RGB")))
    assert folder.fingerprint == fingerprint_files(folder.root, folder.files)


def test_images_in_memory_are_a_set_as_files_are():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    images = LabelledArray(Path("batch"), ("a", "b"), np.array([0, 1, 1, 0]), pixels)
    assert len(images) == 4 and images.name(2) == "batch, image 2"
    assert np.array_equal(np.array(images.read(2)), pixels[2])
    other = pixels.copy()
    other[3, 0, 0, 0] ^= 1
    assert images.fingerprint != LabelledArray(Path("batch"), ("a", "b"), images.labels, other).fingerprint


def test_a_subset_keeps_what_belongs_together(labelled):
    folder = list_labelled(labelled("train", classes=("a", "b"), images=3))
    pixels = np.stack([np.array(folder.read(row)) for row in range(6)])
    array = LabelledArray(folder.root, folder.classes, folder.labels, pixels)
    for images in (folder.subset([4, 0]), array.subset([4, 0])):
        assert len(images) == 2 and images.labels.tolist() == [1, 0] and images.classes == ("a", "b")
        assert np.array_equal(np.array(images.read(0)), pixels[4])

"""Known data sets, read from made-up archives in the published formats."""

import hashlib
import os
import pickle
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from distill.data import sets
from distill.errors import UserError
from distill.results.protocol import declared
from tests.distill.data.sets.archives import WRITERS, cifar10, dtd, save, voc07

ROOT = Path(__file__).resolve().parents[4]


def names(images) -> list[str]:
    return [images.classes[label] for label in images.labels]


@pytest.mark.parametrize("name", WRITERS)
def test_every_image_has_its_label(tmp_path, name):
    expected = WRITERS[name](tmp_path)
    train, val = sets.load(name, tmp_path)
    assert (names(train), names(val)) == expected
    for images in (train, val):
        assert len(images) == len(images.labels) and images.labels.dtype == np.int64
        assert all(images.read(row).mode == "RGB" for row in range(len(images)))
        assert str(tmp_path) in images.name(0)
    assert train.config == {"data_root": str(tmp_path), "known": name}


def test_every_declared_set_is_tested_here():
    tested = {*WRITERS, "dtd_train", "voc07"}
    assert set(sets.declared()) == tested


def test_the_documentation_shows_all_sets():
    """Paste what ``python -m distill.data.sets`` prints."""
    assert "\n".join(sets.table()) in (ROOT / "docs/evaluation.md").read_text()


def test_protocols_name_known_sets():
    for protocol in declared().values():
        assert set(protocol.sets) <= set(sets.declared())


def test_published_numbers_add_up():
    """Two splits of one set are of the same images."""
    known = sets.declared()
    for one, other in (("cub200_by_class", "cub200_by_image"), ("cars196_by_class", "cars196_by_image")):
        assert known[one].train + known[one].val == known[other].train + known[other].val
        assert 2 * known[one].classes == known[other].classes


TORCHVISION = {
    "cifar10": lambda d, root, part: d.CIFAR10(root, part == 0),
    "cifar100": lambda d, root, part: d.CIFAR100(root, part == 0),
    "stl10": lambda d, root, part: d.STL10(root, ("train", "test")[part]),
    "dtd_train": lambda d, root, part: d.DTD(root, ("train", "test")[part]),
    "places365": lambda d, root, part: d.Places365(
        root / "places365", ("train-standard", "val")[part], small=True
    ),
    "cars196_by_image": lambda d, root, part: d.StanfordCars(root, ("train", "test")[part]),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_reads_the_same_from_the_same_tree(tmp_path, monkeypatch, name):
    """Its check of the published files' sums is left out, for the files are made up."""
    from torchvision import datasets
    from torchvision.datasets import cifar, places365, stl10

    for module in (cifar, places365, stl10):
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: True)
    WRITERS[name.removesuffix("_train")](tmp_path)
    for part, images in enumerate(sets.load(name, tmp_path)):
        theirs = TORCHVISION[name](datasets, tmp_path, part)
        assert len(images) == len(theirs)
        for row, (picture, label) in enumerate(theirs):
            assert images.labels[row] == label
            assert np.array_equal(np.array(images.read(row)), np.array(picture))


def test_sun397_has_the_labels_of_torchvision(tmp_path):
    """torchvision knows no split: its images are those of all lists, and others."""
    from torchvision.datasets import SUN397

    WRITERS["sun397"](tmp_path)
    theirs = SUN397(tmp_path)
    files = [os.path.relpath(file, tmp_path) for file in theirs._image_files]
    labels = dict(zip(files, theirs._labels, strict=True))
    for images in sets.load("sun397", tmp_path):
        found = {
            os.path.relpath(images.name(row), tmp_path): images.labels[row] for row in range(len(images))
        }
        assert found.items() <= labels.items()


@pytest.mark.parametrize("folder", ["VOC2007", "VOCdevkit/VOC2007"])
def test_voc07_has_a_label_a_class(tmp_path, folder):
    """-1: all objects of the class are difficult; one that is not is enough for 1."""
    expected = voc07(tmp_path, folder)
    train, val = sets.load("voc07", tmp_path)
    assert train.classes == val.classes == ("cat", "dog", "person")
    assert (train.labels.tolist(), val.labels.tolist()) == (expected["trainval"], expected["test"])
    assert train.labels.dtype == np.int8 and train.read(1).size == (10, 12)


def test_dtd_trains_on_train_and_val_or_on_train_alone(tmp_path):
    dtd(tmp_path, "dtd")
    (both, test), (alone, same) = sets.load("dtd", tmp_path), sets.load("dtd_train", tmp_path)
    assert both.files[:2] == alone.files == ("banded/train.jpg", "woven/train.jpg") and len(both) == 4
    assert test.files == same.files == ("banded/test.jpg", "woven/test.jpg")


def test_classes_of_metric_learning_are_others_in_val(tmp_path):
    for name in ("cub200_by_class", "cars196_by_class"):
        WRITERS[name](tmp_path)
        train, val = sets.load(name, tmp_path)
        assert not set(train.classes) & set(val.classes)
        assert set(train.labels) == set(val.labels) == {0, 1}


def test_places365_as_the_archive_unpacks(tmp_path):
    """torchvision renames the folder of the training images."""
    WRITERS["places365"](tmp_path)
    images = sets.load("places365", tmp_path)[0]
    (tmp_path / "places365/data_256_standard").rename(tmp_path / "places365/data_256")
    same = sets.load("places365", tmp_path)[0]
    assert images.files[0] == "data_256_standard/a/airfield/00000000.jpg"
    assert same.files[0] == "data_256/a/airfield/00000000.jpg"


def test_places205_in_plain_folders(tmp_path):
    for part in ("train", "val"):
        for name in ("abbey", "alley"):
            save(tmp_path / "places205" / part / name / "1.jpg", 0)
    train, val = sets.load("places205", tmp_path)
    assert names(train) == names(val) == ["abbey", "alley"]


@pytest.mark.parametrize("name", [*WRITERS, "voc07", "dtd_train"])
def test_a_missing_set_says_what_is_expected_and_where_it_is_published(tmp_path, name):
    with pytest.raises(UserError) as caught:
        sets.load(name, tmp_path)
    message, data_set = str(caught.value), sets.declared()[name]
    assert message.startswith(f"{name}: there is no {tmp_path}/") and "\n" not in message
    assert f"; expected in {tmp_path}: {data_set.tree[0]}" in message
    assert all(line in message for line in data_set.tree)
    assert message.endswith(f"published: {data_set.published_at}")


def test_one_image_that_is_listed_and_not_there_is_named(tmp_path):
    dtd(tmp_path)
    (tmp_path / "dtd/dtd/images/woven/val.jpg").unlink()
    with pytest.raises(UserError, match="dtd: there is no .*woven/val.jpg; expected"):
        sets.load("dtd", tmp_path)


def test_a_list_that_does_not_fit_is_one_line(tmp_path):
    WRITERS["sun397"](tmp_path)
    (tmp_path / "SUN397/ClassName.txt").write_text("/a/abbey\n")
    with pytest.raises(UserError, match="sun397: its lists are not as published .*/a/apse/indoor"):
        sets.load("sun397", tmp_path)
    WRITERS["stl10"](tmp_path)
    (tmp_path / "stl10_binary/test_y.bin").write_bytes(b"\x01\x02\x03")
    with pytest.raises(UserError, match="stl10: .*2 images, 3 labels, 2 classes"):
        sets.load("stl10", tmp_path)


def test_a_pickle_runs_nothing(tmp_path):
    """CIFAR's files are pickles, and a pickle can name any function."""
    cifar10(tmp_path)
    batch, witness = tmp_path / "cifar-10-batches-py" / "test_batch", tmp_path / "witness"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(witness),)

    batch.write_bytes(pickle.dumps({"data": Trap(), "labels": []}))
    with pytest.raises(UserError, match="test_batch: not a batch of CIFAR: it needs posix.mkdir"):
        sets.load("cifar10", tmp_path)
    assert not witness.exists()
    batch.write_bytes(b"")
    with pytest.raises(UserError, match="test_batch: not a batch of CIFAR: "):
        sets.load("cifar10", tmp_path)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_cifar_of_any_pickle(tmp_path, protocol):
    pixels = np.arange(2 * 3072).astype(np.uint8).reshape(2, 3072)
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1]}, protocol=protocol))
    from distill.data.sets._cifar import read_batches

    images = read_batches([path], "labels", ["a", "b"])
    red = np.array(images.read(1))[:, :, 0]
    assert np.array_equal(red, pixels[1, :1024].reshape(32, 32)) and images.labels.tolist() == [0, 1]


def test_nothing_is_downloaded_unasked_and_what_torchvision_cannot_fetch_is_said(tmp_path):
    with pytest.raises(UserError, match="imagenet: torchvision cannot download it; expected .*image-net.org"):
        sets.load("imagenet", tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def served(tmp_path):
    """A folder, and where a server on this machine shows it."""
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_torchvision_fetches_what_is_missing(served, monkeypatch):
    """A made-up archive from a server, so with other sums than those of the published one."""
    from torchvision.datasets import CIFAR10, cifar

    folder, address = served
    expected = cifar10(folder / "published")
    archive = Path(shutil.make_archive(str(folder / "made-up"), "gztar", folder / "published"))
    monkeypatch.setattr(CIFAR10, "url", f"{address}/{archive.name}")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(cifar, "check_integrity", lambda path, md5=None: os.path.isfile(path))
    train, val = sets.load("cifar10", folder / "data", download=True)
    assert (names(train), names(val)) == expected
    monkeypatch.setattr(CIFAR10, "url", f"{address}/nothing")
    sets.load("cifar10", folder / "data", download=True)  # it is there: nothing is fetched


def test_a_failed_download_is_one_line(served, monkeypatch):
    from torchvision.datasets import CIFAR10

    folder, address = served
    monkeypatch.setattr(CIFAR10, "url", f"{address}/nothing")
    with pytest.raises(UserError, match="cifar10: the download failed .*404.*cifar-10-python.tar.gz"):
        sets.load("cifar10", folder / "data", download=True)


def test_an_unknown_set(tmp_path):
    with pytest.raises(UserError, match="unknown data set 'cifar'; did you mean 'cifar10'"):
        sets.load("cifar", tmp_path)

"""Test pictures that are trained on: refused by name, or named."""

import shutil

import pytest

from distill.data.image_files import open_images
from distill.errors import UserError
from distill.proof.leaks import check_leaks
from tests.distill.evaluation.conftest import write_folder


@pytest.fixture
def sets(tmp_path):
    write_folder(tmp_path / "train", images=5)
    write_folder(tmp_path / "val", images=3, seed=1)
    write_folder(tmp_path / "unlabelled", classes=["all"], images=5, seed=2)

    def check(allowed=False):
        found = {name: open_images(tmp_path / name) for name in ("train", "val", "unlabelled")}
        return check_leaks(found.pop("val"), found, tmp_path, allowed)

    return check


def test_none(sets, tmp_path):
    assert sets() == [] and (tmp_path / "copies.txt").read_text() == ""


@pytest.mark.parametrize("part", ["train/cat", "unlabelled/all"])
def test_a_copy_is_refused_by_name_and_allowed_if_asked_for(part, sets, tmp_path):
    shutil.copy(tmp_path / "val/dog/1.png", tmp_path / part / "copy.png")
    line = f"{tmp_path}/val/dog/1.png is the same file as {tmp_path}/{part}/copy.png"
    with pytest.raises(UserError) as error:
        sets()
    assert str(error.value).startswith(
        f"1 of 6 test pictures are trained on as well (1 the same file, 0 near copies), as {line}; all are"
    )
    (found,) = sets(allowed=True)
    assert str(found) == line and (tmp_path / "copies.txt").read_text() == f"{line}\n"


def test_one_that_is_in_both_counts_once(sets, tmp_path):
    for part in ("train/cat", "unlabelled/all"):
        shutil.copy(tmp_path / "val/dog/1.png", tmp_path / part / "copy.png")
    (found,) = sets(allowed=True)
    assert "train/cat" in str(found)


def test_what_was_found_is_kept_until_the_pictures_change(sets, tmp_path, monkeypatch):
    sets()
    monkeypatch.setattr("distill.proof.leaks.marks_of", None)  # reads nothing again
    assert sets() == []
    monkeypatch.undo()
    shutil.copy(tmp_path / "val/dog/1.png", tmp_path / "train/dog/copy.png")
    with pytest.raises(UserError, match="trained on as well"):
        sets()

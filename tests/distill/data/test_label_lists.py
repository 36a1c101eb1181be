"""Lists of 1 % or 10 % of the labels: those that are given and those that are drawn."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from distill.data.label_lists import given_list, label_list, seeded_list, stratified
from distill.data.labelled import LabelledArray, LabelledFolder
from distill.errors import UserError

NAMES = tuple(
    f"class{label}/{label}_{number}.jpg" for label in range(4) for number in range(100 + 50 * label)
)
LABELS = np.repeat(np.arange(4), [100, 150, 200, 250])
IMAGES = LabelledFolder(Path("train"), NAMES, ("class0", "class1", "class2", "class3"), LABELS)


def test_a_share_of_every_class():
    assert np.bincount(LABELS[stratified(LABELS, 10, 0)]).tolist() == [10, 15, 20, 25]
    assert np.bincount(LABELS[stratified(LABELS, 1, 0)]).tolist() == [1, 2, 2, 2]
    assert np.bincount(stratified(np.array([0, 1, 1]), 1, 0)).tolist() == [1, 1]  # at least one of each


@pytest.mark.parametrize(("percent", "lists"), [(1, 100), (10, 10), (30, 3)])
def test_lists_of_consecutive_seeds_are_disjoint(percent, lists):
    labels = np.repeat([0, 1], [100, 200])
    found = np.concatenate([stratified(labels, percent, seed) for seed in range(lists)])
    assert len(np.unique(found)) == len(found) == 3 * percent * lists
    assert set(stratified(labels, percent, lists)) - set(stratified(labels, percent, 0))  # another order


def test_a_class_too_small_for_many_lists_starts_again():
    labels = np.zeros(15, dtype=np.int64)  # 2 a list: the eighth is the last one and the first again
    found = [set(stratified(labels, 10, seed).tolist()) for seed in range(8)]
    assert len(set.union(*found[:7])) == 14 and all(len(rows) == 2 for rows in found)
    assert len(found[7] & found[0]) == 1


def test_a_seed_is_the_same_list_in_every_version():
    assert stratified(np.repeat([0, 1], 30), 10, 0).tolist() == [2, 11, 26, 37, 41, 51]


def test_a_seeded_list_is_written_and_taken_up_again(tmp_path):
    first = seeded_list(IMAGES, "10%", 3, tmp_path)
    lines = first.file.read_text().splitlines()
    assert lines == [NAMES[row] for row in first.rows] and first.file.name.startswith("10percent-seed3-")
    assert first.told() == {"file": first.file.name, "sha256": first.sha256, "pictures": 70, "seed": 3}
    assert first.sha256 == hashlib.sha256(first.file.read_bytes()).hexdigest()
    # one of the same shares that someone else has made is taken as it is
    other = [NAMES[row] for row in stratified(LABELS, 10, 7)]
    first.file.write_text("".join(f"{name}\n" for name in other))
    again = seeded_list(IMAGES, "10%", 3, tmp_path)
    assert [NAMES[row] for row in again.rows] == other and again.sha256 != first.sha256
    fewer = IMAGES.subset(range(300))
    assert seeded_list(fewer, "10%", 3, tmp_path).file != first.file
    kept_nowhere = seeded_list(IMAGES, "10%", 3, None)
    assert kept_nowhere.told() == {"sha256": first.sha256, "pictures": 70, "seed": 3}


def test_a_torn_list_is_refused(tmp_path):
    file = seeded_list(IMAGES, "10%", 0, tmp_path).file
    whole = file.read_text()
    file.write_text(whole[:-3])
    with pytest.raises(UserError, match="1 of its 70 lines name no picture of this data set, the first is"):
        seeded_list(IMAGES, "10%", 0, tmp_path)
    file.write_text(whole[: whole.rindex("class3")])  # torn between two lines
    with pytest.raises(UserError, match="is not 10% of every class; remove it"):
        seeded_list(IMAGES, "10%", 0, tmp_path)


def test_published_lists_name_files_without_their_folders(tmp_path):
    (tmp_path / "1percent.txt").write_text("3_17.jpg\n\n0_5.jpg\r\nclass1/1_2.jpg\n")
    found = label_list(IMAGES, "1%", {"1%": tmp_path / "1percent.txt"}, seed=0, folder=tmp_path)
    assert [NAMES[row] for row in found.rows] == ["class0/0_5.jpg", "class1/1_2.jpg", "class3/3_17.jpg"]
    assert "seed" not in found.told() and found.told()["file"] == "1percent.txt"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "names no picture"),
        ("a/1.jpg\nb/7.jpg\n", "1 of its 2 lines name no picture .* 'b/7.jpg'$"),
        ("1.jpg\n", r"'1.jpg' \(several pictures have that name: write class/picture\)"),
        ("a/1.jpg\nb/2.jpg\n2.jpg\n", "names 1 pictures twice"),
    ],
)
def test_bad_lists_are_refused(tmp_path, content, message):
    (tmp_path / "list.txt").write_text(content)
    images = LabelledFolder(tmp_path, ("a/1.jpg", "b/1.jpg", "b/2.jpg"), ("a", "b"), np.array([0, 1, 1]))
    with pytest.raises(UserError, match=message):
        given_list(tmp_path / "list.txt", images)


def test_pixels_in_memory_are_called_by_their_numbers(tmp_path):
    images = LabelledArray(
        tmp_path / "a.bin", ("a", "b"), np.repeat([0, 1], 50), np.zeros((100, 1, 1, 3), "u1")
    )
    found = seeded_list(images, "10%", 0, tmp_path)
    assert found.file.read_text().splitlines()[0] == f"{tmp_path}/a.bin, image {found.rows[0]}"
    assert np.array_equal(given_list(found.file, images).rows, found.rows)


def test_a_list_that_is_not_there_and_a_share_that_is_none(tmp_path):
    with pytest.raises(UserError, match="no such list of labels: .*nowhere.txt"):
        given_list(tmp_path / "nowhere.txt", IMAGES)
    for share in ("0%", "101%", "1", "few"):
        with pytest.raises(UserError, match="valid: a share of them, such as '1%' or '10%'"):
            seeded_list(IMAGES, share, 0, tmp_path)

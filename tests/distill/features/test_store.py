"""The files that features are kept in."""

import json
import shutil

import numpy as np
import pytest

from distill.errors import UserError
from distill.features import Store, describe, read_record

MADE_FROM = describe({"arch": "net", "width": 3}, 10, "abc", {"type": "CentreCrop"}, "float32")
ROWS = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)


def test_rows_come_back_as_an_ordinary_npy_file(tmp_path):
    store = Store(tmp_path, MADE_FROM, 3)
    store.write(4, ROWS[4:], [])
    store.write(0, ROWS[:4], [])
    store.finish()
    assert np.array_equal(np.load(tmp_path / "embeddings.npy"), ROWS)
    assert read_record(tmp_path) == {"made_from": MADE_FROM, "done": 10, "unreadable": []}


def test_what_is_done_is_known_to_all_while_it_is_being_made(tmp_path):
    store, other = Store(tmp_path, MADE_FROM, 3), Store(tmp_path, MADE_FROM, 3)
    store.write(2, ROWS[2:4], [])
    store.write(6, ROWS[6:7], [])
    assert json.loads((tmp_path / "part-0.json").read_text())["made"] == [[2, 4], [6, 7]]
    assert read_record(tmp_path)["done"] == 3
    other.refresh()
    assert np.flatnonzero(other.made).tolist() == [2, 3, 6]


def test_a_cache_of_earlier_versions_is_read_and_gone_on_with(tmp_path):
    """Earlier versions counted rows from the first on, in cache.json, and had no part files."""
    np.save(tmp_path / "embeddings.npy", np.where(np.arange(10)[:, None] < 4, ROWS, 0))
    record = {"made_from": MADE_FROM, "done": 4, "unreadable": ["a.jpg"]}
    (tmp_path / "cache.json").write_text(json.dumps(record))
    assert read_record(tmp_path) == record
    store = Store(tmp_path, MADE_FROM, 3)
    assert np.flatnonzero(store.made).tolist() == [0, 1, 2, 3] and store.unreadable == {"a.jpg"}
    store.write(4, ROWS[4:], [])
    assert np.array_equal(store.rows(), ROWS)


def test_half_precision(tmp_path):
    store = Store(tmp_path, MADE_FROM | {"dtype": "float16"}, 3)
    store.write(0, ROWS, [])
    assert store.rows().dtype == np.float16
    np.testing.assert_allclose(store.rows(), ROWS, rtol=1e-3)
    with pytest.raises(UserError, match="cache dtype 'int8'; valid: float16, float32"):
        describe({}, 10, "abc", {}, "int8")


def test_rows_that_are_claimed_but_missing_are_an_error(tmp_path):
    Store(tmp_path, MADE_FROM, 3).write(0, ROWS[:5], [])
    (tmp_path / "embeddings.npy").unlink()
    with pytest.raises(UserError, match="embeddings.npy is missing, though rows of it are done"):
        Store(tmp_path, MADE_FROM, 3)


def test_a_disk_without_room_is_named_before_the_work_begins(tmp_path):
    with pytest.raises(OSError, match="No space left on device: .*embeddings.npy"):
        Store(tmp_path, MADE_FROM, 10 * shutil.disk_usage(tmp_path).free)


def test_rows_of_a_record_that_was_removed_do_not_count(tmp_path):
    Store(tmp_path, MADE_FROM, 3).write(0, ROWS[:5], [])
    (tmp_path / "cache.json").unlink()
    assert not Store(tmp_path, MADE_FROM, 3).made.any()


def test_something_else_is_refused(tmp_path):
    Store(tmp_path, MADE_FROM, 3)
    with pytest.raises(UserError, match=r"made from something else \(teacher.arch differ\)"):
        Store(tmp_path, MADE_FROM | {"teacher": {"arch": "other", "width": 3}}, 3)


def test_too_many_unreadable_images_of_all_parts_together(tmp_path, monkeypatch):
    made_from = MADE_FROM | {"data": {"images": 100, "fingerprint": "abc"}}
    store, rows = Store(tmp_path, made_from, 3), np.zeros((50, 3), np.float32)
    store.write(0, rows, ["a.jpg"])
    monkeypatch.setattr("distill.features.store.rank", lambda: 1)
    other = Store(tmp_path, made_from, 3)
    with pytest.raises(UserError, match="2 of 100 images could not be read, more than 1 %: a.jpg, b.jpg"):
        other.write(50, rows, ["b.jpg"])
    with pytest.raises(UserError, match="2 of 100"):
        store.finish()

"""Files of arrays: what was written comes back, and nothing else is taken for it."""

import json
import os

import numpy as np
import pytest

from distill.data.mapped import NotWhole, map_arrays, write_arrays

ARRAYS = {
    "b": np.arange(7, dtype=np.int64),
    "a": np.frombuffer(b"text\n", np.uint8),
    "none": np.zeros((0, 3), np.int64),
    "table": np.arange(6, dtype=np.int32).reshape(2, 3),
}


def test_record_and_arrays_come_back_read_only(tmp_path):
    (tmp_path / "new").mkdir()
    write_arrays(tmp_path / "new" / "file", "kind 1", {"root": "a\udce9\n", "n": 3}, ARRAYS)
    found = map_arrays(tmp_path / "new" / "file", "kind 1")
    assert found.record == {"root": "a\udce9\n", "n": 3} and found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert np.array_equal(found.arrays[name], array) and found.arrays[name].dtype == array.dtype
    with pytest.raises(ValueError, match="read-only"):
        found.arrays["b"][0] = 1
    with pytest.raises(FileNotFoundError):
        map_arrays(tmp_path / "nowhere", "kind 1")


def test_a_file_that_is_not_as_it_was_written_is_refused(tmp_path):
    file = tmp_path / "file"
    write_arrays(file, "kind 1", {"root": "here"}, ARRAYS)
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    header = json.loads(whole[:first])
    at = first + header["arrays"]["b"]["at"]
    header["arrays"]["b"]["shape"] = [70000]
    strange = [
        b"",
        b"{}\n",
        b"[1, 2]\n",
        b"\x00" * len(whole),
        whole[: first - 10],
        whole[:first],
        whole[:-1],
        whole + b"\0",
        whole[:at] + b"\x01" + whole[at + 1 :],
        whole.replace(b'"here"', b'"herd"'),
        json.dumps(header).encode() + b"\n" + whole[first:],
    ]
    for content in strange:
        file.write_bytes(content)
        with pytest.raises(NotWhole, match="file"):
            map_arrays(file, "kind 1")
    file.write_bytes(whole)
    with pytest.raises(NotWhole, match="kind 1"):
        map_arrays(file, "kind 2")


def test_a_mapped_file_that_is_written_anew_keeps_what_it_had(tmp_path):
    write_arrays(tmp_path / "file", "kind", {}, {"a": np.zeros(100_000, np.int64)})
    before = map_arrays(tmp_path / "file", "kind").arrays["a"]
    write_arrays(tmp_path / "file", "kind", {}, {"a": np.ones(1, np.int64)})
    assert len(before) == 100_000 and not before.any()
    assert os.listdir(tmp_path) == ["file"]

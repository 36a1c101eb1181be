"""Caches of features that are damaged: each is one line that names the file, and no row of it is used."""

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.data.mapped import NotWhole, map_arrays, write_arrays
from distill.errors import Odd, UserError
from distill.features import Store, describe, read_record
from distill.targets import Teacher
from distill.targets.cached import CachedTeacher, write_cache
from distill.targets.clusters import cluster_labels

VIEW = {"type": "CentreCrop", "size": 32}
IMAGES, WIDTH = 24, 512


@pytest.fixture(scope="module")
def teacher(teacher_file):
    return Teacher(str(teacher_file))


@pytest.fixture(scope="module")
def whole(teacher, image_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_cache(folder, teacher, str(image_folder), VIEW, workers=0)
    return folder


def text(content: str | bytes):
    """Writes other content into a file."""
    return lambda file: file.write_bytes(content if isinstance(content, bytes) else content.encode())


def key(name: str, value: object):
    """Another value at a dotted key of the record; ``...`` leaves it out."""

    def change(file: Path) -> None:
        record = part = json.loads(file.read_text())
        *above, last = name.split(".")
        for step in above:
            part = part[step]
        part.pop(last) if value is ... else part.update({last: value})
        file.write_text(json.dumps(record))

    return change


def folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()


RECORDS = {  # what happened to cache.json: (the change, words of the line)
    "cut": (lambda file: os.truncate(file, 100), "damaged (not whole JSON)"),
    "empty": (text(""), "damaged (not whole JSON)"),
    "zeros": (text(bytes(500)), "damaged (not whole JSON)"),
    "not UTF-8": (text(b'{"done": "\xff"}'), "damaged (not UTF-8)"),
    "a list": (text("[]"), "damaged (no JSON object)"),
    "a number": (text("3"), "damaged (no JSON object)"),
    "deep brackets": (text("[" * 10**6), "levels of brackets"),
    "a number without end": (text('{"done": 1e999}'), "is too large"),
    "a key twice": (text('{"done": 1, "done": 2}'), "damaged (key 'done' twice)"),
    "a folder": (folder, "Is a directory"),
    "nothing in it": (text("{}"), "damaged (lacks made_from, done, unreadable)"),
    **{f"no {name}": (key(name, ...), f"damaged (lacks {name.split('.')[-1]})") for name in (
        "made_from", "made_from.teacher", "made_from.data", "made_from.data.images",
        "made_from.data.fingerprint", "made_from.view", "made_from.dtype", "done", "unreadable",
    )},
    **{
        f"{name} {value!r}": (key(name, value), f"damaged ('{name}")
        for name, values in {
            "made_from": (3, None, []), "made_from.teacher": ("net",), "made_from.data": (24,),
            "made_from.data.images": (-1, 2.5, "24", True, None), "made_from.view": ([],),
            "made_from.dtype": ("int8", 3), "made_from.precision": ("float8",),
            "done": (-1, 1.5, "24", True, None), "unreadable": ("a.jpg", [3], {}, None),
        }.items()
        for value in values
    },
    "more rows done than there are": (key("done", 25), "damaged (25 rows done of 24)"),
    "half of them done": (key("done", 12), "cache is unfinished (12 of 24 rows)"),
}  # fmt: skip
PARTS = {  # what stands in part-3.json: words of the line
    '{"made": [[0, 4]], "unrea': "not whole JSON",
    "[]": "no JSON object",
    '{"made": [[0, 4]]}': "lacks unreadable",
    '{"made": 4, "unreadable": []}': "'made' is 4",
    '{"made": [4], "unreadable": []}': "'made.0' is 4",
    '{"made": [[0, 1, 2]], "unreadable": []}': "'made.0' is [0, 1, 2]",
    '{"made": [["a", "b"]], "unreadable": []}': "'made.0.0' is 'a'",
    '{"made": [[-5, 4]], "unreadable": []}': "'made.0.0' is -5",
    '{"made": [[0, 1e9]], "unreadable": []}': "'made.0.1' is 1000000000.0",
    '{"made": [[0, 25]], "unreadable": []}': "rows 0 to 25 made of 24",
    '{"made": [[9, 4]], "unreadable": []}': "rows 9 to 4 made of 24",
    '{"made": [[0, NaN]], "unreadable": []}': "'made.0.1' is None",
    '{"made": [], "unreadable": [3]}': "'unreadable.0' is 3",
}


def array(shape: tuple, dtype: str = "float16", order: str = "C"):
    """Another array under the same name."""
    return lambda file: np.save(file, np.zeros(shape, dtype, order))


def longer(file: Path) -> None:
    with open(file, "ab") as stream:
        stream.write(bytes(1024))


ROWS = {  # what happened to embeddings.npy: (the change, words of the line)
    "cut": (lambda file: os.truncate(file, file.stat().st_size - 1), "24,703 bytes, not 24,704: cut"),
    "half": (lambda file: os.truncate(file, 12_000), "12,000 bytes, not 24,704: cut"),
    "header alone": (lambda file: os.truncate(file, 128), "128 bytes, not 24,704: cut"),
    "half of the header": (lambda file: os.truncate(file, 64), "no header of them"),
    "empty": (text(""), "no header of them"),
    "longer": (longer, "25,728 bytes, not 24,704: cut, or written over"),
    "text": (text("rows" * 10_000), "no header of them"),
    "zeros": (text(bytes(24_704)), "no header of them"),
    "another precision": (array((IMAGES, WIDTH), "float32"), "holds 24 x 512 float32; its record says 24 x"),
    "whole numbers": (array((IMAGES, WIDTH), "int16"), "holds 24 x 512 int16"),
    "the other byte order": (array((IMAGES, WIDTH), ">f2"), "holds 24 x 512 >f2"),
    "objects": (lambda file: np.save(file, np.full((IMAGES, WIDTH), "x", object)), "24 x 512 object"),
    "a row less": (array((IMAGES - 1, WIDTH)), "holds 23 x 512 float16"),
    "narrower rows": (array((IMAGES, WIDTH - 1)), "holds 24 x 511 float16"),
    "one dimension": (array((IMAGES * WIDTH,)), "holds 12288 float16"),
    "by columns": (array((IMAGES, WIDTH), order="F"), "float16 by columns"),
    "removed": (Path.unlink, "is missing, though rows of it are done"),
    "a folder": (folder, "is no file"),
}  # fmt: skip


def line_of(call) -> str:
    """The one line with which a call refuses."""
    with pytest.raises(UserError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("case", RECORDS)
def test_a_damaged_record(case, whole, teacher, tmp_path):
    change, words = RECORDS[case]
    shutil.copytree(whole, tmp_path / "cache")
    change(tmp_path / "cache/cache.json")
    line = line_of(lambda: CachedTeacher(tmp_path / "cache", teacher))
    assert words in line and str(tmp_path / "cache") in line


@pytest.mark.parametrize("content", PARTS)
def test_a_damaged_part(content, whole, teacher, image_folder, tmp_path):
    shutil.copytree(whole, tmp_path / "cache")
    (tmp_path / "cache/part-3.json").write_text(content)
    for call in (
        lambda: CachedTeacher(tmp_path / "cache", teacher),
        lambda: write_cache(tmp_path / "cache", teacher, str(image_folder), VIEW, workers=0),
    ):
        line = line_of(call)
        assert PARTS[content] in line and "part-3.json: damaged" in line and "remove it" in line


@pytest.mark.parametrize("case", ROWS)
def test_a_damaged_file_of_rows(case, whole, teacher, image_folder, tmp_path):
    change, words = ROWS[case]
    shutil.copytree(whole, tmp_path / "cache")
    file = tmp_path / "cache/embeddings.npy"
    change(file)
    for call in (
        lambda: CachedTeacher(tmp_path / "cache", teacher),
        lambda: write_cache(tmp_path / "cache", teacher, str(image_folder), VIEW, workers=0),
    ):
        line = line_of(call)
        assert words in line and str(file) in line and "remove" in line


def test_rows_that_were_cut_while_a_cache_is_unfinished_are_not_filled_up_with_zeros(whole, tmp_path):
    made_from = json.loads((whole / "cache.json").read_text())["made_from"]
    Store(tmp_path, made_from, WIDTH).write(0, np.ones((12, WIDTH)), [])
    os.truncate(tmp_path / "embeddings.npy", 6_000)
    assert "6,000 bytes, not 24,704: cut" in line_of(lambda: Store(tmp_path, made_from, WIDTH))


@pytest.mark.parametrize("path", ["file", "file/deeper"])
def test_a_file_where_a_folder_belongs(path, whole, teacher, tmp_path):
    (tmp_path / "file").touch()
    made_from = json.loads((whole / "cache.json").read_text())["made_from"]
    line = line_of(lambda: Store(tmp_path / path, made_from, WIDTH))
    assert "valid: a folder for features" in line
    assert "valid: a folder of features" in line_of(lambda: CachedTeacher(tmp_path / path, teacher))


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("cache.json", lambda file: os.truncate(file, 100), "cache.json: damaged (not whole JSON)"),
        ("embeddings.npy", lambda file: os.truncate(file, 9_999), "9,999 bytes, not 24,704: cut"),
    ],
)
def test_a_run_on_a_damaged_cache_is_one_line(
    file, change, words, whole, teacher_file, image_folder, tmp_path, run_here
):
    shutil.copytree(whole, tmp_path / "cache")
    change(tmp_path / "cache" / file)
    call = ("--method", "compress_1q", "--data", image_folder, "--teacher", teacher_file)
    call += ("--student", "test_resnet", "--teacher-cache", tmp_path / "cache", "--image-size", 32)
    line = run_here("distill.py", *call, "--work-dir", tmp_path / "run", code=2)
    assert line.startswith("error: ") and line.count("\n") == 1 and words in line


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 65_520.0])
def test_what_is_no_number_is_refused_before_it_is_written(value, teacher, image_folder, tmp_path):
    """The last is infinite in half precision."""
    hook = teacher.register_forward_hook(lambda module, images, rows: torch.full_like(rows, value))
    call = lambda: write_cache(tmp_path, teacher, str(image_folder), VIEW, workers=0)  # noqa: E731
    try:
        assert "NaN or infinite features, as float16" in line_of(call)
    finally:
        hook.remove()
    assert read_record(tmp_path)["done"] == 0


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", b"\x93NUMPY", "half", "other"])
def test_damaged_clusters_are_made_again(damage, whole, teacher, tmp_path):
    shutil.copytree(whole, tmp_path / "cache")
    cached = CachedTeacher(str(tmp_path / "cache"), teacher)
    expected = cluster_labels(cached, 3, 2, 0)
    (file,) = (tmp_path / "cache").glob("clusters*.npz")
    content = file.read_bytes()
    with np.load(file) as found:
        made_from = found["made_from"]
    if damage == "other":
        np.savez(file, labels=np.full(IMAGES, 3), made_from=made_from)
    else:
        file.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Odd)
        assert torch.equal(cluster_labels(cached, 3, 2, 0), expected)
    assert file.read_bytes() == content


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
MADE_FROM = describe({"arch": "net", "width": 3}, 10, "abc", {"type": "CentreCrop"}, "float32")
RECORD, PART = {"made_from": MADE_FROM, "done": 10, "unreadable": []}, {"made": [[0, 4]], "unreadable": []}


@st.composite
def near(draw, content: dict) -> dict:
    """A dict with any JSON in place of one of its values, at any depth."""
    name = draw(st.sampled_from(sorted(content)))
    inner = content[name]
    value = draw(near(inner)) if isinstance(inner, dict) and inner and draw(st.booleans()) else draw(JSON)
    return content | {name: value}


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(record=near(RECORD), part=near(PART), cut=st.integers(0, 400))
def test_any_record_is_whole_or_one_line(record, part, cut, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any", numbered=True)
    np.save(folder / "embeddings.npy", np.ones((10, 3), np.float32))
    content = json.dumps(record)
    (folder / "cache.json").write_text(content[: len(content) - cut if cut < 100 else None])
    (folder / "part-0.json").write_text(json.dumps(part))
    for call in (lambda: read_record(folder), lambda: Store(folder, MADE_FROM, 3)):
        try:
            call()
        except UserError as error:
            assert "\n" not in str(error) and str(folder) in str(error)
    shutil.rmtree(folder)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7), end=st.none() | st.integers(0, 10**6))
def test_a_mapped_file_is_whole_or_none(place, bit, end, tmp_path_factory):
    """The index of a folder: any flipped bit, any cut."""
    file = tmp_path_factory.getbasetemp() / "mapped"
    write_arrays(file, "test 1", {"root": "x"}, {"sizes": np.arange(40), "names": np.zeros(5, np.uint8)})
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= 1 << bit
    file.write_bytes(content[: None if end is None else end % len(content)])
    try:
        found = map_arrays(file, "test 1")
    except NotWhole:
        return
    assert found.record == {"root": "x"} and found.arrays["sizes"].tolist() == list(range(40))


@pytest.mark.parametrize(
    "header", [b"[" * 10**6, b'{"kind": "test 1"}', b"[]", b"3", b'{"kind": 3}', b"\xff", b"", b"{" * 9_999]
)
def test_a_header_of_any_kind_is_no_mapped_file(header, tmp_path):
    (tmp_path / "x").write_bytes(header + b"\n")
    with pytest.raises(NotWhole):
        map_arrays(tmp_path / "x", "test 1")

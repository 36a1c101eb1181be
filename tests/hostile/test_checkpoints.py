"""Checkpoint files that are damaged, or hold what no network can take: each is one line."""

import io
import os
import re
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from distill.backbones import create_backbone
from distill.checkpoints import read_weights, save_student
from distill.errors import UserError

ARCH, MEAN, STD = "test_resnet", (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)
NORM = "bn1.weight"


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    path = tmp_path_factory.mktemp("student") / "student.pth"
    save_student(path, create_backbone(ARCH), ARCH, MEAN, STD, 64, meta={"method": "SimCLR"})
    return path


def field(name: str, value: object):
    """A student with another value in a field; ``...`` leaves it out."""

    def change(content: dict) -> dict:
        return {key: kept for key, kept in {**content, name: value}.items() if kept is not ...}

    return change


def weight(change):
    """A student one of whose tensors is changed."""

    def changed(content: dict) -> dict:
        return {**content, "backbone": {**content["backbone"], NORM: change(content["backbone"][NORM])}}

    return changed


def with_value(value: float):
    return weight(lambda tensor: torch.where(torch.arange(len(tensor)) == 3, value, tensor))


KINDS = {
    "arch": str,
    "backbone": dict,
    "head": dict,
    "mean": list,
    "std": list,
    "image_size": int,
    "meta": dict,
}
CONTENTS = {  # name: (the content, words of the line)
    "no version": (field("version", ...), "of format version None; this version reads up to 1"),
    "a later version": (field("version", 2), "of format version 2; this version reads up to 1"),
    "a version in words": (field("version", "new"), "of format version 'new'"),
    "a version that is true": (field("version", True), "of format version True"),
    **{
        f"no {name}": (field(name, ...), f"not a whole student, its field '{name}' is missing")
        for name in KINDS
    },
    **{
        f"{name} of type {type(value).__name__}": (
            field(name, value),
            f"not a whole student, its field '{name}' is a {type(value).__name__}",
        )
        for name, own in KINDS.items()
        for value in (2.5, "abc", (1,), [torch.ones(3)], {"a": 1}, torch.ones(2))
        if not isinstance(value, own)
    },
    "a backbone with a number": (weight(lambda tensor: 3), "its field 'backbone' holds more than tensors"),
    "a backbone with a list": (weight(torch.Tensor.tolist), "its field 'backbone' holds more than tensors"),
    "a head with a word": (field("head", {"0.weight": "x"}), "its field 'head' holds more than tensors"),
    "an architecture that is none": (field("arch", "resnet_of_mine"), "holds a 'resnet_of_mine', which timm"),
    "another architecture": (field("arch", "test_convnext"), "tensors match"),
    "NaN": (with_value(torch.nan), f"1 with NaN or infinite values ({NORM})"),
    "infinity": (with_value(torch.inf), f"1 with NaN or infinite values ({NORM})"),
    "minus infinity": (with_value(-torch.inf), f"1 with NaN or infinite values ({NORM})"),
    "half precision that overflowed": (
        weight(lambda tensor: torch.full_like(tensor, 1e6).half()),
        f"1 with NaN or infinite values ({NORM})",
    ),
    "integers": (weight(torch.Tensor.long), f"1 of another kind ({NORM} is int64)"),
    "bytes": (weight(torch.Tensor.byte), f"1 of another kind ({NORM} is uint8)"),
    "truth values": (weight(torch.Tensor.bool), f"1 of another kind ({NORM} is bool)"),
    "complex numbers": (weight(lambda tensor: tensor.to(torch.complex64)), f"({NORM} is complex64)"),
    "a sparse tensor": (weight(torch.Tensor.to_sparse), f"1 of another kind ({NORM} is sparse)"),
    "a tensor without values": (weight(lambda tensor: tensor.to("meta")), f"({NORM} is without values)"),
    "a scalar": (weight(torch.Tensor.sum), "1 of another shape"),
    "an empty tensor": (weight(lambda tensor: tensor[:0]), f"1 of another shape ({NORM} is (0,), wanted"),
    "one tensor less": (
        lambda content: {**content, "backbone": dict(list(content["backbone"].items())[1:])},
        "1 missing",
    ),
    "one tensor more": (
        lambda content: {**content, "backbone": {**content["backbone"], "mine": torch.ones(1)}},
        "1 unexpected (mine)",
    ),
    "an empty backbone": (field("backbone", {}), "0 of"),
    "two means": (field("mean", [0.5, 0.5]), "its mean is (0.5, 0.5); valid: three numbers"),
    "four means": (field("mean", [0.5] * 4), "valid: three numbers"),
    "means in words": (field("mean", ["a", "b", "c"]), "its mean is ('a', 'b', 'c'); valid: three numbers"),
    "a mean that is NaN": (field("mean", [0.5, torch.nan, 0.5]), "its mean is (0.5, nan, 0.5)"),
    "a deviation of zero": (
        field("std", [0.2, 0.0, 0.2]),
        "its std is (0.2, 0.0, 0.2); valid: three numbers above 0",
    ),
    "a negative deviation": (field("std", [0.2, -0.2, 0.2]), "valid: three numbers above 0"),
    "an infinite deviation": (field("std", [0.2, torch.inf, 0.2]), "its std is (0.2, inf, 0.2)"),
    "prototypes of one dimension": (
        field("prototypes", torch.ones(4)),
        "its prototypes are no (P, D) finite numbers",
    ),
    "prototypes that are NaN": (
        field("prototypes", torch.full((4, 2), torch.nan)),
        "its prototypes are no (P, D)",
    ),
    "an empty dict": (lambda content: {}, "no state dict in it"),
    "a list": (lambda content: [torch.ones(1)], "holds a list, not a dict of tensors"),
    "a tensor": (lambda content: torch.ones(1), "holds a Tensor, not a dict of tensors"),
    "a number": (lambda content: 3, "holds a int, not a dict of tensors"),
    "None": (lambda content: None, "holds a NoneType, not a dict of tensors"),
    "numbers for keys": (
        lambda content: {"state_dict": {1: torch.ones(1), 2: torch.ones(1)}},
        "no state dict in it",
    ),
    "words for tensors": (lambda content: {"state_dict": {"conv1.weight": "x"}}, "no state dict in it"),
    "a state dict that is a list": (lambda content: {"state_dict": [torch.ones(1)]}, "no state dict in it"),
    "a training state": (
        lambda content: {"state_dict": {"student.net.conv1.weight": torch.ones(1)}, "message_hub": {}},
        "this is a training state; use the last.pth that the run wrote beside it",
    ),
}


def bomb(path):
    """An archive of one kilobyte that declares a megabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))


FILES = {  # name: (what makes the file, words of the line)
    "nothing": (lambda path, good: path.write_bytes(b""), "not a whole checkpoint"),
    "text": (lambda path, good: path.write_text("weights"), "not a whole checkpoint"),
    "HTML": (lambda path, good: path.write_text("<!DOCTYPE html><p>404"), "not a whole checkpoint"),
    "a pointer of Git LFS": (
        lambda path, good: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "not a whole checkpoint",
    ),
    "zeros": (lambda path, good: path.write_bytes(bytes(5000)), "not a whole checkpoint"),
    "a picture": (
        lambda path, good: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)),
        "not a whole checkpoint",
    ),
    "half": (lambda path, good: path.write_bytes(good[: len(good) // 2]), "not a whole checkpoint"),
    "all but the end": (lambda path, good: path.write_bytes(good[:-1]), "not a whole checkpoint"),
    "all but the beginning": (lambda path, good: path.write_bytes(good[1000:]), "not a whole checkpoint"),
    "an empty archive": (lambda path, good: zipfile.ZipFile(path, "w").close(), "not a whole checkpoint"),
    "another archive": (
        lambda path, good: zipfile.ZipFile(path, "w").writestr("a.txt", "b"),
        "not a whole checkpoint",
    ),
    "an archive that grows": (lambda path, good: bomb(path), "bytes that would unpack to 1,000,000"),
    "an array of NumPy": (lambda path, good: np.save(path.open("wb"), np.ones(3)), "not a whole checkpoint"),
    "a folder": (lambda path, good: path.mkdir(), "no such checkpoint file"),
    "a link to nowhere": (lambda path, good: path.symlink_to("nowhere"), "no such checkpoint file"),
    "a pipe": (lambda path, good: os.mkfifo(path), "no such checkpoint file"),
}


def refused(run_here, path, out) -> str:
    """The one line of ``convert_backbone.py``, which has written nothing."""
    line = run_here("convert_backbone.py", path, "--to", "timm", "--out", out, code=2)
    assert line.startswith("error: ") and line.count("\n") == 1 and str(path) in line, line
    assert not out.exists()
    return line


@pytest.mark.parametrize("name", CONTENTS)
def test_a_content_that_is_no_network(name, student, run_here, tmp_path):
    change, words = CONTENTS[name]
    torch.save(change(torch.load(student, weights_only=True)), tmp_path / "x.pth")
    assert words in refused(run_here, tmp_path / "x.pth", tmp_path / "out")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_checkpoint(name, suffix, student, run_here, tmp_path):
    make, words = FILES[name]
    path = tmp_path / f"x{suffix}"
    make(path, student.read_bytes())
    line = refused(run_here, path, tmp_path / "out")
    assert suffix == ".safetensors" or words in line


@pytest.mark.parametrize("where", np.linspace(0.02, 0.98, 60).round(3))
def test_a_flipped_bit_is_noticed(where, student, tmp_path):
    """Anywhere but in the padding between tensors, which nothing reads."""
    content = bytearray(student.read_bytes())
    archive, place = zipfile.ZipFile(io.BytesIO(bytes(content))), int(where * len(content))
    names = [re.escape(entry.filename).encode() for entry in archive.infolist()]
    content[place] ^= 1 << 4
    (path := tmp_path / "x.pth").write_bytes(content)
    try:
        found = read_weights(path)
    except UserError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return
    expected = read_weights(student)
    assert all(torch.equal(value, found.backbone[key]) for key, value in expected.backbone.items())
    around = bytes(content[place - 100 : place + 100])
    assert any(re.search(name, around) for name in names) or b"PK" in around, "not within a tensor"


PLACES = st.floats(0, 1)
DAMAGE = st.one_of(
    st.tuples(st.just("cut"), PLACES, st.integers(1, 5000), st.just(b"")),
    st.tuples(st.just("over"), PLACES, st.just(0), st.binary(min_size=1, max_size=64)),
    st.tuples(st.just("into"), PLACES, st.just(0), st.binary(min_size=1, max_size=64)),
)


def damaged(content: bytes, damage: list[tuple]) -> bytes:
    for kind, place, length, other in damage:
        begin = int(place * len(content))
        end = begin + {"cut": length, "over": len(other), "into": 0}[kind]
        content = content[:begin] + other + content[end:]
    return content


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(DAMAGE, min_size=1, max_size=3), st.sampled_from(["zip", "pickle", "safetensors"]))
def test_any_damage_is_refused_or_leaves_a_file_of_tensors(contents, damage, layout):
    """The archives of torch have checksums: what is read of a damaged one is what was written."""
    file = contents[layout].with_name(f"damaged{contents[layout].suffix}")
    file.write_bytes(damaged(contents[layout].read_bytes(), damage))
    try:
        read = read_weights(file, ARCH)
    except UserError as error:
        assert str(file) in str(error)
        return
    whole = read_weights(contents[layout], ARCH)
    assert read.backbone.keys() == whole.backbone.keys() or layout != "zip"
    if layout == "zip":
        assert all(torch.equal(read.backbone[key], whole.backbone[key]) for key in whole.backbone)


@pytest.fixture(scope="module")
def contents(student, tmp_path_factory):
    """The same network in three layouts; ``pickle`` is what torch wrote before version 1.6."""
    folder, state = tmp_path_factory.mktemp("layouts"), create_backbone(ARCH).state_dict()
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(state, folder / "x.safetensors")
    return {"zip": student, "pickle": folder / "old.pth", "safetensors": folder / "x.safetensors"}

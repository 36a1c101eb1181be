"""``--resume`` with anything but a whole training state says what it is, and what to resume from instead."""

import pickle
import shutil
from pathlib import Path

import pytest
import torch

from distill import pretrain
from distill.errors import UserError
from tests.distill.methods.small import arguments


@pytest.fixture(scope="module")
def finished(method_inputs, tmp_path_factory) -> Path:
    """The folder of a run with two training states."""
    folder = tmp_path_factory.mktemp("run")
    pretrain(**arguments("simclr", method_inputs), work_dir=str(folder), say=lambda line: None)
    return folder


def student(path: Path, good: bytes) -> None:
    shutil.copy(path.parent / "last.pth", path)


def flipped(path: Path, good: bytes) -> None:
    middle = len(good) // 2
    path.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])


def saved(content: object):
    return lambda path, good: torch.save(content, path)


STATES = {  # name: (what makes the file, words of the line)
    "empty": (lambda path, good: path.write_bytes(b""), "not a whole checkpoint"),
    "text": (lambda path, good: path.write_text("epoch 3"), "not a whole checkpoint"),
    "torn": (lambda path, good: path.write_bytes(good[: len(good) // 2]), "not a whole checkpoint"),
    "a pickle": (
        lambda path, good: path.write_bytes(pickle.dumps(print, 2)),
        "not a whole checkpoint (mmap can only",
    ),
    "a flipped bit": (flipped, "damaged, "),
    "a student": (student, "not a training state; it is a student"),
    "weights": (saved({"conv1.weight": torch.ones(1)}), "not a training state; its keys are conv1.weight"),
    "a list": (saved([1, 2]), "holds a list, not a dict of tensors"),
}


@pytest.mark.parametrize("place", ["newest", "elsewhere"])
@pytest.mark.parametrize("name", STATES)
def test_what_it_is_and_what_to_take_instead(name, place, finished, method_inputs, tmp_path):
    """Named on the command line, or found as the newest one in the run's folder."""
    make, words = STATES[name]
    run = shutil.copytree(finished, tmp_path / "run")
    bad = run / ("epoch_3.pth" if place == "newest" else "other.pth")
    make(bad, (run / "epoch_2.pth").read_bytes())
    with pytest.raises(UserError) as error:
        pretrain(
            **arguments("simclr", method_inputs), work_dir=str(run), say=lambda line: None,
            resume=True if place == "newest" else str(bad),
        )  # fmt: skip
    instead = f"the newest whole one is {run}/epoch_2.pth: --resume {run}/epoch_2.pth"
    assert str(error.value).startswith(f"{bad}: {words}") and str(error.value).endswith(instead)
    assert "\n" not in str(error.value)


def test_without_a_whole_one_it_says_so(finished, method_inputs, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    for state in run.glob("epoch_*.pth"):
        state.write_bytes(b"")
    with pytest.raises(UserError, match=f"not a whole checkpoint .*; there is no whole one in {run}"):
        pretrain(**arguments("simclr", method_inputs), work_dir=str(run), resume=True)

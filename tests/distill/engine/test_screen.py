"""The line within an epoch, on a terminal and elsewhere."""

import io
import os
import pty
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest
import torch

from distill import pretrain
from distill.engine.screen import LineHook
from distill.errors import UserError
from tests.distill.methods.test_no_waiting import NothingIsRead, WaitsForTheDevice

TIMES, RATES = r"eta: \d:\d\d:\d\d \(epoch 0:00:\d\d\)", r"[\d.]+ images/s  waiting \d+%  \S+ GB"
LINE = rf"Epoch\(train\) \[{{}}\]\[{{}}/5\]  {TIMES}  {RATES}  loss: \d"
LOGGED = r"Epoch\(train\) \[{}\]\[5/5\]  lr: "
STEPS = [(epoch, step) for epoch in (1, 2) for step in range(1, 6)]


def train(folder, images, lr=None, **line) -> dict:
    """Two epochs of five steps; returns the student's weights."""
    path = pretrain(
        "simclr", str(images), "test_resnet", work_dir=str(folder), say=lambda _: None, epochs=2,
        batch_size=5, image_size=32, workers=0, lr=lr,
        cfg_options={"device": "cpu"} | {f"default_hooks.line.{key}": value for key, value in line.items()},
    )  # fmt: skip
    return torch.load(path, weights_only=True)["backbone"]


@contextmanager
def terminal(monkeypatch, columns: int = 200) -> Iterator[list[bytes]]:
    """Within it stdout is a terminal; yields the list of what is written there, which is whole afterwards."""
    ours, theirs = pty.openpty()
    written = []

    def read():
        with suppress(OSError):  # the other end is closed
            while part := os.read(ours, 4096):
                written.append(part)

    thread = threading.Thread(target=read)
    thread.start()
    with monkeypatch.context() as patch, os.fdopen(theirs, "w") as stream:
        patch.setattr(sys, "stdout", stream)
        patch.setenv("COLUMNS", str(columns))
        yield written
    thread.join()
    os.close(ours)


def parts(written: list[bytes]) -> list[str]:
    """All that was written, cut at each return to the beginning of the line."""
    return [part.rstrip() for part in re.split("[\r\n]+", b"".join(written).decode()) if part.strip()]


def seen(written: list[bytes]) -> list[str]:
    """The lines that stand on the terminal in the end."""
    lines = []
    for line in b"".join(written).decode().replace("\r\n", "\n").split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


def test_a_terminal_has_one_line_which_gives_way_to_others(image_folder, tmp_path, monkeypatch):
    with terminal(monkeypatch) as written:
        with_line = train(tmp_path / "with", image_folder, rewrite=0.0)
    wanted = [LINE.format(*step) for step in STEPS]
    for after, epoch in ((10, 2), (5, 1)):
        wanted.insert(after, LOGGED.format(epoch))
    lines = [part for part in parts(written) if part.startswith("Epoch")]
    assert all(re.match(*pair) for pair in zip(wanted, lines, strict=True))
    left = [line for line in seen(written) if "Epoch" in line]
    assert len(left) == 2 and all("lr:" in line for line in left), "the logger's alone stay"
    with terminal(monkeypatch) as nothing:
        plain = train(tmp_path / "without", image_folder, rewrite=1e9)
    assert not any("(epoch 0:" in part for part in parts(nothing))
    assert all(torch.equal(with_line[key], plain[key]) for key in plain)


def test_a_line_is_no_longer_than_the_terminal_is_wide(image_folder, tmp_path, monkeypatch):
    with terminal(monkeypatch, columns=30) as written:
        train(tmp_path, image_folder, rewrite=0.0)
    lines = [part for part in parts(written) if part.startswith("Epoch") and "lr:" not in part]
    assert len(lines) == 10 and all(len(line) <= 29 for line in lines)


def test_what_goes_wrong_is_told_on_a_line_of_its_own(image_folder, tmp_path, monkeypatch):
    with terminal(monkeypatch) as written, pytest.raises(UserError, match="the loss became nan"):
        train(tmp_path, image_folder, rewrite=0.0, lr=1e38)
    assert any("(epoch 0:" in part for part in parts(written)) and seen(written)[-1] == ""


@pytest.mark.parametrize(("seconds", "lines"), [(0.0, 10), (30.0, 0)])
def test_elsewhere_lines_are_added(seconds, lines, image_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    train(tmp_path, image_folder, add=seconds)
    written = sys.stdout.getvalue()
    assert "\r" not in written
    assert len(re.findall(LINE.format(r"\d", r"\d"), written)) == lines
    assert len(re.findall(LOGGED.format(r"\d"), written)) == 2


def test_the_loss_is_not_read_until_a_line_is_due():
    hook = LineHook()
    hook.before_train(SimpleNamespace(logger=SimpleNamespace(handlers=[])))
    outputs = {"loss": torch.tensor(1.0)}
    with NothingIsRead():
        assert hook.after_train_iter(None, 0, outputs=outputs) is None
        hook.every = 0
        with pytest.raises(WaitsForTheDevice):
            hook.after_train_iter(None, 0, outputs=outputs)

"""Files appear whole or not at all."""

import errno
import os
import platform
import re
import subprocess
import sys
import tempfile

import pytest
import torch

from distill.errors import explain
from distill.results.atomic import atomic_path, remove_rests_of_the_dead, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as part:
        part.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
    write_json(path, {"b": 1, "a": 2})
    assert path.read_text() == '{\n  "a": 2,\n  "b": 1\n}\n'


def test_a_folder_that_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_text(tmp_path / "runs/gone/file.txt", "text")
    line = f"error: no such file or folder: {tmp_path}/runs; was it removed or renamed meanwhile?"
    assert explain(error.value) == (line, 2, True)
    assert not list(tmp_path.iterdir())


def test_rests_of_processes_that_are_no_more_are_removed_and_others_stay(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = f".a.json.{platform.node()}"
    gone, here, elsewhere = (
        tmp_path / name
        for name in (f"{mine}.{ended.pid}.part", f"{mine}.{os.getpid()}.part", f".a.json.x.{ended.pid}.part")
    )
    for file in (gone, here, elsewhere):
        file.touch()
    remove_rests_of_the_dead(tmp_path)
    assert set(tmp_path.iterdir()) == {here, elsewhere}


def test_no_temporary_folder_is_told_as_what_it_mostly_is(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", None)  # Python looks once
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "not there")])
    with pytest.raises(FileNotFoundError) as error:
        tempfile.mkdtemp()
    text, code, _ = explain(error.value)
    reason = f"No usable temporary directory found in ['{tmp_path}/not there']"
    assert (text, code) == (f"error: {reason}: is the disk full?", 2)


def test_a_full_disk_is_told_with_its_path_and_what_is_free(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "not yet" / "file"))
    text, code, _ = explain(full)
    assert code == 2
    told = f"error: No space left on device: {tmp_path}/not yet/file"
    assert re.fullmatch(rf"{re.escape(told)} \([\d,.]+ MB free there\)", text)


SAVES = """
import signal, sys, time
import torch
from distill.results.atomic import write_tensors

class Asked(BaseException):
    pass

def end(*_):
    raise Asked

signal.signal(signal.SIGALRM, end)
content = {str(number): torch.zeros(1000) for number in range(3000)}
begin = time.perf_counter()
write_tensors(sys.argv[1], content)
seconds = time.perf_counter() - begin
for part in range(1, 40):
    signal.setitimer(signal.ITIMER_REAL, seconds * part / 50)
    try:
        write_tensors(sys.argv[1], content)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Asked:
        print("ended")
"""


def test_a_signal_while_tensors_are_written_is_what_ends_it(tmp_path):
    """Not torch's archive, which does not fit any more, nor an abort by its destructor."""
    path = tmp_path / "state.pth"
    done = subprocess.run([sys.executable, "-c", SAVES, path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("ended") > 10
    assert os.listdir(tmp_path) == [path.name]
    assert len(torch.load(path)) == 3000

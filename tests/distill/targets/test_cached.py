"""The teacher cache: right rows, refused when it does not match, continued when interrupted."""

import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from distill import pretrain
from distill.checkpoints import read_weights
from distill.data.unlabelled import UnlabelledImages, collate_views
from distill.errors import UserError
from distill.features import read_record
from distill.targets import Teacher
from distill.targets.cached import CachedTeacher, Rows, write_cache
from tests import processes

VIEW = {"type": "CentreCrop", "size": 32}
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def teacher(teacher_file):
    return Teacher(str(teacher_file))


@pytest.fixture(scope="module")
def cache(teacher, image_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    assert write_cache(folder, teacher, str(image_folder), VIEW, "float32", batch_size=7, workers=0) == 24
    return folder


def test_rows_are_the_teachers_embeddings_by_sample_number(cache, teacher, image_folder):
    images, cached = UnlabelledImages(str(image_folder), VIEW), CachedTeacher(cache, teacher)
    cached.check_data(images)
    images.rows = cached.rows
    batch = collate_views([images[0, i] for i in (23, 0, 11)])
    expected = teacher(batch["views"][0].float() / 255)
    torch.testing.assert_close(cached(None, batch["rows"]), expected, rtol=1e-4, atol=1e-5)


def test_a_worker_maps_the_file_itself(cache):
    """24 rows of 512 numbers are sent to another process as a file name."""
    rows = Rows(cache / "embeddings.npy")
    sent = pickle.dumps(rows)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent)[5], rows.array[5])


@pytest.mark.parametrize("method", ["compress_1q", "crd"])
def test_the_data_workers_read_the_rows(method, cache, teacher_file, image_folder, tmp_path, monkeypatch):
    """With two workers the training process reads none, and the student is the same as with no workers."""
    readers, read = [], Rows.__getitem__
    monkeypatch.setattr(Rows, "__getitem__", lambda rows, i: readers.append(os.getpid()) or read(rows, i))
    settings = dict(epochs=1, batch_size=8, image_size=32, teacher_cache=str(cache))
    settings["cfg_options"] = {"default_hooks.collapse.images": 0}  # which reads some at home
    students = []
    for workers, at_home in ((0, 24), (2, 0)):
        readers.clear()
        file = pretrain(
            method, str(image_folder), "mobilenetv3_small_050", str(teacher_file), workers=workers,
            work_dir=str(tmp_path / str(workers)), say=lambda line: None, **settings,
        )  # fmt: skip
        assert readers.count(os.getpid()) == at_home
        students.append(read_weights(file).backbone)
    assert all(torch.equal(students[0][key], students[1][key]) for key in students[0])


def test_half_precision_is_half_the_size(cache, teacher, image_folder, tmp_path):
    write_cache(tmp_path, teacher, str(image_folder), VIEW, "float16", workers=0)
    half, full = (np.load(folder / "embeddings.npy") for folder in (tmp_path, cache))
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, full, rtol=2e-3, atol=2e-3)


def test_a_finished_cache_is_left_alone(cache, teacher, image_folder):
    assert write_cache(cache, teacher, str(image_folder), VIEW, "float32", workers=0) == 0


def test_kill_9_in_the_middle_then_go_on(cache, teacher_file, image_folder, tmp_path, run_here):
    command = [
        "cache_teacher.py", "--data", image_folder, "--teacher", teacher_file, "--out", tmp_path,
        "--image-size", 32, "--dtype", "float32", "--batch-size", 1, "--workers", 0,
    ]  # fmt: skip
    victim = processes.start_tool(*command)
    while victim.is_alive() and ((record := read_record(tmp_path)) is None or record["done"] < 2):
        time.sleep(0.002)
    victim.kill()
    victim.join()
    done = read_record(tmp_path)["done"]
    assert done < 24, "the run was over before it could be killed"
    with pytest.raises(UserError, match="unfinished"):
        CachedTeacher(tmp_path, Teacher(str(teacher_file)))
    assert f"{24 - done} rows written" in run_here(*command)
    np.testing.assert_allclose(
        np.load(tmp_path / "embeddings.npy"), np.load(cache / "embeddings.npy"), rtol=1e-4, atol=1e-5
    )


def test_torchrun_shares_the_work_and_makes_the_same_bits(cache, teacher_file, image_folder, tmp_path):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(ROOT / "tools" / "cache_teacher.py"), "--data", str(image_folder), "--teacher",
        str(teacher_file), "--out", str(tmp_path), "--image-size", "32", "--dtype", "float32",
        "--batch-size", "7", "--workers", "0",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True
    )
    # of the rows that were lacking when it began: the other process may have made some before, or all
    said = re.findall(r"\d+ rows written, cache complete|nothing to do", done.stdout)
    assert len(said) == 1, "one process speaks"
    assert np.array_equal(np.load(tmp_path / "embeddings.npy"), np.load(cache / "embeddings.npy"))


def test_embeddings_that_are_no_numbers_are_refused_with_the_image_named(
    teacher, image_folder, tmp_path, monkeypatch
):
    """In float16 also those above 65,504, which would be infinite."""
    monkeypatch.setattr(teacher.backbone.net.bn1, "weight", torch.nn.Parameter(torch.full((64,), 1e8)))
    first = min(os.path.relpath(file, image_folder) for file in image_folder.rglob("*.*"))
    with pytest.raises(UserError, match=f"infinite features, as float16, for .*{first} and 23 others"):
        write_cache(tmp_path / "half", teacher, str(image_folder), VIEW, "float16", workers=0)
    assert read_record(tmp_path / "half")["done"] == 0
    assert write_cache(tmp_path / "full", teacher, str(image_folder), VIEW, "float32", workers=0) == 24


def test_refuses_another_teacher_other_data_and_another_view(
    cache, teacher, teacher_file, image_folder, tmp_path
):
    with pytest.raises(UserError, match=r"teacher\.output"):
        CachedTeacher(cache, Teacher(str(teacher_file), output="head"))
    other = tmp_path / "images"
    shutil.copytree(image_folder, other)
    next(other.rglob("*.jpg")).unlink()
    with pytest.raises(UserError, match=r"data\.fingerprint"):
        CachedTeacher(cache, teacher).check_data(UnlabelledImages(str(other), VIEW))
    with pytest.raises(UserError, match=r"view\.size"):
        write_cache(
            cache, teacher, str(image_folder), {"type": "CentreCrop", "size": 48}, "float32", workers=0
        )
    with pytest.raises(UserError, match="no teacher cache"):
        CachedTeacher(tmp_path, teacher)

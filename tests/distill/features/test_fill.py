"""Features of a data set by several real processes, one of them killed or late."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.backbones import Backbone
from distill.data.image_files import open_images
from distill.features import Pictures, Store, describe, fill, read_record

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
import torch.distributed as dist
from tests.distill.features.test_fill import features_of

rank, world, images, *todo = sys.argv[1:]
if int(world) > 1:
    store = f"file://{todo[0]}.store"
    dist.init_process_group("gloo", init_method=store, rank=int(rank), world_size=int(world))
for folder, pause in zip(todo[::2], todo[1::2], strict=True):
    print(features_of(images, folder, float(pause)), flush=True)
    if int(world) > 1:
        dist.barrier()
"""


def features_of(images: str | Path, folder: str | Path, pause: float = 0.0) -> int:
    """Makes features in batches of two, with a pause before each; returns how many this process made."""
    torch.manual_seed(0)
    network, batches = Backbone("test_resnet").eval(), []
    network.register_forward_pre_hook(lambda *_: time.sleep(pause))
    network.register_forward_hook(lambda *_: batches.append(1))
    files, view = open_images(images), {"type": "CentreCrop", "size": 32}
    fingerprint = {"arch": network.arch, "width": network.width}
    made_from = describe(fingerprint, len(files), files.fingerprint, view, "float32")
    fill(Store(folder, made_from, network.width), network, Pictures(files, view), 2, workers=0)
    return len(batches)


def start(images: Path, *todo, rank=0, world=1) -> subprocess.Popen:
    """Starts a process that makes features in folders one after another; ``todo`` is folder, pause, ..."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, *map(str, (rank, world, images, *todo))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def outputs(*processes: subprocess.Popen) -> list[list[int]]:
    """What each process printed, after all have ended: the batches that it made, for each folder."""
    found = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [list(map(int, lines.split())) for lines in found]


def rows(folder: Path) -> np.ndarray:
    record = json.loads((folder / "cache.json").read_text())
    assert record["done"] == 24 and record["unreadable"] == []
    assert sorted(file.name for file in folder.iterdir()) == ["cache.json", "embeddings.npy"]
    return np.load(folder / "embeddings.npy")


def kill_after_first_batch(process: subprocess.Popen, part: Path) -> None:
    while process.poll() is None and not part.exists():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def alone(image_folder, tmp_path_factory) -> np.ndarray:
    """The features of 24 images, by one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert features_of(image_folder, folder) == 12
    return rows(folder)


def test_two_share_the_work_and_the_quick_one_helps_the_slow_one(image_folder, alone, tmp_path):
    equal, unequal = tmp_path / "equal", tmp_path / "unequal"
    todo = [(equal, 0.2, unequal, 1.5), (equal, 0.2, unequal, 0.0)]
    slow, quick = outputs(*(start(image_folder, *todo[rank], rank=rank, world=2) for rank in (0, 1)))
    assert np.array_equal(rows(equal), alone) and np.array_equal(rows(unequal), alone)
    assert min(slow[0], quick[0]) >= 5 and slow[0] + quick[0] <= 14
    assert slow[1] <= 3 < 9 <= quick[1], "nobody waits for the slow one"


def test_when_one_is_killed_the_other_makes_its_rows(image_folder, alone, tmp_path):
    folder = tmp_path / "both"
    victim, other = (start(image_folder, folder, 0.5, rank=rank, world=2) for rank in (0, 1))
    kill_after_first_batch(victim, folder / "part-0.json")
    other.communicate(timeout=240)  # its barrier fails: the group has lost a member
    assert np.array_equal(rows(folder), alone)


def test_all_killed_then_others_go_on_that_know_nothing_of_one_another(image_folder, alone, tmp_path):
    folder = tmp_path / "both"
    pair = [start(image_folder, folder, 0.5, rank=rank, world=2) for rank in (0, 1)]
    for rank, process in enumerate(pair):
        kill_after_first_batch(process, folder / f"part-{rank}.json")
    made = read_record(folder)["done"]
    assert 4 <= made < 24
    found = outputs(start(image_folder, folder, 0.0), start(image_folder, folder, 0.1))
    assert max(map(sum, found)) <= 12 - made // 2
    assert np.array_equal(rows(folder), alone)

"""Features of a data set by several real processes, one of them killed or late."""

import json
import os
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from distill.backbones import Backbone
from distill.data.image_files import open_images
from distill.features import Pictures, Store, describe, fill, read_record
from tests import processes


def features_of(images: Path, folder: Path, pause: float = 0.0) -> int:
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


def of_one(rank: int, images: Path, folders: list[Path], pauses: list[list[float]]) -> list[int]:
    """Makes features in one folder after another; returns how many batches this process made in each."""
    found = []
    for folder, pause in zip(folders, pauses, strict=True):
        found.append(features_of(images, folder, pause[rank]))
        dist.barrier()
    return found


def of_a_pair(rank: int, images: Path, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}.store", rank=rank, world_size=2)
    features_of(images, folder, 0.5)
    dist.barrier()


def of_a_stranger(images: Path, folder: Path, pause: float) -> None:
    (folder.parent / f"{os.getpid()}.made").write_text(str(features_of(images, folder, pause)))


def rows(folder: Path) -> np.ndarray:
    record = json.loads((folder / "cache.json").read_text())
    assert record["done"] == 24 and record["unreadable"] == []
    assert sorted(file.name for file in folder.iterdir()) == ["cache.json", "embeddings.npy"]
    return np.load(folder / "embeddings.npy")


def kill_after_first_batch(process: BaseProcess, part: Path) -> None:
    while process.is_alive() and not part.exists():
        time.sleep(0.002)
    process.kill()
    process.join()


@pytest.fixture(scope="module")
def alone(image_folder, tmp_path_factory) -> np.ndarray:
    """The features of 24 images, by one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert features_of(image_folder, folder) == 12
    return rows(folder)


def test_two_share_the_work_and_the_quick_one_helps_the_slow_one(image_folder, alone, tmp_path):
    equal, unequal = tmp_path / "equal", tmp_path / "unequal"
    pauses = [[0.2, 0.2], [1.5, 0.0]]
    slow, quick = processes.in_two(of_one, tmp_path, image_folder, [equal, unequal], pauses)
    assert np.array_equal(rows(equal), alone) and np.array_equal(rows(unequal), alone)
    assert min(slow[0], quick[0]) >= 5 and slow[0] + quick[0] <= 14
    assert slow[1] <= 3 < 9 <= quick[1], "nobody waits for the slow one"


def test_when_one_is_killed_the_other_makes_its_rows(image_folder, alone, tmp_path):
    folder = tmp_path / "both"
    victim, other = (processes.start(of_a_pair, rank, image_folder, folder) for rank in (0, 1))
    kill_after_first_batch(victim, folder / "part-0.json")
    other.join(240)  # its barrier fails: the group has lost a member
    assert np.array_equal(rows(folder), alone)


def test_all_killed_then_others_go_on_that_know_nothing_of_one_another(image_folder, alone, tmp_path):
    folder = tmp_path / "both"
    pair = [processes.start(of_a_pair, rank, image_folder, folder) for rank in (0, 1)]
    for rank, process in enumerate(pair):
        kill_after_first_batch(process, folder / f"part-{rank}.json")
    made = read_record(folder)["done"]
    assert 4 <= made < 24
    strangers = [processes.start(of_a_stranger, image_folder, folder, pause) for pause in (0.0, 0.1)]
    for stranger in strangers:
        stranger.join(240)
    found = [int(file.read_text()) for file in tmp_path.glob("*.made")]
    assert len(found) == 2 and max(found) <= 12 - made // 2
    assert np.array_equal(rows(folder), alone)

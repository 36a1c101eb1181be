"""The hook in a real mmengine run of a network that draws random numbers as it trains."""

import json
import random
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from distill.backbones import Backbone
from distill.backbones.weights import state_sha256
from distill.errors import UserError
from distill.evaluation import extract, list_labelled
from distill.evaluation.hook import EvaluationHook
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from tests import processes

ON_CPUS = {"type": "MMDistributedDataParallel", "device_ids": None, "broadcast_buffers": False}


class Noisy(BaseModel):
    """Dropout, batch norm and all three random sources in the loss; keeps what it saw."""

    def __init__(self):
        super().__init__()
        self.student = Backbone("test_resnet")
        self.losses = []

    def forward(self, images, mode="loss"):
        images = images + random.random() * torch.rand_like(images) + np.random.rand()
        loss = nn.functional.dropout(self.student(images)).square().mean()
        self.losses.append(loss.item())
        return {"loss": loss}


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for number, name in enumerate(("dark", "light")):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(3):
                pixels = rng.integers(120 * number, 120 * number + 60, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{index}.png")
    return {part: str(tmp_path / part) for part in ("train", "val")}


def train(work_dir, hook=None, model=None, images_seed=1, launcher="none"):
    """Three epochs of two steps; returns losses, final weights and the logged scalars."""
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    model = model or Noisy()
    images = TensorDataset(torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(images_seed)))
    runner = Runner(
        model,
        str(work_dir),
        train_dataloader=DataLoader(images, batch_size=4, shuffle=True),
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}},
        train_cfg={"by_epoch": True, "max_epochs": 3},
        default_hooks={"checkpoint": None},
        custom_hooks=[hook] if hook else None,
        visualizer={"type": "Visualizer", "vis_backends": [{"type": "LocalVisBackend"}]},
        experiment_name=f"{work_dir.parent.name}-{work_dir.name}",
        randomness={"seed": 0},
        log_level="ERROR",
        launcher=launcher,
        cfg={"model_wrapper_cfg": ON_CPUS},
    )
    runner.train()
    logged = [file.read_text().splitlines() for file in work_dir.glob("*/vis_data/scalars.json")]
    rows = [json.loads(line) for lines in logged for line in lines]
    return model.losses, model.state_dict(), [row for row in rows if any("/" in key for key in row)]


def hook(folders, **changes):
    settings = {"data": folders, "image_size": 32, "batch_size": 4, "workers": 0} | changes
    return EvaluationHook(**settings)


@dataclass(frozen=True)
class Careless:
    """An evaluator that draws from the global random states."""

    protocol: ClassVar[Protocol] = Protocol("careless", "Careless", "features")

    def run(self, train, val):
        torch.rand(7), np.random.rand(7), random.random()
        return {"value": 1.0}


@pytest.fixture
def careless():
    EVALUATORS.register_module(module=Careless)
    yield {"type": "Careless"}
    EVALUATORS.module_dict.pop("Careless")


def test_training_is_bit_identical_with_and_without(tmp_path, folders, careless):
    evaluators = [{"type": "KNN"}, {"type": "Linear", "epochs": 2}, {"type": "ClusterAlignment"}, careless]
    losses, weights, rows = train(tmp_path / "with", hook(folders, evaluators=evaluators, workers=1))
    plain_losses, plain_weights, no_rows = train(tmp_path / "without")
    assert losses == plain_losses and len(losses) == 6
    assert all(torch.equal(weights[key], plain_weights[key]) for key in weights)
    assert len(rows) == 3 and not no_rows


def test_scalars_are_those_of_the_evaluators_over_iterations(tmp_path, folders):
    _, _, rows = train(tmp_path / "run", hook(folders, evaluators=[{"type": "KNN", "k": [1, 3]}]))
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert rows[-1] == {"knn/1nn": 100.0, "knn/3nn": 100.0, "step": 6}


def test_interval_and_the_last_epoch(tmp_path, folders):
    _, _, rows = train(tmp_path / "run", hook(folders, interval=2))
    assert [row["step"] for row in rows] == [4, 6]


def test_unusable_folders_end_the_run_before_its_first_step(tmp_path, folders):
    model = Noisy()
    missing = folders | {"val": str(tmp_path / "nowhere")}
    with pytest.raises(UserError, match="no such image folder: .*nowhere"):
        train(tmp_path / "run", hook(missing), model)
    assert model.losses == []


def test_a_model_without_student_is_named(tmp_path, folders):
    model = Noisy()
    model.student = nn.Linear(1, 1)
    with pytest.raises(UserError, match="Noisy has no student"):
        train(tmp_path / "run", hook(folders), model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"train": "a"}}, r"data has the keys \['train'\]; valid: train, val"),
        ({"interval": 0}, "interval is 0"),
        ({"imagesize": 64}, "did you mean 'image_size'"),
        ({"evaluators": [{"type": "KNM"}]}, "unknown evaluator 'KNM'; did you mean 'KNN'"),
        ({"evaluators": [{"type": "Linear", "epoch": 3}]}, "evaluator Linear: .*'epoch'"),
        ({"evaluators": [{"k": 1}]}, "without type"),
    ],
)
def test_bad_settings_are_refused(folders, changes, message):
    with pytest.raises(UserError, match=message):
        hook(folders, **changes)


@dataclass(frozen=True)
class Patient:
    """An evaluator that takes longer than the process group waits; gives the features it got."""

    protocol: ClassVar[Protocol] = Protocol("patient", "Patient", "features")

    def run(self, train, val):
        time.sleep(9)
        return {"sum": train.x.double().sum().item()}


def twice(rank: int, folder: Path, data: dict) -> tuple:
    """Trains twice, with the hook and without; on other images than the other process."""
    EVALUATORS.register_module(module=Patient)
    found = []
    evaluating = hook(data, evaluators=[{"type": "Patient"}], interval=3)
    for name, hooked in (("with", evaluating), ("without", None)):
        losses, weights, rows = train(folder / name, hooked, images_seed=rank, launcher="pytorch")
        found.append((losses, state_sha256(weights), rows))
        if hooked:  # what the first process's student gives alone, afterwards
            student = Backbone("test_resnet")
            own = {key.removeprefix("student."): value for key, value in weights.items()}
            student.load_state_dict(own)
            alone = extract(student, list_labelled(data["train"]), hooked.extraction).x.double().sum().item()
    return found, alone


def test_two_processes_share_the_extraction_and_the_second_waits_beyond_the_time_out(tmp_path, folders):
    """Their batch-norm statistics differ: the features are those of the first one's student throughout."""
    found = processes.in_two(twice, tmp_path, tmp_path, folders, timeout=timedelta(seconds=6))
    (first, alone), (second, other) = found
    for (losses, weights, _), (plain_losses, plain_weights, no_rows) in (first, second):
        assert losses == plain_losses and weights == plain_weights and not no_rows
    ((_, _, (row,)), _) = first
    assert row == {"patient/sum": pytest.approx(alone, rel=1e-9), "step": row["step"]}
    assert abs(other - alone) > 1e-3 * abs(alone)
    assert not list((tmp_path / "with").glob("features_of_epoch_*"))

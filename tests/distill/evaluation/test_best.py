"""``best.pth``: the student of the epoch that evaluated best."""

import re
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from distill import pretrain
from distill.checkpoints import read_weights
from distill.engine.config_files import read_config
from distill.engine.config_root import config_root
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol


@dataclass(frozen=True)
class Scripted:
    """Finds what is written down for it, epoch by epoch."""

    script: ClassVar[list[float]] = []
    protocol: ClassVar[Protocol] = Protocol(
        "scripted", "Scripted", "features", {"low": "low", "high": "high"}, headline="high"
    )

    def run(self, train, val) -> dict[str, float]:
        return {"low": 0.0, "high": self.script.pop(0)}


@pytest.fixture
def train(image_folder, tmp_path, monkeypatch):
    """Trains four epochs that evaluate to these values; returns best.pth and what the log says of it.

    ``after``: the epoch whose state is the newest that is left of the run before.
    """
    monkeypatch.setitem(EVALUATORS.module_dict, "Scripted", Scripted)
    data = {part: str(image_folder(part)) for part in ("train", "val")}
    hooks = read_config(config_root() / "_base_" / "runtime.py").custom_hooks
    scripted = dict(type="EvaluationHook", data=data, image_size=32, workers=0)
    scripted["evaluators"] = [{"type": "Scripted"}]

    def train(*values: float, after: int | None = None):
        Scripted.script[:] = values
        for epoch in range(5 if after is None else after + 1, 5):
            (tmp_path / f"run/epoch_{epoch}.pth").unlink()
        pretrain(
            "simclr", data["train"], "test_resnet", work_dir=str(tmp_path / "run"), resume=after is not None,
            epochs=4, batch_size=3, image_size=32, workers=0, say=lambda _: None,
            cfg_options={"custom_hooks": [*hooks, scripted], "default_hooks.checkpoint.max_keep_ckpts": -1},
        )  # fmt: skip
        log = max(tmp_path.glob("run/*/*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()
        *_, said = re.findall(r"best student, in \S+/best.pth: (.+)", log)  # runs of one second share a log
        return read_weights(tmp_path / "run/best.pth"), said

    return train


def test_the_best_epoch_is_kept_and_named(train, tmp_path):
    """By the main metric; of equal ones the first. What is written is that epoch's student."""
    best, said = train(3.0, 5.0, 4.0, 5.0)
    assert (best.meta["epochs"], said) == (2, "epoch 2, scripted/high 5.0")
    state = torch.load(tmp_path / "run/epoch_2.pth", weights_only=True)["state_dict"]
    assert all(torch.equal(value, state[f"student.net.{key}"]) for key, value in best.backbone.items())
    assert best.image_size == 32 and read_weights(tmp_path / "run/last.pth").meta["epochs"] == 4


@pytest.mark.parametrize(
    ("values", "again", "said"),
    [
        ((3.0, 5.0, 4.0, 4.5), (4.0, 6.0), "epoch 4, scripted/high 6.0"),
        ((3.0, 5.0, 4.0, 7.0), (1.0, 2.0), "epoch 4, scripted/high 2.0"),  # what was of epoch 2 is gone
    ],
)
def test_a_run_that_goes_on_compares_with_what_it_has(train, values, again, said):
    train(*values)
    best, found = train(*again, after=2)
    assert found == said == f"epoch {best.meta['epochs']}, scripted/high {best.meta['best']['value']}"

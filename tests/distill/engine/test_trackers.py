"""Curves in a tracker: which backend a name adds, and what a missing package is told as."""

import sys

import pytest
from mmengine.config import Config
from mmengine.registry import VISBACKENDS

from distill import pretrain
from distill.engine.config_files import read_config
from distill.engine.config_root import config_root
from distill.engine.trackers import TRACKERS, add_tracker
from distill.errors import UserError


@pytest.mark.parametrize("name", TRACKERS)
def test_a_name_adds_mmengine_s_backend_once(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, sys)  # as if it were installed
    config = Config(
        {**read_config(config_root() / "_base_" / "runtime.py").to_dict(), "work_dir": "work_dirs/my_run"}
    )
    for _ in range(2):
        add_tracker(config, name)
    local, board, *more = config.visualizer.vis_backends
    assert (local.type, board.type, len(more)) == (
        "LocalVisBackend",
        "TensorboardVisBackend",
        name != "tensorboard",
    )
    for backend in more:
        assert name in backend.type.lower() and "my_run" in str(backend)
        VISBACKENDS.build({**backend, "save_dir": "nowhere"})  # which begins with the first value


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wandb", "--track wandb: .*wandb.*; install it: pip install wandb"),
        ("wand", "unknown tracker 'wand'; did you mean 'wandb'"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(name, message, image_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # whether it is installed or not
    with pytest.raises(UserError, match=message):
        pretrain(
            "simclr", str(image_folder), "test_resnet", epochs=1, batch_size=8, image_size=32, workers=0,
            work_dir=str(tmp_path / "run"), track=name,
        )  # fmt: skip
    assert not (tmp_path / "run").exists()

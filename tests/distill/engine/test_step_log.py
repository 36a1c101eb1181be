"""The lines of a training log: losses, speed, waiting for data, memory."""

import json
import re
import time

import pytest
from mmengine.hooks import Hook

from distill import pretrain
from distill.data.unlabelled import UnlabelledImages
from distill.engine.config_files import read_config
from distill.engine.config_root import config_root
from distill.methods.simclr import SimCLR
from distill.registry import DATASETS, HOOKS, MODELS

SLEEP, PAUSE = 0.1, 5
RUN = dict(student="mobilenetv3_small_050", epochs=2, batch_size=5, image_size=32, workers=0)


@DATASETS.register_module()
class SlowImages(UnlabelledImages):
    """The last image of each batch of five lets the step wait."""

    def __getitem__(self, item):
        time.sleep(SLEEP / 5)
        return super().__getitem__(item)


@MODELS.register_module()
class SlowSimCLR(SimCLR):
    def loss(self, views, index):
        time.sleep(3 * SLEEP)
        return super().loss(views, index)


@HOOKS.register_module()
class Pause(Hook):
    def after_train_epoch(self, runner):
        time.sleep(PAUSE)


def train(folder, images, **options) -> tuple[list[dict], list[str]]:
    """The entries of scalars.json that are steps', and the lines of the log file."""
    pretrain(
        "simclr", str(images), **RUN, work_dir=str(folder), say=lambda _: None,
        cfg_options={"device": "cpu", **options},
    )  # fmt: skip
    (curve,), (log,) = folder.glob("*/vis_data/scalars.json"), folder.glob("*/*.log")
    lines = [line for line in log.read_text().splitlines() if "Epoch(train)" in line]
    entries = [json.loads(line) for line in curve.read_text().splitlines()]
    return [entry for entry in entries if "loss" in entry], lines


@pytest.mark.parametrize("interval", [1, 2, 50])
def test_losses_are_mmengine_s_whenever_a_line_is_written(interval, image_folder, tmp_path):
    """The mean of the last ten steps, though they are read only when a line is due."""
    found = {}
    for name, changes in {
        "ours": {},
        "mmengine": {
            "default_hooks.runtime_info.type": "RuntimeInfoHook", "log_processor.type": "LogProcessor",
        },
    }.items():  # fmt: skip
        entries, _ = train(
            tmp_path / name, image_folder, **{"default_hooks.logger.interval": interval}, **changes
        )
        found[name] = [(entry["step"], entry["loss"], entry["lr"]) for entry in entries]
    assert len(found["ours"]) == {1: 10, 2: 6, 50: 2}[interval]
    assert found["ours"] == found["mmengine"]


def test_speed_and_waiting_are_those_of_the_steps_since_the_last_line(image_folder, tmp_path):
    """Steps of at least 0.3 s wait at least 0.1 s for their five images (four in an epoch's last)."""
    options = {"model.type": "SlowSimCLR", "train_dataloader.dataset.type": "SlowImages"}
    entries, lines = train(tmp_path, image_folder, **{"default_hooks.logger.interval": 2}, **options)
    assert [entry["step"] for entry in entries] == [2, 4, 5, 7, 9, 10]
    for entry in entries:
        images = 4 if entry["step"] % 5 == 0 else 10
        seconds = images / entry["images_per_second"]
        steps = 1 if images == 4 else 2
        assert seconds > steps * 3 * SLEEP + images * SLEEP / 5
        assert images * SLEEP / 5 < entry["waiting"] * seconds + 1e-3
        assert entry["waiting"] * seconds < seconds - steps * 3 * SLEEP + 1e-3
        assert 100 < entry["memory"] < 100_000
    shown = re.compile(r"eta: \S+  [\d.]+ images/s  waiting \d+%  \d+\.\d GB  loss: ")
    assert len(lines) == 6 and all(shown.search(line) for line in lines)
    assert not any("data_time" in line for line in lines)


def test_what_an_epoch_s_end_takes_is_not_the_steps(image_folder, tmp_path):
    hooks = read_config(config_root() / "_base_" / "runtime.py").custom_hooks
    _, second = train(tmp_path, image_folder, custom_hooks=[*hooks, dict(type="Pause")])[0]
    assert 24 / second["images_per_second"] < PAUSE

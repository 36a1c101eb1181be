"""tools/view_agreement.py as a user runs it."""

import re
from functools import partial

import pytest

from distill import pretrain


@pytest.fixture
def tool(run_here):
    return partial(run_here, "view_agreement.py")


@pytest.fixture(scope="module")
def run(image_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    pretrain(
        "simclr", str(image_folder), "mobilenetv3_small_050", work_dir=str(folder), say=lambda _: None,
        epochs=1, batch_size=8, image_size=32, workers=0, lr=0.1,
    )  # fmt: skip
    return folder


def test_before_and_after_training(tool, run):
    config = run / "config.py"
    before, after = tool(config), tool(config, "--weights", run / "last.pth")
    assert before.startswith("mobilenetv3_small_050, random weights, seed 0\n")
    assert after.startswith(f"mobilenetv3_small_050, {run / 'last.pth'}\n")
    for text in before, after:
        assert re.search(
            r"agree by -?\d\.\d\d .*\nspread \d\.\d{3} .*\neffective rank [\d.]+ in 1024 dimensions\n$", text
        )
    assert before == tool(config), "views and weights follow the seed"
    assert before != tool(config, "--cfg-options", "train_dataloader.dataset.augmentation.strength=0.1")


def test_mistakes_are_one_line(tool, run):
    config = run / "config.py"
    assert "nowhere.py" in tool("nowhere.py", code=2)
    assert "did you mean" in tool(
        config, "--cfg-options", "train_dataloader.dataset.augmentation.strenght=0.1", code=2
    )
    assert "KEY=VALUE" in tool(config, "--cfg-options", "strength", code=2)
    assert "nofile.pth" in tool(config, "--weights", "nofile.pth", code=2)
    assert "images" in tool(config, "--images", 1, code=2)

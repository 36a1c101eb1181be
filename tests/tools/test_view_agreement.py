"""tools/view_agreement.py as a user runs it."""

import re
from functools import partial

import pytest

from distill import pretrain


@pytest.fixture
def tool(run_here):
    return partial(run_here, "view_agreement.py")


def train(images, folder, lr):
    pretrain(
        "simclr", str(images), "mobilenetv3_small_050", work_dir=str(folder), say=lambda _: None,
        epochs=1, batch_size=8, image_size=32, workers=0, lr=lr, seed=0,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def run(image_folder, tmp_path_factory):
    return train(image_folder, tmp_path_factory.mktemp("run"), lr=0.1)


def report(text: str) -> list[str]:
    """The tool's own lines, without those of mmengine's logger, which may be open in this process."""
    return text.splitlines()[-4:]


def test_before_and_after_training(tool, run):
    config = run / "config.py"
    before, after = report(tool(config)), report(tool(config, "--weights", run / "last.pth"))
    assert before[0] == "mobilenetv3_small_050, before training, seed 0"
    assert after[0] == f"mobilenetv3_small_050, {run / 'last.pth'}"
    for _, agreement, spread, rank in before, after:
        assert re.match(r"two views of an image agree by -?\d\.\d\d ", agreement)
        assert re.match(r"spread \d\.\d{3} ", spread)
        assert re.fullmatch(r"effective rank [\d.]+ in 1024 dimensions", rank)
    assert before == report(tool(config)), "views and weights follow the seed"
    milder = report(tool(config, "--cfg-options", "train_dataloader.dataset.augmentation.strength=0.1"))
    assert before != milder


def test_before_training_is_where_the_run_starts(tool, image_folder, tmp_path):
    """A learning rate of almost 0 leaves the weights as they were."""
    still = train(image_folder, tmp_path, lr=1e-30)
    before = report(tool(still / "config.py"))
    after = report(tool(still / "config.py", "--weights", still / "last.pth"))
    assert before[1:] == after[1:]


def test_mistakes_are_one_line(tool, run):
    config = run / "config.py"
    assert "no such config file: nowhere.py" in tool("nowhere.py", code=2)
    assert "did you mean" in tool(
        config, "--cfg-options", "train_dataloader.dataset.augmentation.strenght=0.1", code=2
    )
    assert "KEY=VALUE" in tool(config, "--cfg-options", "strength", code=2)
    assert "nofile.pth" in tool(config, "--weights", "nofile.pth", code=2)
    assert "images" in tool(config, "--images", 1, code=2)

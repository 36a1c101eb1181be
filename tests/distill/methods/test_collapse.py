"""The look at a student's features on the way, in real runs."""

import json
import re

import pytest
import torch
from torch import Tensor

from distill import pretrain
from distill.methods.simclr import SimCLR
from distill.registry import MODELS
from tests.distill.methods.small import SMALL, arguments

FEATURES = ("features/effective_rank", "features/mean_cosine", "features/shared_neighbours")
EPOCHS, STEPS = 2, 5  # the first tenth is a step


@MODELS.register_module()
class Collapsing(SimCLR):
    """After the first step all images look the same to the student."""

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            for parameter in self.student.parameters():
                parameter.zero_()
        return {"loss": self.student(views[0]).square().mean()}


def train(name: str, inputs, folder, resume=False, **options):
    """Student, losses and looks (by step, with their scalars), log."""
    path = pretrain(
        **arguments(name, inputs) | {"epochs": EPOCHS}, work_dir=str(folder), resume=resume,
        say=lambda _: None,
        cfg_options={**SMALL[name].options, "default_hooks.logger.interval": 1, **options},
    )  # fmt: skip
    rows = [json.loads(line) for file in folder.glob("*/vis_data/scalars.json") for line in file.open()]
    looks = {row["step"]: row for row in rows if FEATURES[0] in row}
    losses = [row["loss"] for row in rows if "loss" in row]
    log = "".join(file.read_text() for file in sorted(folder.glob("*/*.log")))
    return torch.load(path, weights_only=True)["backbone"], losses, looks, log


@pytest.mark.parametrize("name", ["compress_1q", "seed_cached", "simclr", "oss"])
def test_training_is_the_same_with_and_without_and_what_is_logged(name, method_inputs, tmp_path):
    student, losses, looks, log = train(name, method_inputs, tmp_path / "with")
    plain, plain_losses, no_looks, _ = train(
        name, method_inputs, tmp_path / "without", **{"default_hooks.collapse.images": 0}
    )
    assert losses == plain_losses and len(losses) == EPOCHS * STEPS
    assert all(torch.equal(value, plain[key]) for key, value in student.items())
    assert list(looks) == [0, 1, 5, 10] and not no_looks
    names = FEATURES if SMALL[name].teacher else FEATURES[:2]
    for look in looks.values():
        assert look.keys() - {"step"} == set(names)
        assert 1 <= look[FEATURES[0]] <= 24 and -1 <= look[FEATURES[1]] <= 1
    told = re.findall(r"features of 24 images after step (\d+) of 10: effective rank [\d.]+", log)
    assert list(map(int, told)) == list(looks)


def test_a_collapse_is_told_once_also_in_a_run_that_goes_on(method_inputs, tmp_path):
    collapsing = {"model.type": "Collapsing"}
    first = train("simclr", method_inputs, tmp_path, **collapsing)
    start = first[2][0][FEATURES[0]]
    warning = r"WARNING - the features look like a collapse: their effective rank is 1.0; try a lower"
    assert len(re.findall(warning, first[3])) == 1
    (tmp_path / "epoch_2.pth").unlink()
    again = train("simclr", method_inputs, tmp_path, resume=True, **collapsing)
    assert len(re.findall(warning, again[3])) == 1
    state = torch.load(tmp_path / "epoch_2.pth", weights_only=True)
    assert state["collapse"] == {"start": start, "warned": True}

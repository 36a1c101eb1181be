"""What holds for every method: it trains, and what it writes is a backbone that converts."""

import json

import pytest
import torch
from mmengine.registry import DefaultScope

from distill import pretrain
from distill.checkpoints import random_weights, read_weights
from distill.engine.recipe import method_names
from distill.errors import UserError
from distill.registry import MODELS, TRANSFORMS
from distill.targets import Teacher
from tests.distill.methods.small import SMALL, STUDENT, arguments, small_config
from transfer.convert import convert


def test_every_method_of_the_configs_is_tried():
    assert {small.method for small in SMALL.values()} == set(method_names())


@pytest.mark.parametrize("name", SMALL)
def test_trains_and_exports_a_backbone_that_converts(name, method_inputs, tmp_path):
    options = {**SMALL[name].options, "default_hooks.logger.interval": 1}
    file = pretrain(
        **arguments(name, method_inputs), work_dir=str(tmp_path), cfg_options=options, say=lambda line: None
    )
    (curve,) = tmp_path.glob("*/vis_data/scalars.json")
    losses = [json.loads(line)["loss"] for line in curve.read_text().splitlines() if "loss" in line]
    assert len(losses) == 10
    assert torch.tensor(losses).isfinite().all()
    weights = read_weights(file)
    start = random_weights(STUDENT, 0).backbone
    assert weights.backbone.keys() == start.keys()
    assert not torch.equal(weights.backbone["conv_stem.weight"], start["conv_stem.weight"])
    convert(file, "timm", out=tmp_path / "converted")
    for written in tmp_path.glob("*.pth"):
        if not written.stem.startswith(("epoch_", "iter_")):
            Teacher(str(written), output="auto")  # strict, with its head: it can be a teacher itself


@pytest.mark.parametrize("name", SMALL)
def test_a_last_batch_of_one_does_not_end_a_run(name, method_inputs, tmp_path):
    """24 images in batches of 23: batch norm has no variance of a single image, so another one is added.

    Images of 32 pixels, which leave maps of one pixel.
    """
    call = arguments(name, method_inputs) | {"batch_size": 23, "epochs": 1}
    options = SMALL[name].options | {"train_dataloader.dataset.augmentation.size": 32}
    said = []
    pretrain(**call, work_dir=str(tmp_path), cfg_options=options, say=said.append)
    assert (tmp_path / "last.pth").exists()
    assert any("the last batch would have one image a process" in line for line in said)


@pytest.mark.parametrize("name", [name for name, small in SMALL.items() if small.teacher in ("moco", "swav")])
def test_the_teacher_stays_frozen_and_in_eval_mode(name, method_inputs):
    config = small_config(name, method_inputs)
    with DefaultScope.overwrite_default_scope("distill"):
        method = MODELS.build(config.model).train()
    before = {key: value.clone() for key, value in method.teacher.state_dict().items()}
    sizes = TRANSFORMS.build(config.train_dataloader.dataset.augmentation).sizes
    loss, _ = method.parse_losses(method.loss([torch.rand(4, 3, s, s) for s in sizes], torch.arange(4)))
    loss.backward()
    assert not any(module.training for module in method.teacher.modules())
    assert not any(parameter.requires_grad for parameter in method.teacher.parameters())
    assert not any(key.startswith("teacher.") for key in method.state_dict())
    for key, value in method.teacher.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", SMALL)
def test_a_wrong_number_of_views_is_one_line(name, method_inputs, tmp_path):
    method = MODELS.get(small_config(name, method_inputs).model.type)
    views = 3 if method.number_of_views == 1 else 1
    wrong = dict(type="CropFlip", size=32, views=views, _delete_=True)
    with pytest.raises(UserError, match="views of an image"):
        pretrain(
            **arguments(name, method_inputs),
            work_dir=str(tmp_path),
            cfg_options={**SMALL[name].options, "train_dataloader.dataset.augmentation": wrong},
            say=lambda line: None,
        )

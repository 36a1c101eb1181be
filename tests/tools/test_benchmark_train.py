"""tools/benchmark_train.py measures every method's step beside its bare networks."""

import runpy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope

from distill.backbones import Backbone
from distill.engine.recipe import method_names
from distill.modules.ema import MovingAverage
from distill.registry import MODELS
from distill.targets import Teacher
from tests.conftest import ROOT
from tests.distill.methods.small import small_config

SMALL = ("--student", "test_resnet", "--teacher-arch", "test_resnet", "--batch-size", 4, "--images", 50)


def test_measures_every_method(run_here):
    _, head, *rows = run_here(
        "benchmark_train.py", "--all", *SMALL, "--image-size", 64, "--steps", 1, "--device", "cpu"
    ).splitlines()
    assert [row.split()[0] for row in rows] == method_names()
    for row in rows:
        rate, bare_rate, ratio, memory, bare_memory = map(float, row.split()[1:])
        assert bare_rate / rate == pytest.approx(ratio, rel=0.05, abs=0.02)
        assert memory >= 0 and bare_memory >= 0


def calls(name: str, inputs, views: int) -> list:
    """What ``Recorder`` finds of one step: (module, batch, whether it is trained)."""
    recorder_of = runpy.run_path(str(ROOT / "tools/benchmark_train.py"))["Recorder"]
    with DefaultScope.overwrite_default_scope("distill"):
        method = MODELS.build(small_config(name, inputs).model).train()
    images = [torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8) for _ in range(views)]
    data = {"views": images, "index": torch.arange(4), "unreadable": []}
    with recorder_of(method) as recorder:
        method.train_step(data, OptimWrapper(torch.optim.SGD(method.parameters(), 0.01)))
    before = [parameter.clone() for parameter in method.parameters()]
    recorder.backward(recorder.forward())
    assert all(torch.equal(*pair) for pair in zip(before, method.parameters(), strict=True))
    return [(type(module), len(given[0]), gradient) for module, given, _, gradient in recorder.calls]


def test_a_frozen_teacher_runs_forward_alone(method_inputs):
    found = calls("seed", method_inputs, 1)
    assert found == [(Teacher, 4, True), (Backbone, 4, True), (torch.nn.Sequential, 4, True)]


def test_a_key_encoder_counts_with_its_head(method_inputs):
    """One process encodes the keys in two parts."""
    found = calls("moco_v2", method_inputs, 2)
    assert found == [
        (Backbone, 4, True), (torch.nn.Sequential, 4, True),
        (MovingAverage, 2, False), (MovingAverage, 2, False),
    ]  # fmt: skip

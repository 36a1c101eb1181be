"""Mixed precision, fused optimisers and compiled networks: what is chosen, and that runs stay themselves."""

import functools
import os
import subprocess
import sys

import pytest
import torch
from mmengine.config import Config

from distill import pretrain
from distill.engine import acceleration
from distill.errors import UserError
from tests.conftest import ROOT
from tests.distill.methods.small import SMALL, Inputs, arguments

EVERY_3 = {"default_hooks.checkpoint.by_epoch": False, "default_hooks.checkpoint.interval": 3}


@pytest.fixture
def quick_compiler(monkeypatch):
    """torch's graphs of forward and backward pass, without the minutes that making machine code takes."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()


def run(inputs: Inputs, folder, name: str = "compress_2q", say=lambda _: None, **more) -> dict:
    """A run of ten steps; its last training state."""
    options = {**SMALL[name].options, **EVERY_3, **more.pop("options", {})}
    pretrain(**arguments(name, inputs), work_dir=str(folder), seed=3, cfg_options=options, say=say, **more)
    return torch.load(folder / "iter_10.pth", weights_only=True)


def assert_close(first: dict, second: dict) -> None:
    """Weights of two runs' states that differ by no more than rounding has grown to."""
    assert first["state_dict"].keys() == second["state_dict"].keys()
    assert not any("_orig_mod" in key for key in second["state_dict"])
    for key, value in first["state_dict"].items():
        if value.is_floating_point():
            torch.testing.assert_close(value, second["state_dict"][key], rtol=0.05, atol=0.02, msg=key)


@pytest.mark.parametrize("name", ["compress_2q", "pcd", "feature_matching"])
def test_compiled_networks_learn_the_same_and_keep_their_keys(name, quick_compiler, method_inputs, tmp_path):
    """CompRess calls its networks, PCD asks them for maps, feature matching for both at once."""
    torch._dynamo.utils.counters.clear()
    said: list[str] = []
    compiled = run(method_inputs, tmp_path / "compiled", name, said.append, compile=True)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2, "student and teacher"
    assert "  compiled networks: the first steps take minutes" in said
    assert_close(run(method_inputs, tmp_path / "eager", name), compiled)
    config = Config.fromfile(tmp_path / "compiled" / "config.py")
    assert config.compile_networks, "the run's own config repeats it"


@pytest.mark.parametrize("compiled_first", [True, False])
def test_a_run_goes_on_compiled_or_not(compiled_first, quick_compiler, method_inputs, tmp_path):
    """SimCLR, which has one network to compile."""
    whole = run(method_inputs, tmp_path / "whole", "simclr")
    broken = tmp_path / "broken"
    run(method_inputs, broken, "simclr", compile=compiled_first)
    for later in ("iter_9.pth", "iter_10.pth"):
        (broken / later).unlink()
    assert_close(whole, run(method_inputs, broken, "simclr", compile=not compiled_first, resume=True))


def test_a_machine_that_cannot_compile_is_one_line():
    """In a process of its own, because torch looks for the compiler once."""
    code = (
        "from distill.engine.acceleration import compile_networks\n"
        "from distill.methods.simclr import SimCLR\n"
        "import torch._inductor.config as c; c.cpp.cxx = ('/no/compiler',); c.force_disable_caches = True\n"
        "from distill.errors import run_cli\n"
        "run_cli(lambda: compile_networks(SimCLR(dict(arch='test_resnet'))))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    failed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600
    )
    assert failed.returncode == 2
    (line,) = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: --compile (compile_networks=True): torch cannot compile here: ")


def settings(**wrapper) -> Config:
    optimizer = dict(type="SGD", lr=0.1)
    return Config(dict(optim_wrapper=dict(type="OptimWrapper", optimizer=optimizer) | wrapper))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_mixed_precision_is_refused_and_no_optimiser_fused():
    with pytest.raises(UserError, match="--amp needs a CUDA GPU"):
        acceleration.use_mixed_precision(settings())
    config = settings()
    acceleration.fuse_optimizer(config)
    assert "fused" not in config.optim_wrapper.optimizer


@pytest.mark.parametrize(
    ("wrapper", "line"),
    [
        ({}, []),
        (dict(dtype="bfloat16", loss_scale=dict(enabled=False)), ["  mixed precision in bfloat16"]),
        (dict(dtype="float16", loss_scale="dynamic"), ["  mixed precision in float16, with loss scale"]),
    ],
)
def test_the_header_says_which_precision(wrapper, line):
    config = settings(**(dict(type="AmpOptimWrapper") | wrapper if wrapper else {}))
    assert acceleration.describe(config) == line


@pytest.mark.gpu
def test_a_gpu_fuses_the_optimiser_unless_told_otherwise():
    for changes, fused in (({}, True), ({"foreach": True}, None), ({"fused": False}, False)):
        config = settings()
        config.optim_wrapper.optimizer.update(changes)
        acceleration.fuse_optimizer(config)
        assert config.optim_wrapper.optimizer.get("fused") is fused
    config = settings()
    config.device = "cpu"
    acceleration.fuse_optimizer(config)
    assert "fused" not in config.optim_wrapper.optimizer

"""What needs a GPU: the loss there and here, mixed precision, NCCL, SyncBN, FAISS, compiled networks.

Elsewhere: views made on the device (data/test_device_views.py), a step that waits for nothing
(methods/test_no_waiting.py).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from distill import pretrain
from distill.backbones import Backbone
from distill.checkpoints import read_weights
from distill.data.image_files import open_images
from distill.data.labelled import LabelledFolder
from distill.distributed import mixed_precision
from distill.evaluation import Extraction, extract
from distill.modules.kmeans import assign, faiss_for, kmeans
from tests.conftest import ROOT
from tests.distill.methods.small import SMALL, Inputs, arguments
from tests.distill.methods.test_no_waiting import build

pytestmark = pytest.mark.gpu


def run(name: str, inputs: Inputs, folder: Path, **more) -> tuple[list[float], list[str]]:
    """The losses of ten steps on the GPU, and what the run says."""
    said: list[str] = []
    options = {**SMALL[name].options, "default_hooks.logger.interval": 1, **more.pop("options", {})}
    pretrain(
        **arguments(name, inputs), work_dir=str(folder), seed=3, cfg_options=options, say=said.append, **more
    )
    (curve,) = folder.glob("*/vis_data/scalars.json")
    return [json.loads(line)["loss"] for line in curve.read_text().splitlines() if '"loss"' in line], said


# CRD's negatives are drawn by the device's own generator
@pytest.mark.parametrize("name", [name for name in SMALL if name != "crd"])
def test_a_loss_and_its_gradient_are_the_cpu_s(name, method_inputs):
    """In eval mode, without dropout; float32 on both, and convolutions of a GPU in full precision."""
    found = {}
    with torch.backends.cudnn.flags(allow_tf32=False):
        for device in ("cpu", "cuda"):
            method, data = build(name, method_inputs, device)
            method.eval()
            loss, _ = method.parse_losses(method(**method.data_preprocessor(data), mode="loss"))
            loss.backward()
            gradients = [p.grad.cpu().norm() for p in method.parameters() if p.grad is not None]
            found[device] = loss.detach().cpu(), torch.stack(gradients)
    torch.testing.assert_close(found["cuda"][0], found["cpu"][0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found["cuda"][1].norm(), found["cpu"][1].norm(), rtol=2e-2, atol=1e-4)


def test_networks_are_channels_last_unless_told_otherwise():
    torch.manual_seed(0)
    for channels_last, expected in ((None, True), (False, False)):
        backbone = Backbone("resnet10t", channels_last=channels_last).eval()
        images = torch.rand(2, 3, 64, 64)
        here, there = backbone(images), backbone.cuda()(images.cuda()).cpu()
        weight = backbone.net.layer1[0].conv1.weight
        assert weight.is_contiguous(memory_format=torch.channels_last) == expected
        torch.testing.assert_close(there, here, rtol=1e-2, atol=1e-2)
        assert backbone.cpu().net.layer1[0].conv1.weight.is_contiguous()


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_trains_every_method(name, method_inputs, tmp_path):
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        pytest.skip("this GPU has no bfloat16")
    losses, said = run(name, method_inputs, tmp_path, amp=True)
    assert "  mixed precision in bfloat16" in said
    assert len(losses) == 10 and torch.tensor(losses).isfinite().all()


@pytest.mark.parametrize("name", SMALL)
def test_float16_has_a_loss_scale_that_is_kept(name, method_inputs, tmp_path):
    losses, said = run(name, method_inputs, tmp_path, amp=True, options={"optim_wrapper.dtype": "float16"})
    assert "  mixed precision in float16, with loss scale" in said
    assert len(losses) == 10 and torch.tensor(losses).isfinite().all()
    state = torch.load(tmp_path / "epoch_2.pth", weights_only=True)["optimizer"]
    assert state["loss_scaler"]["scale"] > 1


def by_torchrun(processes: int, inputs: Inputs, folder: Path) -> dict:
    """SimCLR with synchronised batch norm, by that many processes with NCCL; the student's weights."""
    call = {**arguments("simclr", inputs), "batch_size": 8, "epochs": 1, "work_dir": folder, "seed": 3}
    flags = [part for key, value in call.items() if value is not None
             for part in (f"--{key.replace('_', '-')}", str(value))]  # fmt: skip
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    finished = subprocess.run(
        [sys.executable, *torchrun, str(ROOT / "tools/distill.py"), *flags],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert f"batch 8 = {processes} x {8 // processes}" in finished.stdout
    return read_weights(folder / "last.pth").backbone


def test_one_rank_of_nccl_is_a_run_without(method_inputs, tmp_path):
    ranked = by_torchrun(1, method_inputs, tmp_path / "ranked")
    call = arguments("simclr", method_inputs) | {"batch_size": 8, "epochs": 1}
    alone = pretrain(**call, work_dir=str(tmp_path / "alone"), seed=3, say=lambda _: None)
    for key, value in read_weights(alone).backbone.items():
        torch.testing.assert_close(ranked[key], value, rtol=1e-2, atol=1e-3, msg=key)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_ranks_with_synchronised_batch_norm_are_one_with_the_whole_batch(method_inputs, tmp_path):
    one, two = (by_torchrun(count, method_inputs, tmp_path / str(count)) for count in (1, 2))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-2, atol=1e-3, msg=key)


def test_faiss_on_a_gpu_finds_the_clusters_of_the_cpu():
    faiss = faiss_for("auto", "sklearn")
    if faiss is None or not getattr(faiss, "get_num_gpus", lambda: 0)():
        pytest.skip("faiss-gpu is not installed")
    g = torch.Generator().manual_seed(0)
    x = 10 * torch.randn(8, 1, 16, generator=g) + torch.randn(8, 50, 16, generator=g)
    found = [
        assign(x.flatten(0, 1), kmeans(x.flatten(0, 1), 8, 20, 3, seed=0, backend="faiss", gpus=gpus))
        for gpus in (True, False)
    ]
    for labels in found:
        assert all(len(part.unique()) == 1 for part in labels.view(8, 50)), "well separated clusters"
    assert torch.equal((found[0][:, None] == found[0]), (found[1][:, None] == found[1]))


def test_features_in_mixed_precision(image_folder):
    """``--amp``: about the features of float32, made where the network is."""
    torch.manual_seed(0)
    network = Backbone("resnet10t").cuda()
    images = LabelledFolder(image_folder, open_images(image_folder).files, ("one",), np.zeros(24, int))
    whole, mixed = (
        extract(network, images, Extraction(32, 32, precision=precision, workers=0)).x
        for precision in ("float32", mixed_precision())
    )
    assert 0 < (mixed - whole).norm() < 0.05 * whole.norm()


@pytest.mark.parametrize("name", ["compress_2q", "moco_v2", "pcd", "swav"])
def test_compiled_networks_learn_the_same(name, method_inputs, tmp_path):
    eager, _ = run(name, method_inputs, tmp_path / "eager")
    compiled, said = run(name, method_inputs, tmp_path / "compiled", compile=True)
    assert "  compiled networks: the first steps take minutes" in said
    torch.testing.assert_close(torch.tensor(compiled), torch.tensor(eager), rtol=0.05, atol=0.02)
    files = [tmp_path / kind / "epoch_2.pth" for kind in ("eager", "compiled")]
    states = [torch.load(file, weights_only=True)["state_dict"] for file in files]
    assert states[0].keys() == states[1].keys()


def test_a_step_beside_its_bare_networks(run_here):
    shown = run_here(
        "benchmark_train.py", "crd", "--images", 5000, "--image-size", 64, "--steps", 2, "--amp"
    )
    assert torch.cuda.get_device_name() in shown.splitlines()[0]
    assert float(shown.splitlines()[-1].split()[3]) > 0.5

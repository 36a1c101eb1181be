"""A run of MMDetection that counts in epochs, killed and resumed: bit for bit the run that nobody killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("mmdet", reason="MMDetection is not installed: its runs cannot be resumed")

from distill.demo.world import write_demo  # noqa: E402
from transfer import run  # noqa: E402
from transfer.benchmark import find_benchmark  # noqa: E402
from transfer.datasets.find import find_data  # noqa: E402
from transfer.frameworks.mmdet.fill import fill  # noqa: E402
from transfer.frameworks.mmdet.trainer import train_and_test  # noqa: E402
from transfer.jobs.initial import Initial  # noqa: E402
from transfer.jobs.job import make_run  # noqa: E402
from transfer.matrix.plan import make_jobs  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
EPOCHS = 4
SMALL = {
    "train_cfg.max_epochs": EPOCHS,
    "param_scheduler.1.milestones": [2],
    "default_hooks.checkpoint.interval": 1,
    "model.roi_head.bbox_head.fc_out_channels": 32,
    "model.roi_head.mask_head.num_convs": 1,
    "model.train_cfg.rpn_proposal.max_per_img": 20,
    "model.train_cfg.rcnn.sampler.num": 8,
    "model.test_cfg.rpn.max_per_img": 10,
    "model.test_cfg.rcnn.max_per_img": 5,
    "model.neck.out_channels": 32,
    "model.rpn_head.in_channels": 32,
    "model.rpn_head.feat_channels": 32,
    "model.roi_head.bbox_roi_extractor.out_channels": 32,
    "model.roi_head.bbox_head.in_channels": 32,
    "model.roi_head.mask_roi_extractor.out_channels": 32,
    "model.roi_head.mask_head.in_channels": 32,
    "model.roi_head.mask_head.conv_out_channels": 32,
}


def some_run(demo: Path, work_dir: Path):
    """``coco_lowshot_1k``: five pictures in batches of two, in another order every epoch, some mirrored."""
    benchmark = find_benchmark("coco_lowshot_1k")
    options = ("--work-dir", str(work_dir), "--image-size", "64", "--batch-size", "2")
    given = run.parser().parse_args(["coco_lowshot_1k", "x", *options])
    data = find_data("coco", str(demo), None, 5, work_dir / "splits")
    initial = Initial("random", "random", "test_resnet", "", "", (0.5,) * 3, (0.25,) * 3)
    (job,) = make_jobs(benchmark, given, SMALL, initial, data, [0], gpus=0)
    return make_run(job, fill)


def last_state(folder: Path) -> dict:
    return torch.load(folder / f"epoch_{EPOCHS}.pth", weights_only=False)


def kill_after_its_first_epoch(job_file: Path) -> None:
    worker = [sys.executable, "-m", "transfer.worker", str(job_file)]
    process = subprocess.Popen(worker, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 400
    while not (job_file.parent / "epoch_1.pth").exists():
        assert process.poll() is None and time.monotonic() < deadline, "ended before its first epoch"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_run_in_epochs_continues_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    demo = write_demo(tmp_path / "demo", n_classification=(10, 10), n_scenes=(30, 2))
    whole, killed = (some_run(demo, tmp_path / name) for name in ("whole", "killed"))
    assert whole.filled.schedule.epochs == EPOCHS
    whole.save()
    train_and_test(whole.job)

    kill_after_its_first_epoch(killed.save())
    assert not (killed.folder / f"epoch_{EPOCHS}.pth").exists()
    _, first = train_and_test(killed.job)
    assert first > 0
    ours, theirs = last_state(killed.folder), last_state(whole.folder)
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    assert all(torch.equal(value, theirs["state_dict"][key]) for key, value in ours["state_dict"].items())
    momenta = ours["optimizer"]["state"], theirs["optimizer"]["state"]
    assert len(momenta[0]) > 10
    for mine, other in zip(*(state.values() for state in momenta), strict=True):
        assert torch.equal(mine["momentum_buffer"], other["momentum_buffer"])

"""Every benchmark with a native ResNet and with a network that is cut into stages: one step of training each.

MobileNetV3-Large is cut by PCD's table (B.2): its res2 to res5 have 24, 40, 112 and 960 channels.
"""

import importlib
from collections.abc import Callable

import pytest
import torch

from distill.demo.world import write_demo
from transfer import run
from transfer.benchmark import benchmarks
from transfer.datasets.find import find_data
from transfer.jobs.initial import Initial
from transfer.jobs.job import Job, make_run
from transfer.matrix.plan import make_jobs

WIDTHS = {"resnet18": [64, 128, 256, 512], "mobilenetv3_large_100": [24, 40, 112, 960]}
# few regions, so that a step takes about a second; a benchmark without such keys is a segmenter
QUICK = {
    "detectron2": {
        "model.roi_heads.batch_size_per_image": 8,
        "model.proposal_generator.post_nms_topk": [40, 20],
    },
    "mmdet": {"model.train_cfg.rcnn.sampler.num": 8, "model.train_cfg.rpn_proposal.max_per_img": 20},
    "mmseg": {},
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(30, 2))


@pytest.fixture
def job(demo, tmp_path) -> Callable[..., Job]:
    def make(name: str, arch: str) -> Job:
        benchmark = benchmarks()[name]
        split_size = 2 if benchmark.split_size else None
        data = find_data(benchmark.data, str(demo), None, split_size, tmp_path)
        initial = Initial("random", "r", arch, "", "", (0.5,) * 3, (0.2,) * 3)
        options = QUICK[benchmark.framework]
        if benchmark.data.endswith("masks"):
            options = {}
        if data.proposals:
            options = {"model.roi_heads.batch_size_per_image": 8}
        line = (name, "x", "--image-size", "64", "--batch-size", "2", "--work-dir", str(tmp_path))
        (made,) = make_jobs(benchmark, run.parser().parse_args(line), options, initial, data, [0], gpus=0)
        return made

    return make


def in_detectron2(job: Job) -> tuple[list[int], torch.nn.Module, float]:
    from detectron2.config import LazyConfig, instantiate
    from detectron2.utils.events import EventStorage

    from transfer.frameworks.detectron2.fill import FILE, fill

    cfg = LazyConfig.load(str(make_run(job, fill).save().with_name(FILE)))
    model = instantiate(cfg.model)
    cfg.optimizer.params.model = model
    optimizer = instantiate(cfg.optimizer)
    with EventStorage():
        loss = sum(model.train()(next(iter(instantiate(cfg.dataloader.train)))).values())
    loss.backward()
    optimizer.step()
    backbone = getattr(model.backbone, "bottom_up", model.backbone)
    return [backbone.channels[stage] for stage in backbone.out_stages], model, loss.item()


def in_openmmlab(job: Job) -> tuple[list[int], torch.nn.Module, float]:
    from mmengine.config import Config
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import MODELS, DefaultScope
    from mmengine.runner import Runner

    fill = importlib.import_module(f"transfer.frameworks.{job.framework}.fill").fill
    config = Config.fromfile(make_run(job, fill).save().with_name("config.py"))
    with DefaultScope.overwrite_default_scope(job.framework):
        model = MODELS.build(config.model)
        loader = Runner.build_dataloader(config.train_dataloader, seed=0)
        optimizer = build_optim_wrapper(model, config.optim_wrapper)
        data = model.train().data_preprocessor(next(iter(loader)), training=True)
        loss, _ = model.parse_losses(model(**data, mode="loss"))
    loss.backward()
    optimizer.step()
    return [model.backbone.channels[stage] for stage in model.backbone.out_stages], model, loss.item()


STEP = {"detectron2": in_detectron2, "mmdet": in_openmmlab, "mmseg": in_openmmlab}


@pytest.mark.parametrize("arch", WIDTHS)
@pytest.mark.parametrize("name", benchmarks())
def test_every_benchmark_trains_every_kind_of_network(name, arch, job):
    framework = benchmarks()[name].framework
    pytest.importorskip(framework, reason=f"{framework} is not installed: see docs/transfer.md")
    widths, model, loss = STEP[framework](job(name, arch))
    assert widths == (WIDTHS[arch] if len(widths) == 4 else [WIDTHS[arch][2]]), "all four, or res4 of a C4"
    assert 0 < loss < float("inf")
    still = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert still == [], "a random start freezes nothing, and nothing is left out of the loss"

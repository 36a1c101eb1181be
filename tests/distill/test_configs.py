"""Every published run is a config whose docstring says what it is, correctly."""

import ast
import math
import re
from pathlib import Path

import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import nn

from distill.backbones import Backbone, default_mean_std
from distill.engine.recipe import method_names
from distill.engine.validate import validate
from distill.registry import MODELS
from tests.distill.methods.small import small_config

ROOT = Path(__file__).resolve().parents[2]
SCHEDULE_KEYS = {"by_epoch", "begin", "end", "T_max"}
PUBLISHED = sorted(path for path in (ROOT / "configs").glob("*/*.py") if path.parent.name != "_base_")
DINOV3 = [path for path in PUBLISHED if "dinov3" in path.stem]


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_a_config_is_valid_and_its_docstring_and_name_are_true(path):
    config = Config.fromfile(path)
    validate(config)
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert f"tools/distill.py {path.relative_to(ROOT)} --launcher pytorch" in text, "its command"
    assert "Published" in text and "Measured here:" in text.replace("\n", " ")
    batch, accumulated, epochs = re.search(r"_b(\d+)(?:x(\d+))?-(\d+)e_in1k$", path.stem).groups()
    assert (config.batch_size, config.train_cfg.max_epochs) == (int(batch), int(epochs))
    assert config.optim_wrapper.get("accumulative_counts", 1) == int(accumulated or 1)
    assert max(schedule.get("end", 0) for schedule in config.param_scheduler) in (0, int(epochs))


@pytest.mark.parametrize("name", method_names())
def test_last_norms_of_residual_blocks_start_as_in_the_authors_code(name):
    """At 1, except BYOL (Haiku's ResNet), SimCLR (``init_zero=True`` in resnet.py), and our own method."""
    model = Config.fromfile(ROOT / "configs" / "_base_" / f"{name}.py").model
    start = 0.0 if name in ("byol", "byol_accumulated", "simclr", "feature_matching") else 1.0
    for part in {"student", "online_teacher"} & model.keys():
        last = Backbone(**{**model[part], "arch": "test_resnet"}).net.layer4[0]
        assert (last.bn3 if hasattr(last, "bn3") else last.bn2).weight.unique().tolist() == [start], part


def test_compress_2q_with_a_resnet50_has_the_released_code_s_linear_layer():
    (path,) = [path for path in PUBLISHED if path.stem.startswith("compress_2q_resnet50")]
    assert Config.fromfile(path).model.projection == 8192


def test_seed_s_mobile_students_have_the_dropout_and_norms_of_the_authors_networks():
    built = {}
    for path in PUBLISHED:
        settings = Config.fromfile(path).model.student
        if path.stem.startswith("seed_") and settings.arch in ("mobilenetv3_large_100", "efficientnet_b0"):
            built[settings.arch] = Backbone(**settings).train()
    mobile, efficient = built["mobilenetv3_large_100"], built["efficientnet_b0"]
    assert (mobile.net.drop_rate, efficient.net.drop_rate) == (0.2, 0.2)
    norms = [m for m in efficient.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}
    # drop connect grows with the depth, from 0 up to just below 0.2
    rates = [m.drop_prob for m in efficient.modules() if hasattr(m, "drop_prob")]
    assert rates == sorted(rates) and 0.18 < rates[-1] <= 0.2
    torch.manual_seed(0)
    zeros = (mobile(torch.rand(4, 3, 64, 64)) == 0).float().mean()
    assert 0.15 < zeros < 0.25, "the head takes features of which a fifth is dropped"


def test_cluster_classification_steps_as_train_kmeans_does(method_inputs):
    """Nesterov's momentum throughout, and weight decay for all but batch norms."""
    config = small_config("cluster_classification", method_inputs)
    with DefaultScope.overwrite_default_scope("distill"):
        method = MODELS.build(config.model)
        optimizer = build_optim_wrapper(method, config.optim_wrapper).optimizer
    norms = [m for m in method.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    of_norms = {id(parameter) for norm in norms for parameter in norm.parameters()}
    assert all(group["nesterov"] and group["momentum"] == 0.9 for group in optimizer.param_groups)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0 if id(parameter) in of_norms else 1e-4)


def test_simclr_s_weight_decay_is_the_paper_s_and_says_what_else_the_authors_use():
    path = ROOT / "configs" / "_base_" / "simclr.py"
    assert Config.fromfile(path).optim_wrapper.optimizer.weight_decay == 1e-6
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert "the paper's 1e-6" in text and "optim_wrapper.optimizer.weight_decay=1e-4" in text


def test_seed_holds_its_learning_rate_for_five_epochs():
    """The released ``adjust_learning_rate`` steps once an epoch and counts its cosine from epoch 0."""
    config = Config.fromfile(ROOT / "configs" / "_base_" / "seed.py")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], config.optim_wrapper.optimizer.lr)
    schedules = [
        PARAM_SCHEDULERS.get(schedule["type"]).build_iter_from_epoch(
            optimizer=optimizer, epoch_length=2, **{k: v for k, v in schedule.items() if k in SCHEDULE_KEYS}
        )
        for schedule in config.param_scheduler
    ]
    for step in range(2 * 200):
        epoch, found = step / 2, optimizer.param_groups[0]["lr"]
        published = 0.03 if epoch < 5 else 0.03 * 0.5 * (1 + math.cos(math.pi * epoch / 200))
        assert found == pytest.approx(published, abs=0.03 * 0.026), epoch
        assert epoch >= 5 or found == 0.03
        optimizer.step()
        for schedule in schedules:
            schedule.step()


@pytest.fixture(scope="module")
def dinov3_file(tmp_path_factory):
    """A narrow network of DINOv3's kind, untrained; its layer scales are 1, so that pictures differ."""
    torch.manual_seed(0)
    state = timm.create_model("vit_tiny_patch16_dinov3_qkvb").state_dict()
    for key, value in state.items():
        if "gamma" in key:
            value.fill_(1.0)
    torch.save(state, file := tmp_path_factory.mktemp("dinov3") / "vit.pth")
    return file


@pytest.mark.parametrize("path", DINOV3, ids=lambda path: path.stem)
def test_a_student_of_dinov3_learns_its_class_token_and_its_patches(path, dinov3_file):
    config = Config.fromfile(path)
    config.model.teacher.update(weights=str(dinov3_file), arch="vit_tiny_patch16_dinov3_qkvb")
    with DefaultScope.overwrite_default_scope("distill"):
        method = MODELS.build(config.model).train()
        optimizer = build_optim_wrapper(method, config.optim_wrapper).optimizer
    view = torch.rand(4, 3, 64, 64)
    embedding, patches = method.teacher.with_map(view)
    network = method.teacher.backbone
    tokens = network.net.forward_features((view - network.mean) / network.std)
    torch.testing.assert_close(embedding, tokens[:, 0])
    inner = method.student.features_and_inner_map(view)[1]
    assert patches.shape[2:] == inner.shape[2:] == (4, 4)
    steps = []
    for _ in range(3):
        losses = method.loss([view], torch.arange(4))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        steps.append({name: loss.item() for name, loss in losses.items()})
    assert all(steps[-1][name] < steps[0][name] for name in ("loss_features", "loss_map")), steps


def test_their_teacher_is_dinov3_s_vit_b_with_its_mean_and_deviation():
    teachers = {Config.fromfile(path).model.teacher.weights for path in DINOV3}
    assert teachers == {"vit_base_patch16_dinov3.lvd1689m"} and len(DINOV3) == 4
    assert timm.is_model_pretrained(*teachers)
    assert default_mean_std(*teachers) == (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)


def test_every_student_of_the_papers_has_a_config():
    students = {Config.fromfile(path).model.student.arch for path in PUBLISHED}
    assert students >= {
        "alexnet_compress", "resnet18", "resnet50", "mobilenetv2_100", "mobilenetv3_large_100",
        "efficientnet_b0", "regnety_006",
    }  # fmt: skip

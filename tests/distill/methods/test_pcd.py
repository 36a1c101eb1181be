"""PCD: which views are compared, what is enqueued, and which parts of the student are trained."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from distill.backbones import Backbone
from distill.checkpoints import save_student
from distill.errors import UserError
from distill.losses import pixel_contrast_loss
from distill.methods.pcd import PCD
from distill.modules.heads import mlp

STUDENT = "mobilenetv3_small_050"


def method(weights, **options) -> PCD:
    torch.manual_seed(0)
    student = options.pop("student", STUDENT)
    teacher = {"weights": str(weights), "output": options.pop("output", "head")}
    teacher["batch_statistics"] = options.pop("batch_statistics", False)
    settings = {"hidden": 32, "attention_width": 32, "queue_length": 7} | options
    pcd = PCD(dict(arch=student), teacher, **settings).eval()  # batch norms do not depend on the batch
    if settings["attention_width"]:
        nn.init.normal_(pcd.attention.output.weight, std=0.1)
    return pcd


def images(size=96) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(3, 3, size, size, generator=generator) for _ in range(2)]


def teacher_of(arch, head, path):
    """A file in this project's format with an untrained network and that head."""
    torch.manual_seed(2)
    backbone = Backbone(arch)
    head = head(backbone.width).eval()
    for layer in head:
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.running_mean)
    mean, std = backbone.mean.flatten().tolist(), backbone.std.flatten().tolist()
    save_student(path, backbone.net, arch, mean, std, None, head.state_dict())
    return path


@pytest.fixture(scope="module")
def vit_file(tmp_path_factory):
    return teacher_of(
        "test_vit",
        lambda width: mlp(width, 24, 24, 16, norm=True),
        tmp_path_factory.mktemp("vit") / "vit.pth",
    )


def student_map(pcd, view):
    return pcd.predictor(pcd.projector(pcd.attention(pcd.student.feature_map(view))))


@pytest.mark.parametrize(
    ("pairing", "symmetric", "pairs"),
    [
        ("cross", True, [(0, 1), (1, 0)]),
        ("cross", False, [(1, 0)]),
        ("same", True, [(0, 0), (1, 1)]),
        ("same", False, [(0, 0)]),
    ],
)
def test_which_view_meets_which(pairing, symmetric, pairs, teacher_file):
    pcd, views = method(teacher_file, view_pairing=pairing, symmetric=symmetric), images()
    terms = []
    for ours, theirs in pairs:
        target = pcd.teacher_head(pcd.teacher.backbone.feature_map(views[theirs]))
        terms.append(pixel_contrast_loss(student_map(pcd, views[ours]), target, pcd.queue.anchors.clone()))
    loss = pcd.loss(views, torch.arange(3))["loss"]
    torch.testing.assert_close(loss, torch.stack(terms).mean())


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("vectorised", [True, False])
def test_the_queue_takes_the_teachers_embeddings_of_view_1(symmetric, vectorised, teacher_file):
    """Their average over the map is the teacher's output for the whole image, thanks to SpatialAdaptor."""
    attention = None if vectorised else 32
    pcd = method(teacher_file, symmetric=symmetric, vectorised=vectorised, attention_width=attention)
    views = images()
    before = pcd.queue.anchors.clone()
    pcd.loss(views, torch.arange(3))
    expected = F.normalize(pcd.teacher(views[0]), dim=1)
    torch.testing.assert_close(pcd.queue.anchors[:3], expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(pcd.queue.anchors[3:], before[3:])
    assert int(pcd.queue.pointer) == 3


def test_vectorised_is_the_same_loss_on_pooled_features(teacher_file):
    pcd, views = method(teacher_file, vectorised=True, attention_width=None), images()
    total, anchors = 0.0, pcd.queue.anchors.clone()
    for ours, theirs in ((0, 1), (1, 0)):
        features = pcd.student(views[ours])[:, :, None, None]
        student = F.normalize(pcd.predictor(pcd.projector(features)).flatten(1), dim=1)
        teacher = F.normalize(pcd.teacher(views[theirs]), dim=1)
        logits = torch.cat([(student * teacher).sum(1, keepdim=True), student @ anchors.T], 1) / 0.2
        total += F.cross_entropy(logits, torch.zeros(3, dtype=torch.long)) / 2
    torch.testing.assert_close(pcd.loss(views, torch.arange(3))["loss"], total)
    assert all(parameter.requires_grad for parameter in pcd.student.parameters())


@pytest.mark.parametrize("size", [160, 96])  # test_vit's own size: 10 x 10 patches; and another
def test_a_vision_transformer_teaches_its_patches(size, vit_file):
    pcd, views = method(vit_file).train(), images(size)
    assert not any(module.training for module in pcd.teacher.modules())
    maps = pcd._teacher_map(views[0])
    assert maps.shape == (3, 16, size // 16, size // 16)
    tokens = pcd.teacher.backbone.net.forward_features(pcd.teacher.backbone._normalise(views[0]))
    # averaged over the patches, without the class token
    torch.testing.assert_close(
        maps.mean((2, 3)), pcd.teacher.head(tokens[:, 1:].mean(1)), rtol=1e-4, atol=1e-5
    )
    assert student_map(pcd, views[0]).shape == (3, 16, size // 32, size // 32)
    loss = pcd.loss(views, torch.arange(3))["loss"]
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_teacher_by_the_batch_is_the_released_code_s_train_mode(vectorised, method_inputs):
    """Backbone and head act as after ``train()``, but do not change; by default as after ``eval()``."""
    settings = dict(vectorised=vectorised, attention_width=None)
    view = images(64)[0]
    with torch.no_grad():
        frozen = method(method_inputs.swav, **settings)
        expected = {}
        for training in (False, True):
            backbone = copy.deepcopy(frozen.teacher.backbone).train(training)
            head = copy.deepcopy(frozen.teacher_head).train(training)
            features = backbone(view) if vectorised else backbone.feature_map(view)
            expected[training] = head(features).reshape(3, 16, -1)
        for training, pcd in (
            (False, frozen),
            (True, method(method_inputs.swav, batch_statistics=True, **settings).train()),
        ):
            before = {key: value.clone() for key, value in pcd.teacher.state_dict().items()}
            torch.testing.assert_close(pcd._teacher_map(view).reshape(3, 16, -1), expected[training])
            after = pcd.teacher.state_dict()
            assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert not torch.allclose(expected[False], expected[True], rtol=0.1)


def test_a_vision_transformer_learns_too(teacher_file):
    pcd = method(teacher_file, student="test_vit").train()
    pcd.loss(images(160), torch.arange(3))["loss"].backward()
    assert pcd.student.net.patch_embed.proj.weight.grad.abs().max() > 0


def test_a_transformers_pixels_need_whole_patches(vit_file):
    with pytest.raises(UserError, match="multiples of its patch"):
        method(vit_file).loss(images(90), torch.arange(3))


def test_a_batch_norm_at_the_end_of_the_head_is_left_out(tmp_path):
    """MoCo-v3's heads have one, and the released code does not use it; ``last_norm`` keeps it."""
    head = lambda width: mlp(width, 24, 16, norm=True, last_norm=True)  # noqa: E731
    file, (view, _) = teacher_of("resnet10t", head, tmp_path / "teacher.pth"), images()
    kept, without = method(file, last_norm=True), method(file)
    assert isinstance(kept.teacher.head[-1], nn.BatchNorm1d)
    torch.testing.assert_close(kept._teacher_map(view).mean((2, 3)), kept.teacher(view), rtol=1e-4, atol=1e-5)
    before = kept.teacher.head[:-1](kept.teacher.backbone(view))
    torch.testing.assert_close(without._teacher_map(view).mean((2, 3)), before, rtol=1e-4, atol=1e-5)


def test_all_that_is_trained_gets_a_gradient_and_the_rest_stays(teacher_file):
    pcd = method(teacher_file).train()
    pcd.loss(images(), torch.arange(3))["loss"].backward()
    without = {name for name, parameter in pcd.named_parameters() if parameter.grad is None}
    assert without == {"student.net.conv_head.weight", "student.net.conv_head.bias"}
    assert not pcd.student.net.conv_head.weight.requires_grad


def test_attention_and_heads_are_dropped(teacher_file):
    exports = method(teacher_file).exports()
    assert list(exports) == ["last"]
    assert isinstance(exports["last"].backbone, Backbone)
    assert exports["last"].head is None


def test_several_hidden_layers(teacher_file):
    widths = [layer.out_channels for layer in method(teacher_file, hidden=(24, 16)).projector[::3]]
    assert widths == [24, 16, 128]


@pytest.mark.parametrize(
    ("biases", "layers"), [("none", (False, False)), ("hidden", (True, False)), ("all", (True, True))]
)
def test_biases_are_those_of_the_teacher_s_head(biases, layers, teacher_file):
    pcd = method(teacher_file, biases=biases)
    for head in (pcd.projector, pcd.predictor):
        convolutions = [layer for layer in head if isinstance(layer, nn.Conv2d)]
        assert tuple(layer.bias is not None for layer in convolutions) == layers


def test_mistakes_are_one_line(teacher_file, method_inputs):
    with pytest.raises(UserError, match=r"set model.teacher.output='head'"):
        method(teacher_file, output="backbone")
    with pytest.raises(UserError, match=r"unknown model.view_pairing 'crossed'.*valid: cross, same"):
        method(teacher_file, view_pairing="crossed")
    with pytest.raises(UserError, match=r"unknown model.biases 'some'.*valid: all, hidden, none"):
        method(teacher_file, biases="some")
    with pytest.raises(UserError, match=r"set model.attention_width=None"):
        method(teacher_file, vectorised=True)
    cached = dict(weights=str(teacher_file), output="auto", cache=str(method_inputs.cache))
    with pytest.raises(UserError, match="needs maps of random views.*leave out --teacher-cache"):
        PCD(dict(arch=STUDENT), cached, hidden=8)

"""Checkpoints: every known layout loads whole; anything else is refused in one line."""

import pickle

import pytest
import torch

from distill.backbones import Backbone, create_backbone, output_width
from distill.backbones.weights import load_strict
from distill.checkpoints import (
    init_of,
    label_of_weights,
    random_weights,
    read_file,
    read_weights,
    save_student,
)
from distill.errors import UserError
from distill.modules.heads import mlp
from distill.targets import Teacher


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return create_backbone("resnet18")


def moco(backbone, head):
    state = {f"module.encoder_q.{k}": v for k, v in backbone.state_dict().items()}
    state |= {f"module.encoder_q.fc.{k}": v for k, v in head.state_dict().items()}
    state |= {f"module.encoder_k.{k}": v for k, v in backbone.state_dict().items()}
    return {"epoch": 200, "arch": "resnet18", "state_dict": {**state, "module.queue": torch.zeros(128, 8)}}


def swav(backbone, head):
    state = {f"module.{k}": v for k, v in backbone.state_dict().items()}
    state |= {f"module.projection_head.{k}": v for k, v in head.state_dict().items()}
    return {**state, "module.prototypes.weight": torch.zeros(3000, 128)}


def torchvision_resnet(backbone, head):
    return {**backbone.state_dict(), "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


LAYOUTS = {"moco-v2": moco, "swav": swav, "torchvision": torchvision_resnet}
HEADS = {
    "moco-v2": mlp(512, 512, 128),
    "swav": mlp(512, 2048, 128, norm=True),
    "torchvision": None,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_told_by_their_keys_and_load_whole(layout, resnet, tmp_path):
    path = tmp_path / "teacher.pth"
    torch.save(LAYOUTS[layout](resnet, HEADS[layout]), path)
    weights = read_weights(path)
    assert (weights.source, weights.arch) == (layout, "resnet18")
    images = torch.rand(2, 3, 48, 48)
    teacher = Teacher(str(path), output="auto")
    normalised = (images - torch.tensor(weights.mean).view(3, 1, 1)) / torch.tensor(weights.std).view(3, 1, 1)
    with torch.no_grad():
        expected = resnet.eval()(normalised)
        if HEADS[layout] is not None:
            expected = HEADS[layout].eval()(expected)
    torch.testing.assert_close(teacher(images), expected)
    assert any("all 120 tensors matched" in line for line in teacher.describe())


def test_swav_brings_its_own_standard_deviation(resnet, tmp_path):
    torch.save(swav(resnet, HEADS["swav"]), tmp_path / "swav.pth")
    assert read_weights(tmp_path / "swav.pth").std == (0.228, 0.224, 0.225)


def test_our_own_format_and_timms(tmp_path):
    torch.manual_seed(0)
    net = create_backbone("mobilenetv3_small_050")
    save_student(
        tmp_path / "last.pth", net, "mobilenetv3_small_050", (0.5,) * 3, (0.25,) * 3, 64, meta={"a": 1}
    )
    weights = read_weights(tmp_path / "last.pth")
    assert (weights.source, weights.mean, weights.image_size, weights.meta) == (
        "distill",
        (0.5,) * 3,
        64,
        {"a": 1},
    )
    Backbone.from_weights(weights)

    import timm

    whole = timm.create_model("mobilenetv3_small_050", num_classes=7)
    torch.save({"state_dict": whole.state_dict()}, tmp_path / "timm.pth")
    weights = read_weights(tmp_path / "timm.pth", arch="mobilenetv3_small_050")
    assert (weights.source, weights.dropped) == ("timm", ("classifier",))
    Backbone.from_weights(weights)
    with pytest.raises(UserError, match="--arch"):
        read_weights(tmp_path / "timm.pth")
    with pytest.raises(UserError, match="holds a mobilenetv3_small_050, not a resnet18"):
        read_weights(tmp_path / "last.pth", arch="resnet18")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("harm", ["missing", "unexpected", "shape"])
def test_one_wrong_key_is_refused(layout, harm, resnet, tmp_path):
    content = LAYOUTS[layout](resnet, HEADS[layout])
    state = content.get("state_dict", content)
    key = next(k for k in state if k.endswith("layer3.1.bn1.weight") and "encoder_k" not in k)
    if harm == "missing":
        del state[key]
    elif harm == "unexpected":
        state[key + "_extra"] = state[key]
    else:
        state[key] = torch.zeros(3)
    torch.save(content, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="layer3.1.bn1.weight"):
        Backbone.from_weights(read_weights(tmp_path / "bad.pth", arch="resnet18"))


def test_a_refused_load_leaves_the_module_untouched(resnet):
    before = {k: v.clone() for k, v in resnet.state_dict().items()}
    state = {k: torch.zeros_like(v) for k, v in before.items()}
    del state["conv1.weight"]
    with pytest.raises(UserError, match="119 of 120 tensors match; 1 missing \\(conv1.weight\\)"):
        load_strict(resnet, state, "test")
    assert all(torch.equal(v, before[k]) for k, v in resnet.state_dict().items())


class Harmful:
    def __reduce__(self):
        return (print, ("code ran",))


def test_files_that_are_no_checkpoints(tmp_path, capsys):
    with pytest.raises(UserError, match="no such checkpoint file"):
        read_weights(tmp_path / "missing.pth")
    torch.save({"state_dict": Harmful()}, tmp_path / "harmful.pth")
    with pytest.raises(UserError, match="refused.*would run code.*print"):
        read_file(tmp_path / "harmful.pth")
    (tmp_path / "old.pkl").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(UserError):
        read_file(tmp_path / "old.pkl")
    assert "code ran" not in capsys.readouterr().out
    torch.save({"a": torch.zeros(1000)}, tmp_path / "whole.pth")
    (tmp_path / "torn.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:2000])
    with pytest.raises(UserError, match="not a whole checkpoint"):
        read_file(tmp_path / "torn.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(UserError, match="holds a Tensor"):
        read_file(tmp_path / "tensor.pth")


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(UserError, match="did you mean 'resnet18'"):
        read_weights("resnet81")
    with pytest.raises(UserError, match="unknown model"):
        create_backbone("restnet18")


def test_width_is_measured_not_declared():
    """timm declares 960 features for MobileNetV3-Large, but its output has 1280."""
    net = create_backbone("mobilenetv3_large_100")
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.train()
    assert output_width(net) == 1280
    assert net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("arch", "width", "millions"), [("alexnet_compress", 4096, 57.0), ("resnet50x4", 8192, 375.4)]
)
def test_own_architectures_have_the_papers_size(arch, width, millions):
    """CompRess Table A1: ResNet-50x4 375.38 M; AlexNet 61.0 M with its 4.1 M classifier."""
    with torch.device("meta"):
        net = create_backbone(arch)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert net(torch.zeros(2, 3, 64, 64, device="meta")).shape == (2, width)


def test_random_weights_repeat():
    first, again, other = (random_weights("resnet18", seed) for seed in (0, 0, 1))
    assert first.sha256 == again.sha256 != other.sha256


def test_the_teacher_never_leaves_eval_mode(teacher_file):
    teacher = Teacher(str(teacher_file)).train()
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    teacher(torch.rand(4, 3, 32, 32))
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())


def test_a_student_trained_with_another_epsilon_gives_the_same_features_by_its_name_alone(tmp_path):
    """SEED's EfficientNet has 1e-3 and timm's 1e-5; over all layers that makes some per cent."""
    torch.manual_seed(0)
    trained = Backbone("efficientnet_b0", bn_eps=1e-3, drop_path_rate=0.2).eval()
    for module in trained.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.0)
    mean, std = (0.5,) * 3, (0.25,) * 3
    save_student(tmp_path / "last.pth", trained.net, trained.arch, mean, std, 32)
    images = torch.rand(2, 3, 64, 64)
    read = Backbone.from_weights(read_weights(tmp_path / "last.pth")).eval()
    trained.mean, trained.std = read.mean, read.std
    torch.testing.assert_close(read(images), trained(images), rtol=1e-3, atol=1e-6)


def test_where_other_weights_come_from(resnet, tmp_path):
    """Weights that this project did not train are a teacher's; random ones are random."""
    torch.save(torchvision_resnet(resnet, None), tmp_path / "resnet18.pth")
    assert init_of(read_weights(tmp_path / "resnet18.pth")) == "teacher"
    assert init_of(random_weights("test_resnet", 0)) == "random"


@pytest.mark.parametrize(
    ("method", "file", "init"),
    [
        ("CompRess", "last.pth", "distilled"),
        ("MoCo", "last.pth", "self-supervised"),
        ("OSS", "last.pth", "distilled"),
        ("OSS", "teacher.pth", "self-supervised"),
        (None, "last.pth", "distilled"),
    ],
)
def test_older_files_are_told_by_their_method(resnet, tmp_path, method, file, init):
    """They hold no ``init``."""
    meta = {"method": method} if method else {}
    save_student(tmp_path / file, resnet, "resnet18", [0.5] * 3, [0.5] * 3, 32, meta=meta)
    assert init_of(read_weights(tmp_path / file)) == init


def test_one_of_several_networks_is_taken_by_its_key(tmp_path):
    """As timm's ``state_dict_ema``, DeiT's ``model_ema``."""
    plain, averaged = (create_backbone("resnet18").state_dict() for _ in range(2))
    file = tmp_path / "x.pth"
    torch.save({"model": plain, "model_ema": averaged, "epoch": 3}, file)
    first, second = read_weights(file), read_weights(f"{file}::model_ema")
    assert torch.equal(first.backbone["conv1.weight"], plain["conv1.weight"])
    assert torch.equal(second.backbone["conv1.weight"], averaged["conv1.weight"])
    assert (second.path, second.dropped) == (f"{file}::model_ema", ("model",))
    assert second.note.startswith("`model_ema` taken, as asked; architecture told by its keys")
    assert first.sha256 != second.sha256, "rows and caches must not take one for the other"
    assert (label_of_weights(first), label_of_weights(second)) == ("x", "x model_ema")
    with pytest.raises(UserError, match="no state dict 'epoch' in the file; valid: model, model_ema"):
        read_weights(f"{file}::epoch")
    with pytest.raises(UserError, match="no such checkpoint file: .*y.pth"):
        read_weights(f"{tmp_path / 'y.pth'}::model")


def test_what_a_file_leaves_open_is_said(resnet, tmp_path):
    """resnetblur18 has resnet18's keys and other layers: nothing but the file's own word tells them apart."""
    state = create_backbone("resnet18").state_dict()

    def note(content: dict, arch: str | None = None) -> list[str]:
        torch.save(content, tmp_path / "x.pth")
        return Backbone.from_weights(read_weights(tmp_path / "x.pth", arch)).report.lines()[1:]

    assert note(state) == ["  architecture told by its keys: the file does not name it"]
    assert note(state, "resnetblur18") == ["  architecture as given: the file does not name it"]
    assert note({"arch": "resnet18", "state_dict": state}) == []
    several = {"arch": "resnet18", "model": state, "model_ema": state, "optimizer": {"state": {}}}
    assert note(several) == [
        "  `model` taken, one of several state dicts in the file (FILE::KEY takes another)"
    ]
    assert read_weights(tmp_path / "x.pth").dropped == ("model_ema",)


def test_two_networks_in_one_state_dict_are_refused(tmp_path):
    state = create_backbone("test_resnet").state_dict()
    torch.save(state | {f"module.{key}": value for key, value in state.items()}, tmp_path / "x.pth")
    message = r"x\.pth: two networks in one state dict: it has conv1\.0\.weight and module\.conv1\.0\.weight"
    with pytest.raises(UserError, match=message):
        read_weights(tmp_path / "x.pth", "test_resnet")

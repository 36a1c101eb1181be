"""Conversion: verified in every framework that is installed, whole or not at all."""

import ast
import re
import runpy
from pathlib import Path

import pytest
import torch

from distill.backbones import create_backbone
from distill.checkpoints import save_student
from distill.errors import UserError
from transfer.convert import convert
from transfer.frameworks import FRAMEWORKS
from transfer.network.policy import Policy

MEAN, STD = (0.48, 0.45, 0.40), (0.228, 0.224, 0.225)  # near ImageNet's: the config must carry these
ARCHITECTURES = (
    "resnet18", "resnet50", "resnet50d", "resnext50_32x4d", "regnety_006", "regnetx_002", "mobilenetv2_100",
    "mobilenetv3_large_100", "mobilenetv3_small_100", "efficientnet_b0", "efficientnet_lite0", "mnasnet_100",
    "semnasnet_100", "fbnetc_100", "hardcorenas_a", "ghostnet_100", "repvgg_a0", "densenet121",
    "convnext_atto", "tinynet_e", "alexnet_compress",
)  # fmt: skip
# MMDetection has MMSegmentation's adapter, so that some kinds of networks are enough there
KINDS = (
    "resnet18", "mobilenetv3_large_100", "efficientnet_b0", "densenet121", "convnext_atto",
    "alexnet_compress",
)  # fmt: skip
TRIED = [(target, arch) for target in ("detectron2", "mmseg") for arch in ARCHITECTURES]
TRIED += [("mmdet", arch) for arch in KINDS]
BENCHMARKS = Path(__file__).resolve().parents[2] / "configs" / "transfer" / "mmseg"


def installed(target: str) -> None:
    title = FRAMEWORKS[target].title
    pytest.importorskip(target, reason=f"{title} is not installed: its conversion cannot be verified")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Writes a student of an architecture with norms as after training (many start with weight 0)."""
    folder = tmp_path_factory.mktemp("students")

    def write(arch: str) -> Path:
        path = folder / f"{arch}.pth"
        if not path.exists():
            net = create_backbone(arch)
            generator = torch.Generator().manual_seed(1)
            for value in [*net.parameters(), *net.buffers()]:
                if value.dim() == 1 and value.is_floating_point():
                    value.detach().copy_(torch.rand(value.shape, generator=generator) * 0.2 + 0.5)
            save_student(path, net, arch, MEAN, STD, 64)
        return path

    return write


@pytest.mark.parametrize(("target", "arch"), TRIED)
def test_maps_are_timms(target, arch, checkpoint, tmp_path):
    """The written config, loaded by its framework, gives timm's pixels and maps, and trains."""
    installed(target)
    done = convert(checkpoint(arch), target, tmp_path)
    verdicts = [line for line in done.lines if line.startswith("verified")]
    assert all("; a training step on its data settings, an eighth of the size: " in line for line in verdicts)
    both = target == "detectron2" and arch != "alexnet_compress"  # C4 and FPN
    assert len(verdicts) == 1 + both
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in done.files)
    assert any("cut off the end" in line for line in done.lines)


@pytest.mark.parametrize("target", ["detectron2", "mmdet", "mmseg"])
@pytest.mark.parametrize(("arch", "c4"), [("resnet18", False), ("resnet50", True), ("resnext50_32x4d", True)])
def test_the_frameworks_own_resnet_loads_it(target, arch, c4, checkpoint, tmp_path):
    """Without adapter; Detectron2's C4 box head is made of bottlenecks: a ResNet-18 has only an FPN."""
    installed(target)
    done = convert(checkpoint(arch), target, tmp_path, native=True)
    texts = [path.read_text() for path in done.files[1:]]
    assert len(texts) == 1 + 2 * (c4 and target == "detectron2")
    assert not any("transfer.frameworks" in text for text in texts)
    assert all(" 0.0e+00" in line for line in done.lines if line.startswith("verified"))


def test_detectron2s_own_c4_has_the_norm_after_res5(checkpoint, tmp_path):
    """It is MoCo's setting, which Detectron2's box head lacks; nothing of this project builds the head."""
    installed("detectron2")
    from detectron2 import model_zoo
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import get_cfg
    from detectron2.modeling import ROI_HEADS_REGISTRY, build_model

    path = checkpoint("resnet50")
    done = convert(path, "detectron2", tmp_path, native=True, verified=False)
    (config,) = (file for file in done.files if file.name.endswith("_c4.yaml"))
    helper = config.with_suffix(".py")
    assert helper in done.files and "import the .py file beside this one" in config.read_text()
    code = ast.walk(ast.parse(helper.read_text()))
    imported = {node.module for node in code if isinstance(node, ast.ImportFrom)}
    assert imported == {"detectron2.layers", "detectron2.modeling.roi_heads", "torch"}

    cfg = get_cfg()
    cfg.merge_from_file(model_zoo.get_config_file("Base-RCNN-C4.yaml"))
    cfg.merge_from_file(str(config))
    cfg.MODEL.DEVICE = "cpu"
    if cfg.MODEL.ROI_HEADS.NAME not in ROI_HEADS_REGISTRY:
        runpy.run_path(str(helper))
    model = build_model(cfg)
    DetectionCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    *blocks, norm = model.roi_heads.res5
    assert len(blocks) == 3 and isinstance(norm, torch.nn.SyncBatchNorm) and norm.num_features == 2048
    state = torch.load(path, weights_only=True)["backbone"]
    assert torch.equal(blocks[2].conv3.weight, state["layer4.2.conv3.weight"])


@pytest.mark.parametrize(
    ("target", "arch"), [("timm", "mobilenetv3_large_100"), ("torchvision", "resnext50_32x4d")]
)
def test_timm_and_torchvision_alone_give_the_maps(target, arch, checkpoint, tmp_path):
    done = convert(checkpoint(arch), target, tmp_path)
    assert sum(line.startswith("verified") for line in done.lines) == 1


def test_mmdet_config_builds_its_detector(checkpoint, tmp_path):
    """The config serves as a base; its Mask R-CNN has the checkpoint's weights and keeps them."""
    installed("mmdet")
    from mmdet.registry import MODELS
    from mmengine.config import Config

    path = checkpoint("mobilenetv3_small_100")
    done = convert(path, "mmdet", tmp_path)
    whole = tmp_path / "whole.py"
    whole.write_text(f'_base_ = ["{done.files[-1].name}", "mmdet::_base_/schedules/schedule_1x.py"]\n')
    model = MODELS.build(Config.fromfile(whole).model)
    model.init_weights()  # as the runner does: it must not touch the loaded backbone
    state = torch.load(path, weights_only=True)["backbone"]
    assert all(torch.equal(value, state[key]) for key, value in model.backbone.state_dict().items())
    levels = model.eval().extract_feat(torch.rand(1, 3, 64, 64))
    assert [level.shape[-1] for level in levels] == [16, 8, 4, 2, 1]


@pytest.mark.parametrize("stages", [("res2", "res3", "res4", "res5"), ("res4",)])
def test_mmseg_config_builds_its_segmenter(stages, checkpoint, tmp_path):
    installed("mmseg")
    from mmengine.config import Config
    from mmseg.registry import MODELS

    convert(checkpoint("resnet18"), "mmseg", tmp_path, stages=stages, verified=False)
    model = MODELS.build(Config.fromfile(tmp_path / "resnet18_mmseg.py").model).eval()
    assert model.with_auxiliary_head == (len(stages) > 1)
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 19, 8, 8), "stride 8"


def test_mmseg_config_is_the_benchmarks_model(checkpoint, tmp_path):
    """Layer by layer: strides, dilations, widths of the heads."""
    installed("mmseg")
    from mmengine.config import Config
    from mmseg.registry import MODELS

    done = convert(checkpoint("resnet18"), "mmseg", tmp_path, verified=False)
    benchmark = Config.fromfile(BENCHMARKS / "cityscapes_seg.py").model
    ours = Config.fromfile(done.files[1]).model
    assert str(MODELS.build(ours)) == str(MODELS.build(benchmark))
    for head in ("decode_head", "auxiliary_head"):
        assert ours[head] == benchmark[head]
    assert "# This is the model of the benchmarks voc12_seg and cityscapes_seg" in done.files[1].read_text()


@pytest.mark.parametrize(
    ("arch", "options", "said"),
    [
        ("alexnet_compress", {}, "stride 32, not 8 .res2 cannot be brought to stride 4"),
        ("convnext_atto", {}, "stride 32, not 8 .res4 cannot be brought to stride 8"),
        ("resnet18", {"native": True}, "stride 32, not 8 .MMSegmentation's own ResNet dilates the first"),
        ("resnet18", {"stages": ("res3", "res4")}, "its heads are on res3, res4 alone"),
        ("resnet18", {"policy": Policy(norm="BN")}, "it is frozen or normalised in another way"),
    ],
)
def test_mmseg_config_says_where_it_is_another_model(arch, options, said, checkpoint, tmp_path):
    done = convert(checkpoint(arch), "mmseg", tmp_path, verified=False, **options)
    about = done.files[1].read_text().splitlines()[1]
    assert re.match(f"# This is not the model of the benchmarks voc12_seg and cityscapes_seg .*{said}", about)


def test_a_config_that_cannot_train_is_not_written(checkpoint, tmp_path, monkeypatch):
    """MMSegmentation pads training images to a size, and fails where a config has none."""
    installed("mmseg")
    from transfer.frameworks.mmseg import export

    configs, change = export.configs, "model['data_preprocessor'].pop('size')\n"
    monkeypatch.setattr(export, "configs", lambda converted: {".py": configs(converted)[".py"] + change})
    with pytest.raises(UserError, match="cannot use it .*size.*; nothing was written"):
        convert(checkpoint("resnet18"), "mmseg", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_configs_carry_pixels_norm_and_freezing(checkpoint, tmp_path):
    import yaml

    policy = Policy(frozen=("stem", "res2"), norm="BN", norm_eval=True, mean=MEAN, std=STD)
    done = convert(checkpoint("resnet18"), "detectron2", tmp_path, policy=policy, verified=False)
    config = yaml.safe_load(done.files[-1].read_text())
    assert config["INPUT"]["FORMAT"] == "RGB"
    assert config["MODEL"]["PIXEL_MEAN"] == [122.4, 114.75, 102.0]
    assert config["MODEL"]["PIXEL_STD"] == [58.14, 57.12, 57.375]
    assert config["MODEL"]["BACKBONE"]["FREEZE_AT"] == 2
    assert config["MODEL"]["DISTILLED"]["NORM"] == "BN" and config["MODEL"]["DISTILLED"]["NORM_EVAL"]


@pytest.mark.parametrize("case", ["blur", "pixels"])
def test_maps_that_differ_leave_nothing(case, checkpoint, tmp_path):
    """A ResNet with blur pooling has a plain one's keys but other maps; wrong pixels are found too."""
    installed("mmdet")
    wrong = Policy(mean=MEAN[::-1], std=STD)
    arch, policy = ("resnetblur18", None) if case == "blur" else ("resnet18", wrong)
    out = tmp_path / "deep" / "out"
    with pytest.raises(UserError, match="does not give timm's maps, .*nothing was written"):
        convert(checkpoint(arch), "mmdet", out, native=case == "blur", policy=policy)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arch", "target", "options", "said"),
    [
        ("resnet18", "tf", {}, "unknown target 'tf'.*valid: detectron2, mmdet, mmseg, onnx, timm, torchv"),
        ("alexnet_compress", "torchvision", {}, "neither torchvision nor timm has alexnet_compress"),
        ("mobilenetv3_small_100", "mmdet", {"native": True}, "not a plain ResNet .*without --native"),
        ("alexnet_compress", "timm", {}, "timm has no alexnet_compress"),
        ("resnet18", "timm", {"native": True}, "--native is for detectron2, mmdet, mmseg;"),
        ("wide_resnet50_2", "mmdet", {"native": True}, "no ResNet with wide bottlenecks"),
        ("resnet18", "mmdet", {"stages": ("res1",)}, "unknown stage 'res1'"),
        ("resnet18", "mmdet", {"arch": "resnet50"}, "holds a resnet18, not a resnet50"),
    ],
)
def test_wrong_requests_are_one_line_and_write_nothing(arch, target, options, said, checkpoint, tmp_path):
    with pytest.raises(UserError, match=said) as caught:
        convert(checkpoint(arch), target, tmp_path / "out", verified=False, **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_command(checkpoint, tmp_path, run_here):
    path = checkpoint("mobilenetv3_small_100")
    said = run_here("convert_backbone.py", path, "--to", "timm", "--out", tmp_path)
    assert "res4: stride 16, 48 channels: blocks.2, blocks.3" in said
    assert "cut off the end: conv_head" in said
    assert "verified mobilenetv3_small_100_timm/config.json in timm" in said
    assert (tmp_path / "mobilenetv3_small_100_timm/model.safetensors").exists()

    failed = run_here("convert_backbone.py", tmp_path / "none.pth", "--to", "timm", code=2)
    assert failed == f"error: no such checkpoint file: {tmp_path}/none.pth\n"


def test_without_the_framework_it_says_so_and_no_verify_writes(checkpoint, tmp_path, run_tool):
    broken = tmp_path / "path" / "mmseg"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no mmseg on this machine')")
    asked = ("convert_backbone.py", checkpoint("resnet18"), "--to", "mmseg", "--out", tmp_path / "out")
    refused = run_tool(*asked, PYTHONPATH=str(broken.parent))
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: MMSegmentation does not import here (no mm")
    assert "--no-verify" in refused.stderr and refused.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()

    written = run_tool(*asked, "--no-verify", PYTHONPATH=str(broken.parent))
    assert written.returncode == 0, written.stderr
    assert "not verified (--no-verify)" in written.stdout
    assert (tmp_path / "out" / "resnet18_mmseg.pth").exists()

"""The graph that ``--to onnx`` writes: every map and the features, for a batch and a size of any kind."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from distill.backbones import create_backbone
from distill.checkpoints import save_student
from distill.errors import UserError
from transfer.convert import convert
from transfer.frameworks.onnx.export import check, exported
from transfer.network.partition import StagedBackbone

pytest.importorskip("onnxscript", reason="onnxscript is not installed: nothing can be written")
onnx = pytest.importorskip("onnx", reason="ONNX is not installed: its graphs cannot be read")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: no graph can be run")

PIXELS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ARCH = "test_efficientnet"  # its features are behind a conv_head


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("student") / "last.pth"
    save_student(path, create_backbone(ARCH), ARCH, *PIXELS, 64)
    return path


def test_maps_and_features_are_pytorchs_at_every_batch_and_size(student, image_folder, tmp_path):
    done = convert(student, "onnx", tmp_path, images=image_folder)
    (verdict,) = (line for line in done.lines if line.startswith("verified"))
    assert "opset 18" in verdict and "ms for one 64 x 64 picture (median of 30, batch of 1, thr" in verdict

    graph, about = tmp_path / f"{ARCH}_onnx.onnx", json.loads((tmp_path / f"{ARCH}_onnx.json").read_text())
    opsets = {one.domain: one.version for one in onnx.load(graph).opset_import}
    assert opsets[""] == about["opset"] == 18
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == list(about["outputs"]) == ["res2", "res3", "res4", "res5", "features"]
    assert about["input"]["mean"] == [0.485, 0.456, 0.406]

    net, stages = create_backbone(ARCH).eval(), StagedBackbone(ARCH).eval()
    state = torch.load(student, weights_only=True)["backbone"]
    net.load_state_dict(state)
    stages.load_state_dict({key: state[key] for key in stages.state_dict()})
    for shape in ((1, 3, 64, 64), (3, 3, 67, 99)):
        pixels = torch.rand(shape)
        found = session.run(None, {"pixels": pixels.numpy()})
        with torch.no_grad():
            wanted = [*stages(pixels).values(), net(pixels)]
        for name, ours, theirs in zip(names, found, wanted, strict=True):
            assert theirs.shape[1] == about["outputs"][name]["channels"]
            torch.testing.assert_close(torch.from_numpy(ours), theirs, rtol=0, atol=1e-5)


def test_a_graph_for_one_size_alone(tmp_path, run_here):
    """MobileViT does another thing on sizes that its patches do not divide; a phone needs one size."""
    save_student(tmp_path / "v.pth", create_backbone("mobilevit_xxs"), "mobilevit_xxs", *PIXELS, 64)
    with pytest.raises(UserError, match="--image-size SIDE writes one for that size alone"):
        convert(tmp_path / "v.pth", "onnx", tmp_path / "out")
    said = run_here("convert_backbone.py", tmp_path / "v.pth", "--to", "onnx", "--image-size", 64)
    name = "mobilevit_xxs_onnx_64"
    assert f"verified {name}.json in ONNX" in said
    about = json.loads((tmp_path / f"converted/{name}.json").read_text())
    assert about["input"]["shape"] == ["batch", 3, 64, 64] and about["image_size"] == 64
    session = onnxruntime.InferenceSession(
        tmp_path / f"converted/{name}.onnx", providers=["CPUExecutionProvider"]
    )
    assert session.run(["res5"], {"pixels": np.zeros((3, 3, 64, 64), np.float32)})[0].shape == (3, 320, 2, 2)
    with pytest.raises(Exception, match="Got: 96 Expected: 64"):
        session.run(None, {"pixels": np.zeros((1, 3, 96, 64), np.float32)})


@pytest.mark.parametrize(
    "target, size, error",
    [
        ("onnx", 100, "--image-size 100: give a multiple of 32"),
        ("onnx", 0, "--image-size 0: give a multiple of 32"),
        ("timm", 64, "--image-size: what is written for timm takes images of any size"),
    ],
)
def test_wrong_sizes_are_told_at_once(target, size, error, student, tmp_path):
    with pytest.raises(UserError, match=error):
        convert(student, target, tmp_path, image_size=size)


def test_a_network_of_one_size_is_refused_by_name():
    class OneSize(nn.Module):
        def forward(self, pixels):
            return (pixels.reshape(-1, 3, 96, 64),) * 5

    with pytest.raises(UserError, match="one_size has no ONNX graph .* would fix the size of res2, res3"):
        exported(OneSize(), "one_size")


def test_a_network_that_treats_some_sizes_in_another_way_is_refused_by_name():
    class Cropped(nn.Module):
        def forward(self, pixels):
            x = pixels if pixels.shape[2] % 32 == 0 else pixels * 2
            return (*(x[:, :, ::stride, ::stride] for stride in (4, 8, 16, 32)), x.mean((2, 3)))

    graph = exported(Cropped(), "cropped").model_proto.SerializeToString()
    with pytest.raises(UserError, match="cropped has no ONNX graph .* res2 would be another on 67x99"):
        check(graph, Cropped(), "cropped")


def test_without_the_packages_it_says_what_to_install(student, tmp_path, run_tool):
    (tmp_path / "path").mkdir()
    (tmp_path / "path/onnxscript.py").write_text("raise ImportError('No module named onnxscript')")
    asked = ("convert_backbone.py", student, "--to", "onnx", "--out", tmp_path / "out", "--no-verify")
    refused = run_tool(*asked, PYTHONPATH=str(tmp_path / "path"))
    assert refused.returncode == 2 and not (tmp_path / "out").exists()
    assert refused.stderr == (
        "error: ONNX does not import here (No module named onnxscript); "
        "`python -m pip install -c constraints.txt onnx onnxruntime onnxscript` installs it\n"
    )

"""The folder that ``--to timm`` writes: opened by timm alone, with a model card that tells what is known."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from markdown_it import MarkdownIt

from distill import results
from distill.backbones import Backbone, create_backbone
from distill.checkpoints import read_weights, save_student
from distill.data.images import read_image
from transfer.convert import convert
from transfer.frameworks.timm.card import card
from transfer.frameworks.timm.export import config
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone
from transfer.network.policy import Policy

ARCH = "test_efficientnet"  # its features are behind a conv_head, its num_features are their width
FLOAT32 = torch.tensor([0.485, 0.456, 0.406]).tolist(), torch.tensor([0.229, 0.224, 0.225]).tolist()
OPEN = """
import numpy, timm, torch
from PIL import Image
model = timm.create_model(f"local-dir:{sys.argv[1]}", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
with torch.no_grad():
    features = model(transform(Image.open(sys.argv[2])).unsqueeze(0))
numpy.save("features.npy", features.numpy())
print(model.num_classes, model.num_features, *transform.transforms)
"""


@pytest.fixture
def student(tmp_path) -> Path:
    """A student as a run leaves it, mean and standard deviation in 32 bits."""
    torch.manual_seed(0)
    meta = {"init": "distilled", "method": "CompRess", "run": "run", "epochs": 3, "steps": 30}
    save_student(tmp_path / "last.pth", create_backbone(ARCH), ARCH, *FLOAT32, 64, meta=meta)
    return tmp_path / "last.pth"


def card_in(folder: Path) -> tuple[dict, str]:
    """The front matter and the text."""
    _, front, text = (folder / f"{ARCH}_timm/README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), text


def test_timm_alone_opens_it_and_gives_the_students_features(student, image_folder, elsewhere, tmp_path):
    convert(student, "timm", tmp_path, verified=False)
    picture = read_image(next(image_folder.rglob("*.png"))).resize((73, 73))
    picture.save(tmp_path / "picture.png")
    said = elsewhere(OPEN, tmp_path / f"{ARCH}_timm", tmp_path / "picture.png")
    assert said.startswith("0 256 Resize(size=73,") and "CenterCrop(size=[64, 64])" in said

    middle = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None, :, 4:68, 4:68]
    with torch.no_grad():
        wanted = Backbone.from_weights(read_weights(student)).eval()(middle)
    found = torch.from_numpy(np.load(tmp_path / "features.npy"))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_the_config_has_the_students_pixels_and_nothing_of_timms_own_weights(student, tmp_path):
    convert(student, "timm", tmp_path, verified=False)
    config = json.loads((tmp_path / f"{ARCH}_timm/config.json").read_text())
    assert (config["architecture"], config["num_classes"], config["num_features"]) == (ARCH, 0, 256)
    pixels = config["pretrained_cfg"]
    assert (pixels["mean"], pixels["std"]) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert (pixels["input_size"], pixels["crop_pct"]) == ([3, 64, 64], 0.875)
    assert not {"tag", "url", "hf_hub_id", "origin_url", "paper_ids", "license"} & pixels.keys()


def test_a_card_says_what_is_not_known(student, tmp_path):
    convert(student, "timm", tmp_path, verified=False)
    front, text = card_in(tmp_path)
    assert (front["library_name"], front["license"]) == ("timm", "unknown")
    assert "distillation" in front["tags"]
    for line in ("Teacher", "Data", "Licence of the teacher", "Licence of the data"):
        assert f"| {line} | not stated |" in text
    assert "The command is not stated." in text and "## Results" not in text


def made(student: Path, text: str, teacher: str) -> None:
    """Writes the manifest and results that a run and an evaluation leave beside a student."""
    config = f"model = dict(teacher=dict(weights={teacher!r}))"
    command = shlex.join(["python", "tools/distill.py", "--data", text])
    about = {"command": command, "config": config, "data": {"root": f"/home/me/{text}", "images": 9}}
    (student.parent / "manifest.json").write_text(json.dumps(about))
    row = results.make_row(
        "knn", text, "distilled", ARCH, 0, {"1nn": 61.25}, str(student), read_weights(student).sha256,
        {"val": {"folder": f"/data/{text}/val"}}, 1.0,
    )  # fmt: skip
    for other in ({}, {"metrics": {"1nn": 62.5}}, {"metrics": {"1nn": 99.0}, "sha256": "another"}):
        results.append(student.parent / "results.jsonl", row | other)


def test_a_card_tells_teacher_data_command_and_the_newest_results(student, tmp_path):
    made(student, "birds", "resnet18.a1_in1k")
    convert(student, "timm", tmp_path, verified=False)
    _, text = card_in(tmp_path)
    for line in (
        "| Teacher | resnet18.a1_in1k |",
        "| Licence of the teacher | apache-2.0 |",
        "| Data | me/birds, 9 images |",
        "| Method | CompRess, 3 epochs, 30 steps |",
        "```\npython tools/distill.py --data birds\n```",
        "| Nearest neighbours | birds/val | 1-NN | 62.5 | 0 |",
    ):
        assert line in text
    assert "61.2" not in text and "99.0" not in text


HOSTILE = ("a|b", "```\n# c", "<b>d</b>", "---\ne: f", "[g](h)", "![i](j)", "\x1b[31m\u202e", "*k*\n\n## l")


def told(student: Path, **changes) -> ConvertedBackbone:
    weights = replace(read_weights(student), **changes)
    return ConvertedBackbone(StagedBackbone(ARCH), Policy(), student.with_name("x"), weights)


def test_names_in_a_card_are_shown_and_do_nothing(student, tmp_path):
    def shape(text: str) -> list[str]:
        (tmp_path / "results.jsonl").unlink(missing_ok=True)
        made(student, text, text)
        written = card(told(student, meta={"init": text, "method": text, "epochs": text}))
        _, front, body = written.split("---\n", 2)
        assert yaml.safe_load(front)["tags"] == ["timm", "image-feature-extraction"]
        return [token.type for token in MarkdownIt("commonmark").enable("table").parse(body)]

    plain = shape("plain")
    for text in HOSTILE:
        assert shape(text) == plain, text


def test_a_file_without_a_size_is_for_224_pixels(student):
    assert config(told(student, image_size=None))["pretrained_cfg"]["input_size"] == [3, 224, 224]


@pytest.mark.parametrize("target", ["timm", "torchvision"])
def test_a_network_that_timm_makes_otherwise_when_asked_for_weights(target, tmp_path):
    """FBNet: its batch norms have another epsilon then, and so a student's have it too."""
    save_student(tmp_path / "last.pth", create_backbone("fbnetc_100"), "fbnetc_100", *FLOAT32, 64)
    done = convert(tmp_path / "last.pth", target, tmp_path)
    assert any(line.startswith("verified") for line in done.lines)

"""The text of the files that a conversion writes: they quote any path and run nothing."""

import ast
import copy
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from distill.backbones import Weights, create_backbone
from distill.backbones.weights import IMAGENET_MEAN, IMAGENET_STD
from distill.checkpoints import random_weights, save_student
from distill.errors import UserError
from transfer.convert import convert
from transfer.frameworks import FRAMEWORKS
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone
from transfer.network.plain_resnet import resnet_layout
from transfer.network.policy import Policy
from transfer.network.weights import read_stage_weights

HOSTILE = {
    "newline": "a\nimport os\nos.system('touch broken')\n#",
    "other line ends": "a\rb\x0bc\x0cd\x1ce\x85f\u2028g\u2029h",
    "double quotes": '"); open("broken", "w"); ("',
    "single quotes": "'); open('broken', 'w'); ('",
    "triple quotes": '""" + open("broken", "w") + """',
    "braces": "{0} {arch} {{}} }} {{{{x}}}}",
    "mmengine's names": "{{ fileDirname }}{{fileBasename}}{{{ fileExtname }}}",
    "mmengine's environment": "{{$HOME:x}}'{{'$HOME:x'}}",
    "mmengine's bases": "{{_base_.model}}",
    "backslashes": "\\n\\' \\\\ \\{{ fileDirname }}\\",
    "not UTF-8": os.fsdecode(b"\xff\xfe'\n"),
    "control characters": "\x00\x01\x1b[31m\x7f\ufeff\u202e",
    "YAML": "- a: &b !!python/object/apply:os.system ['touch broken'] # c\n--- {x: *b}",
    "other letters": "Größe Ёлка 图 🙂",
    "long": "x' \n{{ fileDirname }}" * 200,
}  # fmt: skip


@pytest.fixture(scope="module")
def backbones() -> dict[str, StagedBackbone]:
    """Two that every framework takes, the larger also for Detectron2's own C4; one that cannot be dilated."""
    return {arch: StagedBackbone(arch) for arch in ("resnet18", "resnet50", "alexnet_compress")}


def converted(backbones, native: bool, arch: str, file: str, source: str) -> ConvertedBackbone:
    backbone = copy.copy(backbones["resnet50" if native else "resnet18"])
    layout = resnet_layout(backbone.state_dict(), "resnet50") if native else None
    backbone.arch = arch
    return ConvertedBackbone(backbone, Policy(norm="SyncBN"), Path(file), of_file(source), layout)


def of_file(path: str) -> Weights:
    return replace(random_weights("test_resnet", 0), path=path)


def texts(name: str, told: ConvertedBackbone) -> dict[str, str]:
    return FRAMEWORKS[name].part("export").configs(told)


def renamed(tree: ast.AST, names: dict[str, str]) -> str:
    """The syntax tree's dump with strings replaced."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = names.get(node.value, node.value)
    return ast.dump(tree)


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize(
    ("name", "native"),
    [
        ("mmdet", False), ("mmdet", True), ("mmseg", False), ("mmseg", True),
        ("torchvision", False),
    ],
)  # fmt: skip
def test_a_python_file_has_exactly_the_expected_statements(name, native, case, backbones):
    """The hostile text is a string where a plain one would be, and occurs nowhere else."""
    hostile = HOSTILE[case].replace("/", "")
    plain = texts(name, converted(backbones, native, "ARCH", "/FOLDER/FILE", "SOURCE"))
    found = texts(name, converted(backbones, native, hostile, f"/{hostile}/{hostile}f", hostile))
    assert plain.keys() == found.keys()
    for end, text in found.items():
        text.encode()  # as it is written
        expected = renamed(ast.parse(plain[end]), {"ARCH": hostile, "FILE": f"{hostile}f"})
        assert ast.dump(ast.parse(text)) == expected
        if name in ("mmdet", "mmseg"):
            assert "{{" not in text, "mmengine would replace it"


@pytest.mark.parametrize("case", HOSTILE)
def test_what_a_comment_says_of_a_network_stays_a_comment(case, backbones):
    """AlexNet cannot be dilated, and MMSegmentation's config says why."""
    hostile = HOSTILE[case].replace("/", "")
    alexnet = copy.copy(backbones["alexnet_compress"])
    alexnet.arch = hostile
    told = ConvertedBackbone(alexnet, Policy(norm="SyncBN"), Path("/x/file.pth"), of_file(hostile))
    text = texts("mmseg", told)[".py"]
    assert text.splitlines()[1].endswith("(res2 cannot be brought to stride 4).")
    kinds = [type(statement).__name__ for statement in ast.parse(text).body]
    assert kinds == ["Assign", "Import", "Import", "Assign", "Assign", "Assign"]


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("native", [False, True])
def test_a_yaml_file_reads_back(native, case, backbones):
    hostile = HOSTILE[case].replace("/", "")
    plain = texts("detectron2", converted(backbones, native, "ARCH", "/FOLDER/FILE", "SOURCE"))
    found = texts("detectron2", converted(backbones, native, hostile, f"/{hostile}/{hostile}f", hostile))
    for end, text in found.items():
        if end == "_c4.py":
            assert text == plain[end]
            continue
        expected = yaml.safe_load(plain[end])
        model, path = expected["MODEL"], f"/{hostile}/{hostile}f"
        if native:
            model["WEIGHTS"] = path
        else:
            model["DISTILLED"] |= {"ARCH": hostile, "WEIGHTS": path}
        text.encode()
        assert yaml.safe_load(text) == expected


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_numbers_are_as_people_write_them(name, backbones, tmp_path):
    """A run keeps mean and std in 32 bits, where 0.485 is 0.48500001430511475."""
    mean, std = (torch.tensor(values).tolist() for values in (IMAGENET_MEAN, IMAGENET_STD))
    assert mean[0] != 0.485
    save_student(tmp_path / "last.pth", create_backbone("resnet18"), "resnet18", mean, std, 64)
    weights = read_stage_weights(tmp_path / "last.pth")
    policy = Policy(mean=weights.mean, std=weights.std)
    told = ConvertedBackbone(backbones["resnet18"], policy, tmp_path / "x", weights)
    for end, text in texts(name, told).items():
        assert "0.485" in text or "123.675" in text, end
        assert not re.search(r"\d\.\d{7}", text), end


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_conversion_in_a_hostile_folder_runs_nothing(name, tmp_path, monkeypatch, run_here):
    """Folder and file would write ``broken`` if their names were pasted into a config; both are verified."""
    pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    code = "\nopen('broken', 'w')\nopen(\"broken\", 'w')\n#'''\"\"\"{{ fileDirname }}"
    folder = tmp_path / os.fsdecode(b"'\"\xff" + code.encode())
    folder.mkdir()
    path = folder / f"{code}.pth"
    save_student(path, create_backbone("resnet18"), "resnet18", (0.5,) * 3, (0.2,) * 3, 64)
    said = run_here("convert_backbone.py", path, "--to", name)
    assert said.count(f"verified resnet18_{name}") == (2 if name == "detectron2" else 1)
    written = [path for path in (folder / "converted").rglob("*") if path.is_file()]
    assert len(written) == (3 if name in ("detectron2", "timm") else 2)
    assert not list(tmp_path.rglob("broken"))


@pytest.mark.parametrize("arch", ["resnet18.'x", "resnet18.x\ny", "resnet18.{{ fileDirname }}"])
def test_an_architecture_that_is_no_name_is_refused(arch, tmp_path):
    """Files are named after the architecture, and timm takes any text after the dot."""
    path = tmp_path / "student.pth"
    save_student(path, create_backbone("resnet18"), arch, (0.5,) * 3, (0.2,) * 3, 64)
    with pytest.raises(UserError, match="not the name of an architecture"):
        convert(path, "timm", verified=False)

"""Where a backbone starts from: every word of ``--init``."""

from pathlib import Path

import pytest
import torch

from distill.backbones import create_backbone
from distill.checkpoints import save_student
from distill.errors import UserError
from transfer.jobs.initial import read_initial, read_initials

PIXELS = ((0.5, 0.4, 0.3), (0.25, 0.25, 0.25))


def save(path: Path, arch: str = "test_resnet", **meta) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_student(path, create_backbone(arch), arch, *PIXELS, 32, meta=meta)
    return str(path)


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> str:
    return save(tmp_path_factory.mktemp("runs") / "pupil/last.pth", init="distilled", run="pupil", seed=3)


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> str:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("files") / "published.pth"
    torch.save(create_backbone("resnet18").state_dict(), path)
    return str(path)


def test_the_checkpoint_itself(student):
    initial = read_initial(student, "distilled")
    assert (initial.init, initial.label, initial.weights) == ("distilled", "pupil", student)
    assert (initial.arch, initial.mean, initial.training_seed) == ("test_resnet", PIXELS[0], 3)


def test_pixels_of_a_32_bit_file_are_as_people_write_them(tmp_path):
    """A run keeps mean and deviation in 32 bits, where 0.485 is 0.48500001430511475."""
    mean, std = (tuple(torch.tensor(values).tolist()) for values in ((0.485, 0.456, 0.406), (0.229,) * 3))
    path = tmp_path / "last.pth"
    save_student(path, create_backbone("test_resnet"), "test_resnet", mean, std, 32)
    initial = read_initial(str(path), "distilled")
    assert initial.mean_255 == [123.675, 116.28, 103.53] and initial.std_255 == [58.395] * 3


def test_random_weights_have_the_pixels_of_the_checkpoint(student):
    initial = read_initial(student, "random")
    assert (initial.init, initial.label, initial.weights) == ("random", "random-test_resnet", "")
    assert initial.mean == PIXELS[0]
    assert read_initial("resnet10t", "random").label == "random-resnet10t"


def test_a_file_says_itself_what_it_is_and_a_word_before_it_says_what_it_is_taken_for(student, other):
    plain, supervised, teacher = (
        read_initial(student, init) for init in (other, f"supervised={other}", f"teacher={other}")
    )
    assert [one.init for one in (plain, supervised, teacher)] == ["teacher", "supervised", "teacher"]
    assert {(one.label, one.arch, one.weights) for one in (plain, supervised, teacher)} == {
        ("published", "resnet18", other)
    }


def test_supervised_weights_that_are_not_to_be_had(tmp_path):
    """AlexNet of CompRess is none of timm's: as without a network, a file is asked for."""
    checkpoint = save(tmp_path / "run/last.pth", "alexnet_compress")
    with pytest.raises(
        UserError, match=r"--init supervised: alexnet_compress .*give a file: supervised=FILE"
    ):
        read_initial(checkpoint, "supervised")


def test_the_teacher_that_a_run_trained_lies_beside_the_student(tmp_path):
    student = save(tmp_path / "oss/last.pth", run="oss", init="distilled")
    teacher = save(tmp_path / "oss/teacher.pth", "resnet10t", run="oss", init="self-supervised")
    initial = read_initial(student, "teacher")
    assert (initial.init, initial.label, initial.arch) == ("teacher", "oss teacher", "resnet10t")
    assert initial.weights == teacher


def test_the_teacher_that_a_run_was_given_stands_in_its_config(tmp_path, other):
    student = save(tmp_path / "run/last.pth", run="run", init="distilled")
    config = tmp_path / "run/config.py"
    config.write_text(
        f"lr = 1 / 0  # is not run\nmodel = dict(\n    teacher=dict(output='head', weights={other!r}))\n"
    )
    initial = read_initial(student, "teacher")
    assert (initial.init, initial.label, initial.weights) == ("teacher", "published", other)
    config.write_text("model = dict(teacher=dict(weights='moved.pth'))\n")
    with pytest.raises(UserError, match="no such checkpoint file: moved.pth; give teacher=FILE"):
        read_initial(student, "teacher")


@pytest.mark.parametrize("config", ["model = dict(queue=4)\n", "seed = 1\n", None])
def test_a_run_that_tells_of_no_teacher(config, tmp_path):
    student = save(tmp_path / "run/last.pth")
    if config:
        (tmp_path / "run/config.py").write_text(config)
    with pytest.raises(UserError, match=r"run has neither teacher.pth nor a config.py .*give teacher=FILE"):
        read_initial(student, "teacher")


def test_a_word_that_is_none():
    with pytest.raises(UserError, match="--init distiled: .*starts by name: distilled, random, supervised"):
        read_initial("resnet18", "distiled")


def test_several_starts_have_names_of_their_own(student, other):
    assert [one.label for one in read_initials(student, ["distilled", "random"], None, None)] == [
        *("pupil", "random-test_resnet")
    ]
    two = read_initials(student, [other, f"supervised={other}"], ["a", "b"], None)
    assert [(one.label, one.init) for one in two] == [("a", "teacher"), ("b", "supervised")]
    with pytest.raises(UserError, match="rows of both would be called published; name them with --label"):
        read_initials(student, [other, f"supervised={other}"], None, None)
    with pytest.raises(UserError, match="--label a: give one name a start, 2 for --init distilled random"):
        read_initials(student, ["distilled", "random"], ["a"], None)

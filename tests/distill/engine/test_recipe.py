"""A method's settings, filled in for one's own data, teacher and student."""

import os

import pytest

from distill.engine.pretrain import pretrain
from distill.engine.recipe import recipe
from distill.errors import UserError


@pytest.mark.parametrize(
    ("method", "teacher", "batch", "lr", "note"),
    [
        ("compress_1q", "teacher.pth", 64, 0.01 / 4, "lr 0.01 -> 0.0025: linear rule, 64/256"),
        ("feature_matching", "teacher.pth", 256, 0.02, "lr 0.01 -> 0.02: square-root rule, 256/64"),
    ],
)
def test_another_batch_scales_the_rate_by_the_rule_of_its_optimiser(
    method, teacher, batch, lr, note, image_folder
):
    config, notes = recipe(method, str(image_folder), "resnet18", teacher, batch_size=batch)
    assert config.optim_wrapper.optimizer.lr == pytest.approx(lr) and note in notes
    config, notes = recipe(method, str(image_folder), "resnet18", teacher, batch_size=batch, lr=0.3)
    assert config.optim_wrapper.optimizer.lr == 0.3 and note not in notes


def test_fewer_epochs_shorten_every_schedule_in_proportion(image_folder):
    config, notes = recipe("compress_1q", str(image_folder), "resnet18", "teacher.pth", epochs=13)
    assert config.param_scheduler[0]["milestones"] == [9, 12]
    config, _ = recipe("simclr", str(image_folder), "resnet18", epochs=40)
    warmup, cosine = config.param_scheduler
    assert (warmup["begin"], warmup["end"]) == (0, 2)
    assert (cosine["begin"], cosine["end"], cosine["T_max"]) == (2, 40, 38)
    config, notes = recipe("compress_1q", str(image_folder), "resnet18", "teacher.pth")
    assert config.param_scheduler[0]["milestones"] == [90, 120]
    assert notes == ["queue_length 128000 -> 24: as long as the data set"]


def test_a_short_run_keeps_its_warm_up_in_a_part_of_the_first_epoch(image_folder):
    """SimCLR warms up for a twentieth: of four epochs of 24 images 2.4 steps of 2 images, or 0.6 of 8."""
    data = str(image_folder)
    config, notes = recipe("simclr", data, "resnet18", epochs=4, batch_size=2)
    warmup, cosine = config.param_scheduler
    assert (warmup["begin"], warmup["end"]) == (0, 0.2)
    assert (cosine["begin"], cosine["end"], cosine["T_max"]) == (0.2, 4, 3.8)
    assert "schedule: LinearLR over epochs 0-0.2; CosineAnnealingLR over epochs 0.2-4" in notes
    config, notes = recipe("simclr", data, "resnet18", epochs=4, batch_size=8)
    assert [schedule["type"] for schedule in config.param_scheduler] == ["CosineAnnealingLR"]


@pytest.mark.parametrize("epochs", [1, 20, 40])
def test_no_schedule_has_a_single_step(epochs, image_folder, tmp_path):
    """A linear one would divide by 0: an epoch is one step here, and a twentieth of them is warm-up."""
    options = {"train_dataloader.dataset.augmentation.size": 32}
    student = pretrain(
        "simclr", str(image_folder), "test_resnet", epochs=epochs, batch_size=24, workers=0,
        work_dir=str(tmp_path), cfg_options=options, say=lambda _: None,
    )  # fmt: skip
    assert student.is_file()


def test_what_a_small_data_set_cannot_fill_is_cut_and_said(image_folder):
    config, notes = recipe("crd", str(image_folder), "resnet18", "teacher.pth")
    assert (config.model.samples, config.model.negatives) == (24, 24)
    assert notes == ["negatives 16384 -> 24: as long as the data set"]
    config, notes = recipe("seed_kmeans", str(image_folder), "resnet18", "teacher.pth", teacher_cache="cache")
    assert config.model.clusters == 2
    assert notes == ["clusters 16000 -> 2: 80 images a cluster"]


def test_a_run_too_short_for_an_epoch_of_the_settings_says_so(image_folder):
    config, notes = recipe("swav", str(image_folder), "resnet18", epochs=4)
    assert config.model.queue_start_epoch == 15
    assert "queue_start_epoch 15 is not reached in 4 epochs" in notes
    assert not any(note.startswith("prototypes_frozen") for note in notes)


def test_a_teacher_that_is_trained_is_named_and_has_no_cache(image_folder):
    config, _ = recipe("oss", str(image_folder), "resnet18", "resnet50")
    assert config.model.online_teacher.arch == "resnet50"
    with pytest.raises(UserError, match="needs the name of a teacher to train"):
        recipe("oss", str(image_folder), "resnet18")
    with pytest.raises(UserError, match="leave out --teacher-cache"):
        recipe("oss", str(image_folder), "resnet18", "resnet50", teacher_cache="cache")
    with pytest.raises(UserError, match="leave out --teacher and --teacher-cache"):
        recipe("byol", str(image_folder), "resnet18", teacher_cache="cache")


@pytest.mark.parametrize(
    ("cores", "processes", "given", "workers"),
    [(64, 1, None, 8), (2, 1, None, 2), (16, 8, None, 2), (1, 2, None, 1), (2, 1, 5, 5), (2, 1, 0, 0)],
)
def test_no_more_data_workers_than_cores_unless_asked_for(
    cores, processes, given, workers, image_folder, monkeypatch
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    loader = recipe("simclr", str(image_folder), "resnet18", workers=given)[0].train_dataloader
    assert (loader.num_workers, loader.persistent_workers) == (workers, workers > 0)

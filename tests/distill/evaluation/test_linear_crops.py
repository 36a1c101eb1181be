"""A protocol that trains on images: what it trains, and that its runs are those of the engine."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from distill import results
from distill.backbones import Backbone
from distill.checkpoints import read_weights, save_student
from distill.errors import UserError
from distill.evaluation import Extraction, LinearCrops, evaluate, list_labelled
from distill.evaluation.hook import EvaluationHook
from distill.evaluation.images import Classifier, LabelledImages
from tests import processes
from tests.distill.evaluation.conftest import measure, write_folder

SMALL = Extraction(image_size=32, batch_size=8, workers=0)
QUICK = LinearCrops(epochs=3, batch_size=4)
CROP = {"type": "CropFlip", "size": 32}


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


def test_colours_are_told_apart_and_the_network_stays_as_it_was(backbone, data, tmp_path):
    """Batch norms' statistics too: it is in eval mode while the layer learns."""
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    random_state = torch.get_rng_state()
    result, lines = measure(backbone, data, tmp_path, QUICK)
    assert result.metrics == {"top1": 100.0}
    assert result.settings["linear_crops"]["epochs"] == 3 and result.settings["val"]["images"] == 12
    assert any("24 images in" in line for line in lines) and any("seed 0" in line for line in lines)
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    (folder,) = tmp_path.iterdir()
    trained, start = read_weights(folder / "last.pth"), read_weights(folder / "start.pth")
    assert all(torch.equal(value, start.backbone[key]) for key, value in trained.backbone.items())
    assert trained.head.keys() == {"0.weight", "0.bias"} and trained.meta["init"] == "supervised"
    assert {"manifest.json", "config.py"} <= {path.name for path in folder.iterdir()}


def test_the_loss_is_cross_entropy_on_features_in_eval_mode(backbone, tmp_path):
    save_student(tmp_path / "start.pth", backbone.net, "test_resnet", [0.5] * 3, [0.25] * 3, 32)
    model = Classifier({"arch": "test_resnet"}, str(tmp_path / "start.pth"), classes=3, frozen=True).train()
    images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    label = torch.tensor([2, 0, 1, 2])
    loss = model([images], torch.arange(4), label, mode="loss")["loss"]
    with torch.no_grad():
        features = backbone.net.eval()((images.float() / 255 - 0.5) / 0.25)
    logits = (features @ model.head[0].weight.T + model.head[0].bias).detach().double().numpy()
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    assert loss.item() == pytest.approx(-np.log(p[np.arange(4), label.numpy()]).mean(), rel=1e-5)
    loss.backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert trained == {"head.0.weight", "head.0.bias"}


def test_a_network_that_is_not_frozen_is_trained_as_well(backbone, tmp_path):
    """What a protocol that fine-tunes is made of."""
    start = tmp_path / "start.pth"
    save_student(start, backbone.net, "test_resnet", [0.5] * 3, [0.25] * 3, 32)
    model = Classifier({"arch": "test_resnet"}, str(start), classes=2, frozen=False).train()
    model([torch.zeros(4, 3, 32, 32)], torch.arange(4), torch.arange(4) % 2, mode="loss")["loss"].backward()
    assert model.student.training
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_label_goes_with_its_image_and_with_what_stands_in_for_a_torn_one(tmp_path):
    folder = write_folder(tmp_path / "train", images=2)
    (folder / "cat" / "1.png").write_text("not an image")
    items = [LabelledImages(str(folder), CROP)[0, number] for number in range(4)]
    assert [item["label"] for item in items] == [0, 1, 1, 1]
    assert items[1]["unreadable"] == [str(folder / "cat" / "1.png")]


def test_the_same_run_is_not_trained_twice_and_another_is_another(backbone, data, tmp_path):
    first, _ = measure(backbone, data, tmp_path, QUICK)
    (folder,) = tmp_path.iterdir()
    written = (folder / "epoch_3.pth").stat().st_mtime_ns
    again, _ = measure(backbone, data, tmp_path, QUICK)
    assert again.metrics == first.metrics and (folder / "epoch_3.pth").stat().st_mtime_ns == written
    measure(backbone, data, tmp_path, LinearCrops(epochs=3, batch_size=4, seed=1))
    measure(Backbone("test_resnet"), data, tmp_path, QUICK)  # other random weights
    assert len(list(tmp_path.iterdir())) == 3


def test_killed_and_started_again_it_ends_as_if_nothing_had_happened(
    backbone, data, kill_and_resume, tmp_path
):
    """kill -9 after an epoch; 24 images in batches of 5 leave an odd last batch."""
    checkpoint = tmp_path / "run" / "last.pth"
    checkpoint.parent.mkdir()
    save_student(checkpoint, backbone.net, "test_resnet", [0.5] * 3, [0.25] * 3, 32)
    arguments = [
        str(checkpoint), "--data", str(data), "--workers", "0", "--device", "cpu",
        "--protocols", "linear_crops", "--seed", "3",
        "--cfg-options", "linear_crops.epochs=4", "linear_crops.batch_size=5",
    ]  # fmt: skip
    whole, broken, output = kill_and_resume(arguments, once="evaluation/*/epoch_1.pth")
    assert "resuming from" in output
    (row,) = results.read(broken / "results.jsonl")
    assert (row["kind"], row["title"]) == ("images", LinearCrops.protocol.title)
    ends = [read_weights(next(folder.glob("evaluation/*/last.pth"))) for folder in (whole, broken)]
    assert all(torch.equal(ends[0].head[key], ends[1].head[key]) for key in ends[0].head)


def test_a_run_of_an_earlier_version_is_found_again():
    """A run's folder is named after these: another field would orphan the runs that there are."""
    assert asdict(LinearCrops()) == {
        "epochs": 100, "lr": 0.3, "momentum": 0.9, "weight_decay": 1e-6, "batch_size": 256, "seed": 0,
    }  # fmt: skip


def test_it_trains_where_the_network_is(backbone, data, tmp_path, monkeypatch):
    """Also where mmengine would take another device, as it does on a machine with a GPU."""
    monkeypatch.setattr("mmengine.runner.runner.get_device", lambda: "meta")
    assert measure(backbone, data, tmp_path, QUICK)[0].metrics == {"top1": 100.0}


def test_it_needs_a_place_for_its_run_and_none_in_another_training(backbone, data):
    folder = list_labelled(data / "val")
    with pytest.raises(UserError, match="linear_crops trains a network: it needs a work dir"):
        next(evaluate(backbone, folder, folder, [QUICK], SMALL))
    with pytest.raises(UserError, match="LinearCrops trains a network"):
        EvaluationHook({"train": "a", "val": "b"}, [{"type": "LinearCrops"}])


def error_of_one(rank: int, images: Path, work_dir: Path) -> str:
    folder = list_labelled(images)
    with pytest.raises(UserError) as error:
        next(evaluate(Backbone("test_resnet"), folder, folder, [LinearCrops()], SMALL, work_dir=work_dir))
    return str(error.value)


def test_several_processes_are_refused_before_any_work(data, tmp_path):
    """Each would train a run of its own in the same folder."""
    work_dir = tmp_path / "run"
    errors = processes.in_two(error_of_one, tmp_path, data / "val", work_dir)
    assert all("linear_crops trains in one process: run it without torchrun" in error for error in errors)
    assert not work_dir.exists()


def test_of_several_learning_rates_the_best_is_reported_and_all_are_told(backbone, data, tmp_path):
    """Each is the run that it would be alone; 1e-9 learns nothing, and what is known of it is chance."""
    several = LinearCrops(epochs=3, batch_size=4, lr=(1e-9, 0.3))
    found, lines = measure(backbone, data, tmp_path / "both", several)
    alone = [
        measure(backbone, data, tmp_path / "alone", LinearCrops(epochs=3, batch_size=4, lr=lr))[0].metrics[
            "top1"
        ]
        for lr in several.lr
    ]
    assert found.outcome.details == {"lr": 0.3, "sweep": {"1e-09": alone[0], "0.3": alone[1]}}
    assert found.metrics == {"top1": alone[1]} and alone[1] > alone[0]
    assert "learning rate 0.3" in lines and found.settings["linear_crops"]["lr"] == (1e-9, 0.3)
    with pytest.raises(UserError, match="lr is .*greater than 0"):
        LinearCrops(lr=(0.3, 0.0))


def test_defaults_are_the_papers():
    found = LinearCrops()
    assert (found.epochs, found.lr, found.batch_size, found.weight_decay) == (100, 0.3, 256, 1e-6)

"""Which protocols run on which data sets, what is left out, and that one failure stops nothing else."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from distill import results
from distill.backbones import Backbone
from distill.checkpoints import random_weights
from distill.errors import UserError
from distill.evaluation import KNN, ClusterAlignment, Extraction, Linear, LinearCrops, Retrieval, evaluate
from distill.evaluation.cost import duration, measure, plan_lines, seconds_per_image
from distill.evaluation.plan import done_before, load_sets, make_plan, run_plan
from distill.results.protocol import Protocol
from tests.distill.data.sets.archives import WRITERS, cifar10_of, voc07

SMALL = Extraction(image_size=32, resize=32, batch_size=8, workers=0)
WEIGHTS = random_weights("test_resnet", 0)


@pytest.fixture(scope="module")
def backbone():
    return Backbone.from_weights(WEIGHTS)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data root with four sets; ``stl10`` and others are not there."""
    folder = tmp_path_factory.mktemp("sets")
    for name in ("imagenet", "cifar10", "cub200_by_class"):
        WRITERS[name](folder)
    voc07(folder)
    return folder


@dataclass(frozen=True)
class Broken:
    protocol: ClassVar[Protocol] = Protocol("broken", "Broken", "features", {"top1": "top-1"})

    def run(self, train, val):
        raise UserError("it is broken")


def undone(cell) -> bool:
    return False


def named(cells) -> list[str]:
    return [cell.name for cell in cells]


def test_a_protocol_runs_on_the_sets_of_its_paper(root):
    chosen = [KNN(), LinearCrops(), Retrieval()]
    data, missing = load_sets(["imagenet", "cifar10", "stl10", "cub200_by_class"], root)
    plan = make_plan(chosen, data, undone, missing, everywhere=False)
    assert named(plan.todo) == [
        "knn on imagenet", "linear_crops on imagenet", "linear_crops on cifar10",
        "retrieval on cub200_by_class",
    ]  # fmt: skip
    assert len(plan.missing) == 1 and plan.missing[0].startswith("stl10: there is no ")
    assert not plan.done and not plan.unfit


def test_a_set_that_is_named_gets_every_protocol_that_fits(root):
    data, _ = load_sets(["cifar10", "cub200_by_class", "voc07"], root)
    plan = make_plan([KNN(), Retrieval()], data, undone)
    assert named(plan.todo) == ["knn on cifar10", "retrieval on cifar10", "retrieval on cub200_by_class"]
    (classes, labels) = plan.unfit.items()
    assert (
        classes[0][0] == "cub200_by_class" and "different classes" in classes[0][1] and classes[1] == ["knn"]
    )
    assert labels[0][0] == "voc07" and "those of" in labels[0][1] and labels[1] == ["knn", "retrieval"]


def test_a_protocol_for_several_labels_takes_only_such_sets(root):
    @dataclass(frozen=True)
    class Several:
        protocol: ClassVar[Protocol] = Protocol("several", "Several", "features", sets=("voc07",))

    data, _ = load_sets(["cifar10", "voc07"], root)
    assert named(make_plan([Several()], data, undone).todo) == ["several on voc07"]


def test_what_has_a_row_is_left_out_and_the_rest_goes_on(root, backbone, tmp_path):
    """After an interruption: the rows that are there are those of the protocols that were through."""
    file, chosen = tmp_path / "results.jsonl", [KNN(), Linear(epochs=2), Retrieval()]
    data, _ = load_sets(["cifar10"], root)

    def planned(evaluators=chosen, extraction=SMALL, weights=WEIGHTS, seed=0, data=data):
        rows = results.read(file)
        return make_plan(evaluators, data, done_before(rows, backbone, weights, extraction, seed))

    running = run_plan(planned(), backbone, SMALL, [], tmp_path, say=lambda _: None)
    for result in (next(running), next(running)):
        results.append(file, result.row("mine", "random", WEIGHTS, 0))
    running.close()
    plan = planned()
    assert named(plan.done) == ["knn on cifar10", "linear on cifar10"]
    assert named(plan.todo) == ["retrieval on cifar10"]
    assert results.read(file)[0]["data"] == "cifar10"

    machine = planned(extraction=replace(SMALL, batch_size=4, workers=1))
    assert named(machine.done) == named(plan.done), "what belongs to the machine makes no other measurement"
    assert not planned(extraction=replace(SMALL, image_size=31)).done
    assert not planned(weights=random_weights("test_resnet", 1)).done
    assert not planned(seed=1).done
    assert named(planned([KNN(k=(3,)), Linear(epochs=2)]).done) == ["linear on cifar10"]
    assert not planned(data={"": data["cifar10"]}).done, "a folder of one's own is no known set"


def test_other_labels_or_pictures_under_the_same_name_are_another_measurement(root, backbone):
    (train, val), taken = load_sets(["cifar10"], root)[0]["cifar10"], [KNN(), Retrieval()]
    results_ = evaluate(backbone, train, val, taken, SMALL, data="cifar10", say=lambda _: None)
    rows = [result.row("mine", "random", WEIGHTS, 0) for result in results_]
    is_done = done_before(rows, backbone, WEIGHTS, SMALL, 0)

    def done(train=train, val=val) -> list[str]:
        return named(make_plan(taken, {"cifar10": (train, val)}, is_done).done)

    assert done() == ["knn on cifar10", "retrieval on cifar10"]
    assert not done(val=replace(val, labels=np.roll(val.labels, 1)))
    assert not done(val=replace(val, pixels=255 - val.pixels))
    # retrieval does not look at the training images
    assert done(train=replace(train, labels=np.roll(train.labels, 1))) == ["retrieval on cifar10"]


def test_known_sets_are_the_same_wherever_they_lie(root, backbone, tmp_path):
    WRITERS["cifar10"](tmp_path)
    here, there = (load_sets(["cifar10"], place)[0] for place in (root, tmp_path))
    (result,) = evaluate(backbone, *here["cifar10"], [KNN()], SMALL, data="cifar10", say=lambda _: None)
    rows = [result.row("mine", "random", WEIGHTS, 0)]
    assert make_plan([KNN()], there, done_before(rows, backbone, WEIGHTS, SMALL, 0)).done


def test_one_failure_does_not_stop_the_others(root, backbone, tmp_path):
    data, _ = load_sets(["cifar10", "imagenet"], root)
    plan, failed, said = make_plan([KNN(), Broken(), Retrieval()], data, undone), [], []
    found = [
        (each.task, each.data) for each in run_plan(plan, backbone, SMALL, failed, tmp_path, say=said.append)
    ]
    assert found == [(task, data) for data in ("cifar10", "imagenet") for task in ("knn", "retrieval")]
    assert failed == ["broken on cifar10: it is broken", "broken on imagenet: it is broken"]
    assert f"failed: {failed[0]}" in said


def test_a_bug_shows_its_traceback_and_stops_nothing_either(root, backbone, tmp_path, capsys):
    class Buggy(Broken):
        def run(self, train, val):
            return 1 / 0

    plan = make_plan([Buggy(), KNN()], load_sets(["cifar10"], root)[0], undone)
    failed = []
    assert len(list(run_plan(plan, backbone, SMALL, failed, tmp_path, say=lambda _: None))) == 1
    assert failed == ["broken on cifar10: division by zero"]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_corrupt_images_are_told_once(backbone, tmp_path):
    """By whichever protocol is first, and only if something was computed."""
    WRITERS["imagenet"](tmp_path, images=60)
    torn = tmp_path / "imagenet/val/n02/val_7.JPEG"
    torn.write_bytes(torn.read_bytes()[:100])
    plan = make_plan([Retrieval(), KNN(), Linear(epochs=1)], load_sets(["imagenet"], tmp_path)[0], undone)
    said = []
    assert len(list(run_plan(plan, backbone, SMALL, [], tmp_path, say=said.append))) == 3
    assert said.count(f"skipped, could not be read: {torn}") == 1 and len(said) == 3


def test_a_set_with_too_many_corrupt_images_fails_alone(root, backbone, tmp_path):
    WRITERS["imagenet"](tmp_path)
    (tmp_path / "imagenet/train/n01/train_1.JPEG").write_bytes(b"torn")
    data = load_sets(["imagenet"], tmp_path)[0] | load_sets(["cifar10"], root)[0]
    plan, failed = make_plan([KNN(), Linear(epochs=1)], data, undone), []
    found = list(run_plan(plan, backbone, SMALL, failed, tmp_path, say=lambda _: None))
    assert [each.data for each in found] == ["cifar10", "cifar10"]
    assert len(failed) == 2 and all("train_1.JPEG" in line for line in failed)


def test_features_of_a_set_are_extracted_once(root, backbone, tmp_path):
    data, _ = load_sets(["cifar10", "cub200_by_class"], root)
    plan, seen = make_plan([KNN(), Linear(epochs=1), Retrieval()], data, undone), []
    hook = backbone.register_forward_hook(lambda module, images, output: seen.append(len(output)))
    said = []
    list(run_plan(plan, backbone, SMALL, [], tmp_path, say=said.append))
    hook.remove()
    (train, val), (_, classes) = data["cifar10"], data["cub200_by_class"]
    assert sum(seen) == len(train) + len(val) + len(classes), "retrieval does not look at train"
    assert len(said) == 3


def test_a_protocol_may_resize_in_its_own_way(root, backbone, tmp_path):
    """Where the user says nothing of it; its features are others, and kept in a folder of their own."""

    @dataclass(frozen=True)
    class Squashed(KNN):
        protocol: ClassVar[Protocol] = Protocol("squashed", "Squashed", "features", resize="squash")

    data, _ = load_sets(["cifar10"], root)
    plan, free = make_plan([KNN(), Squashed()], data, undone), replace(SMALL, resize=None)
    plain, squashed = run_plan(plan, backbone, free, [], tmp_path, tmp_path, say=lambda _: None)
    assert (plain.settings["resize"], squashed.settings["resize"]) == (37, "squash")
    assert (tmp_path / "cifar10/train").is_dir() and (tmp_path / "cifar10/squash/train").is_dir()
    assert "  features: 26 images, " in "\n".join(plan_lines(plan, free, {"cifar10": 1.0}))
    _, told = run_plan(plan, backbone, SMALL, [], tmp_path, say=lambda _: None)
    assert told.settings["resize"] == 32


def test_a_plan_says_what_it_costs(root, backbone):
    data, missing = load_sets(["cifar10", "cub200_by_class", "stl10"], root)
    plan = make_plan([KNN(), LinearCrops(epochs=5), Retrieval()], data, undone, missing)
    lines = plan_lines(plan, SMALL, {"cifar10": 0.5, "cub200_by_class": 2.0})
    assert lines[:6] == [
        "plan: 4 to run, 0 whose rows are there",
        "cifar10: 10 + 3 images (published: 50,000 + 10,000), 500.0 ms each",
        "  features: 13 images, 6.5 s",
        "  knn: on the features",
        "  linear_crops: 53 images, 26.5 s",  # 5 x 10 + 3
        "  retrieval: on the features",
    ]
    assert "in all 72 images to pass through the network, about 45.0 s: " in lines[9]  # 13 + 53 + 6
    assert any(line.startswith("missing: stl10: ") for line in lines)
    assert any(line.startswith("left out on cub200_by_class: knn, linear_crops: ") for line in lines)
    assert measure(plan, backbone, SMALL).keys() == {"cifar10", "cub200_by_class"}


def test_an_evaluator_may_tell_its_passes(root):
    class Sweep(LinearCrops):
        def passes(self, train: int, val: int) -> int:
            return 3 * self.epochs * train + val

    (cell,) = make_plan([Sweep(epochs=2)], load_sets(["cifar10"], root)[0], undone).todo
    assert cell.passes() == 3 * 2 * 10 + 3


def test_the_time_of_an_image_is_measured(root, backbone):
    """A network that sleeps takes as long as it sleeps."""
    import time

    (_, val) = load_sets(["cifar10"], root)[0]["cifar10"]
    hook = backbone.register_forward_pre_hook(lambda *_: time.sleep(0.06))
    seconds = seconds_per_image(backbone, val, SMALL)
    hook.remove()
    assert 0.06 / len(val) <= seconds < 0.6


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3.0 s"), (90, "1.5 min"), (5400, "1.5 h"), (129600, "1.5 days")]
)
def test_durations_are_readable(seconds, text):
    assert duration(seconds) == text


FOUR = [KNN(), Linear(), ClusterAlignment(), Retrieval()]


def measured(root, backbone) -> dict[str, float]:
    """The headline of each protocol on the CIFAR-10 that lies there."""
    data, _ = load_sets(["cifar10"], root)
    found = evaluate(backbone, *data["cifar10"], FOUR, SMALL, data="cifar10", say=lambda _: None)
    return {each.task: each.metrics[each.protocol.headline] for each in found}


def test_known_answers(backbone, tmp_path):
    """Classes that are colours: every measure is 100. With shuffled labels it is chance, 25."""
    torch.manual_seed(0)
    colours = np.array([[230, 30, 30], [30, 230, 30], [30, 30, 230], [220, 220, 220]])
    labels = np.tile(np.arange(4), 60)
    noise = np.random.default_rng(0).normal(0, 6, (240, 3, 1024))
    pixels = (colours[labels][:, :, None] + noise).clip(0, 255).astype(np.uint8).reshape(240, 3072)
    cifar10_of(tmp_path / "right", pixels, labels, count=120)
    assert measured(tmp_path / "right", backbone) == dict.fromkeys(
        ("knn", "linear", "cluster_alignment", "retrieval"), 100.0
    )
    cifar10_of(tmp_path / "wrong", pixels, np.random.default_rng(1).permutation(labels), count=120)
    assert all(abs(value - 25) < 15 for value in measured(tmp_path / "wrong", backbone).values())

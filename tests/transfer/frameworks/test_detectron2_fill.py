"""What is filled into a benchmark's config, and that the resulting file is what runs."""

from dataclasses import replace

import pytest
import torch
import yaml

pytest.importorskip("detectron2", reason="Detectron2 is not installed: its configs cannot be filled")

from detectron2.config import LazyConfig, instantiate  # noqa: E402
from detectron2.data.transforms import ResizeShortestEdge  # noqa: E402

from distill.demo.world import write_demo  # noqa: E402
from distill.errors import UserError  # noqa: E402
from transfer.benchmark import benchmarks, find_benchmark  # noqa: E402
from transfer.datasets.find import find_data  # noqa: E402
from transfer.frameworks.detectron2 import trainer  # noqa: E402
from transfer.frameworks.detectron2.fill import FILE, fill, read_schedule  # noqa: E402
from transfer.jobs.initial import Initial  # noqa: E402
from transfer.jobs.job import Job, make_run  # noqa: E402
from transfer.jobs.schedule import Schedule  # noqa: E402

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.2, 0.25)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(30, 2))


@pytest.fixture
def job(demo, tmp_path):
    """Makes a job of a benchmark on the CPU."""

    def make(name: str, **changes) -> Job:
        benchmark = find_benchmark(name)
        data = find_data(benchmark.data, str(demo), None, None, tmp_path)
        initial = Initial("random", "r", "resnet18", "", "", MEAN, STD)
        plain = Job(
            benchmark=name, framework="detectron2", config=str(benchmark.config), smoke="", options={},
            data=data, initial=initial, batch=None, max_steps=None, image_size=None, crop_size=None,
            output_stride=None, seed=3, gpus=0, workers=0, folder=str(tmp_path / "run"),
        )  # fmt: skip
        return replace(plain, **changes)

    return make


def loaded(job: Job):
    """The config of a job, read from the file that runs."""
    path = make_run(job, fill).save()
    return LazyConfig.load(str(path.with_name(FILE)))


def test_the_file_holds_what_runs(job):
    """The picture sizes in the file are those that are trained on."""
    run = make_run(job("voc07_det"), fill)
    path = run.save().with_name(FILE)
    said = yaml.unsafe_load(path.read_text())["dataloader"]["train"]["mapper"]["augmentations"][0]
    assert said["short_edge_length"] == list(range(480, 801, 32))
    resize = instantiate(LazyConfig.load(str(path)).dataloader.train.mapper).augmentations.augs[0]
    assert isinstance(resize, ResizeShortestEdge)
    assert (list(resize.short_edge_length), resize.max_size) == (said["short_edge_length"], said["max_size"])


def test_the_trainer_runs_that_file_and_no_other(job):
    """A change of the file changes the run."""
    small = {"train.max_iter": 3, "train.precise_bn": 1, "model.roi_heads.batch_size_per_image": 8}
    wanted = job("voc07_det_res5", image_size=64, batch=1, options=small)
    path = make_run(wanted, fill).save().with_name(FILE)
    path.write_text(path.read_text().replace("max_iter: 3", "max_iter: 2"))
    metrics, first = trainer.train_and_test(wanted)
    assert torch.load(path.with_name("model_final.pth"), weights_only=False)["iteration"] == 1 and first == 0
    assert set(metrics) == {"AP", "AP50", "AP75", "AP_area", "AP50_area", "AP75_area"}


@pytest.mark.parametrize(
    ("name", "arch", "res4", "res5"),
    [
        ("voc07_det", "resnet34", 256, 2048),  # the box head is Detectron2's: always 2048
        ("voc07_det_res5", "resnet50", 1024, 2048),
        ("voc07_det_res5", "mobilenetv3_small_100", 48, 576),
    ],
)
def test_the_widths_are_the_backbones(job, name, arch, res4, res5):
    wanted = job(name)
    cfg = loaded(replace(wanted, initial=replace(wanted.initial, arch=arch)))
    model = instantiate(cfg.model)
    assert model.backbone.channels["res4"] == model.proposal_generator.rpn_head.conv.in_channels == res4
    predictor = model.roi_heads.box_predictor
    assert predictor.cls_score.in_features == res5 and predictor.num_classes == 10
    assert cfg.model.roi_heads.num_classes == len(wanted.data.classes)
    assert model.pixel_mean.flatten().tolist() == pytest.approx([127.5, 102, 76.5])


def test_one_device_has_plain_batch_norm_and_several_have_syncbn(job):
    assert "SyncBN" not in fill(job("voc07_det")).text
    two = LazyConfig.load(str(make_run(job("voc07_det", gpus=2), fill).save().with_name(FILE)))
    assert (two.model.backbone.norm, two.model.roi_heads.res5.norm) == ("SyncBN", "SyncBN")
    assert (two.train.device, two.dataloader.train.total_batch_size) == ("cuda", 4)


def test_the_linear_rule_reaches_the_optimiser(job):
    """Two pictures a device, an eighth of the published 16."""
    filled = fill(job("voc07_det"))
    assert filled.lines == (
        "schedule, base:  batch 16, lr 0.02 (x0.1 at [18000, 22000]), 24000 steps, warm-up 100",
        "schedule, rule:  linear, batch x 1/8, lr x 1/8, steps x 8",
    )
    assert filled.schedule == Schedule(2, 0.0025, steps=192_000, milestones=(144_000, 176_000), warmup=800)
    cfg = loaded(job("voc07_det", max_steps=24))
    rates = [0.0025 * instantiate(cfg.lr_multiplier)(step / 24) for step in (0, 17, 18, 21, 22, 23)]
    assert rates == pytest.approx([2.5e-6, 2.5e-3, 2.5e-4, 2.5e-4, 2.5e-5, 2.5e-5])
    assert read_schedule(cfg).milestones == (18, 22)


def test_a_run_too_short_for_its_milestones_has_fewer(job):
    rate = instantiate(loaded(job("voc07_det", max_steps=2)).lr_multiplier)
    assert [rate(step / 2) for step in (0, 1)] == pytest.approx([0.001, 1.0])


def test_the_shorter_side_may_be_another(job):
    train, test = (
        cfg.mapper.augmentations[0]
        for cfg in (loaded(job("voc07_det", image_size=240)).dataloader[split] for split in ("train", "test"))
    )
    assert (train.short_edge_length, train.max_size) == ([240], 400)
    assert (test.short_edge_length, test.max_size) == (240, 400)


def test_masks_are_found_by_their_layout_and_cropped(job):
    wanted = job("cityscapes_seg_d2", image_size=64)
    cfg = loaded(wanted)
    assert [step.crop_size for step in cfg.dataloader.train.mapper.augmentations if "crop_size" in step] == [
        [64, 64]
    ]
    record = instantiate(cfg.dataloader.train.mapper)(instantiate(cfg.dataloader.train.dataset)[0])
    assert record["image"].shape == (3, 64, 64) and record["sem_seg"].shape == (64, 64)
    assert set(record["sem_seg"].unique().tolist()) <= {*range(19), 255}
    assert cfg.model.sem_seg_head.num_classes == len(wanted.data.classes) == 19
    cropped = yaml.unsafe_load(fill(job("cityscapes_seg_d2", image_size=64, crop_size=(32, 48))).text)
    assert cropped["dataloader"]["train"]["mapper"]["augmentations"][1]["crop_size"] == [32, 48]


def test_options_come_last_and_reach_everything(job):
    options = {"optimizer.lr": 0.5, "model.proposal_generator.loss_weight": 2.0, "train.amp.enabled": True}
    filled = fill(job("voc07_det", options=options))
    assert filled.schedule.lr == 0.5, "as given, not scaled"
    cfg = yaml.unsafe_load(filled.text)
    assert cfg["model"]["proposal_generator"]["loss_weight"] == 2.0, "an argument that the base leaves out"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": {"optimizer.lrr": 1}}, "'optimizer.lrr'; did you mean 'optimizer.lr'"),
        ({"options": {"optimiser.lr": 1}}, "'optimiser'; did you mean 'optimizer'"),
        ({"options": {"dataloader.train.mapper.augmentations.7.p": 1}}, "augmentations.7"),
        ({"crop_size": (8, 8)}, "--crop-size: detection trains on whole pictures"),
        ({"output_stride": 8}, "--output-stride: voc07_det has none"),
    ],
)
def test_mistakes_are_named(job, changes, said):
    with pytest.raises(UserError, match=said):
        fill(job("voc07_det", **changes))


def test_a_picture_that_cannot_be_used_is_named(job, demo, tmp_path):
    cfg = loaded(job("voc07_det"))
    (tmp_path / "torn.jpg").write_bytes(b"no picture")
    record = {**instantiate(cfg.dataloader.train.dataset)[0], "file_name": str(tmp_path / "torn.jpg")}
    with pytest.raises(UserError, match=r"torn.jpg: not a whole picture \(cannot identify image file"):
        instantiate(cfg.dataloader.train.mapper)(record)


@pytest.mark.parametrize(
    "name", [name for name, benchmark in benchmarks().items() if benchmark.framework == "detectron2"]
)
def test_a_smoke_run_changes_only_keys_that_are_there_and_its_model_builds(job, name):
    cfg = loaded(job(name, smoke=str(find_benchmark(name).smoke_config)))
    assert cfg.train.max_iter <= 200 and cfg.dataloader.train.total_batch_size == 4, "no linear rule in it"
    instantiate(cfg.model)


def test_random_weights_freeze_nothing(job, tmp_path):
    config = tmp_path / "frozen.py"
    source = find_benchmark("voc07_det").config.read_text()
    config.write_text(source.replace("frozen=0", "frozen=2"))
    random = job("voc07_det", config=str(config))
    assert fill(random).frozen == ()
    trained = replace(random, initial=replace(random.initial, weights="last.pth"))
    assert fill(trained).frozen == ("stem", "res2")

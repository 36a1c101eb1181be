"""What ``tools/run_transfer.sh`` fills into a benchmark's config: read back from the file that it writes."""

import importlib
import json
from pathlib import Path

import pytest

pytest.importorskip("mmdet", reason="MMDetection is not installed: its benchmarks cannot be filled")
pytest.importorskip("mmseg", reason="MMSegmentation is not installed: its benchmarks cannot be filled")

import numpy as np  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import TRANSFORMS  # noqa: E402
from PIL import Image  # noqa: E402

from distill.demo.world import write_demo  # noqa: E402
from distill.errors import UserError  # noqa: E402
from distill.report.rows import comparable  # noqa: E402
from transfer import run  # noqa: E402
from transfer.benchmark import find_benchmark  # noqa: E402
from transfer.datasets import cityscapes  # noqa: E402
from transfer.datasets.find import find_data  # noqa: E402
from transfer.jobs.initial import Initial  # noqa: E402
from transfer.jobs.job import make_run  # noqa: E402
from transfer.matrix.plan import make_jobs  # noqa: E402

RANDOM = Initial("random", "random", "resnet34", "", "", (0.5, 0.4, 0.3), (0.2,) * 3)
WEIGHTS = Initial("distilled", "run", "resnet34", "/runs/last.pth", "abc", (0.5, 0.4, 0.3), (0.2,) * 3)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(8, 2))


@pytest.fixture
def fill(demo, tmp_path):
    """(benchmark, options, initial) -> (the result of fill, its config as read from its file)."""

    def filled(name, *options, initial=RANDOM, gpus=0, cfg_options=()):
        benchmark = find_benchmark(name)
        given = run.parser().parse_args([name, "x", "--work-dir", str(tmp_path), *map(str, options)])
        benchmark = benchmark.for_smoke() if given.smoke else benchmark
        data = find_data(
            benchmark.data, str(demo), None, 1 if benchmark.split_size else None, tmp_path / "out"
        )
        (job,) = make_jobs(benchmark, given, dict(cfg_options), initial, data, [3], gpus)
        found = importlib.import_module(f"transfer.frameworks.{benchmark.framework}.fill").fill(job)
        path = tmp_path / found.file
        path.write_text(found.text)
        return found, Config.fromfile(path)

    return filled


def test_backbone_widths_pixels_classes_and_data(fill, demo):
    found, config = fill("coco_lowshot_1k", initial=WEIGHTS)
    model = config.model
    assert (model.backbone.arch, model.backbone.weights) == ("resnet34", "/runs/last.pth")
    assert model.neck.in_channels == [64, 128, 256, 512]
    assert model.data_preprocessor.mean == [127.5, 102.0, 76.5]
    assert model.roi_head.bbox_head.num_classes == model.roi_head.mask_head.num_classes == 10
    train = config.train_dataloader.dataset
    assert train.ann_file.endswith("out/instances_1_fold3.json") and len(train.metainfo.classes) == 10
    assert Path(config.test_dataloader.dataset.ann_file) == demo / "coco/annotations/instances_val2017.json"
    assert config.randomness.seed == 3 and config.train_dataloader.dataset.filter_cfg.min_size == 32
    assert config.train_dataloader.batch_sampler.type == "AspectRatioBatchSampler", "theirs"


def test_the_heads_of_a_segmenter_take_the_backbones_widths(fill):
    _, config = fill("cityscapes_seg", initial=Initial(**{**vars(RANDOM), "arch": "resnet50"}))
    assert (config.model.decode_head.in_channels, config.model.auxiliary_head.in_channels) == (2_048, 1_024)
    assert config.train_dataloader.dataset.type == "SegmentationPairs"
    steps = [step.type for step in config.train_dataloader.dataset.pipeline]
    assert steps[:2] == ["ReadPicture", "LoadAnnotations"] and "PhotoMetricDistortion" in steps


def test_a_random_start_freezes_nothing_and_says_so(fill):
    found, config = fill("coco_lowshot_1k", initial=WEIGHTS)
    assert found.frozen == ("stem", "res2")
    assert (config.model.backbone.frozen_stages, config.model.backbone.norm_eval) == (1, True)
    found, config = fill("coco_lowshot_1k", initial=RANDOM)
    assert found.frozen == ()
    assert (config.model.backbone.frozen_stages, config.model.backbone.norm_eval) == (-1, False)


def test_the_linear_rule_is_applied_once_and_epochs_stay(fill):
    found, config = fill("coco_lowshot_1k", gpus=2)
    assert config.train_dataloader.batch_size == 4 and config.optim_wrapper.optimizer.lr == 0.01
    warmup, steps = config.param_scheduler
    assert (config.train_cfg.max_epochs, steps.milestones) == (740, [500, 660])
    assert warmup.end == 370, "740 epochs of one image: half of the run; else 1000"
    assert config.auto_scale_lr.base_batch_size == 8, "--auto-scale-lr would not scale it again"
    assert "lr x 1/2" in found.lines[1] and config.launcher == "pytorch"


def test_fewer_steps_of_a_run_in_epochs_count_in_steps(fill):
    found, config = fill("coco_lowshot_1k", "--max-steps", 74)
    assert config.train_cfg.to_dict() == {"type": "StepLoop", "max_iters": 74}
    assert config.param_scheduler[1].milestones == [50, 66] and not config.param_scheduler[1].by_epoch
    assert not config.default_hooks.checkpoint.by_epoch and not config.log_processor.by_epoch
    assert (found.schedule.steps, found.schedule.epochs) == (74, None)


def test_an_epoch_that_repeats_its_pictures_has_as_many_more_steps(fill):
    """MMDetection's Cityscapes has 12 epochs of eight passes through the pictures with an instance."""
    found, config = fill("cityscapes_instance", "--max-steps", 96)
    truth = json.loads(Path(config.train_dataloader.dataset.dataset.ann_file).read_text())
    pictures = len({item["image_id"] for item in truth["annotations"] if not item["iscrowd"]})
    assert f"--max-steps 96 of {12 * 8 * pictures // 2}" in found.lines[-1], "in batches of 2"
    assert config.param_scheduler[1].milestones == [64, 88], "8 and 11 of 12"


def test_picture_sizes_follow_the_shorter_side(fill):
    _, config = fill("coco_lowshot_1k", "--image-size", 240)
    for loader in (config.train_dataloader, config.test_dataloader):
        assert [step.scale for step in loader.dataset.pipeline if "scale" in step] == [(400, 240)]
    _, config = fill("cityscapes_seg", "--image-size", 180)
    assert (
        config.train_dataloader.dataset.pipeline[3].crop_size
        == config.model.data_preprocessor.size
        == (180, 180)
    )
    assert config.test_dataloader.dataset.pipeline[1].scale == (360, 180)
    _, config = fill("cityscapes_seg", "--image-size", 180, "--crop-size", 180, 240)
    assert config.train_dataloader.dataset.pipeline[3].crop_size == (180, 240)


def test_options_are_applied_last(fill):
    options = {"optim_wrapper.optimizer.lr": 0.5, "model.neck.norm_cfg": {"type": "BN"}}
    found, config = fill("coco_lowshot_1k", cfg_options=options)
    assert config.optim_wrapper.optimizer.lr == found.schedule.lr == 0.5
    assert config.model.neck.norm_cfg.type == "BN", "a key that the class takes and the config does not give"
    assert found.lines[-1] == "schedule, rule:  --cfg-options, as given"


def test_rows_of_a_benchmark_share_a_table_whatever_backbone_and_seed(demo, tmp_path):
    """A random start freezes nothing, each seed has its split and folder; another batch, another table."""
    data = find_data("coco", str(demo), None, 1, tmp_path / "out")
    fill_config = importlib.import_module("transfer.frameworks.mmdet.fill").fill

    def settings(initial, seed, *options):
        given = run.parser().parse_args(["coco_lowshot_1k", "x", "--work-dir", str(tmp_path), *options])
        (job,) = make_jobs(find_benchmark("coco_lowshot_1k"), given, {}, initial, data, [seed], 0)
        return make_run(job, fill_config).settings

    random, distilled = settings(RANDOM, 0), settings(WEIGHTS, 4)
    assert random["frozen"] == [] and distilled["frozen"] == ["stem", "res2"]
    assert comparable({"settings": random}) == comparable({"settings": distilled})
    assert comparable({"settings": random}) != comparable(
        {"settings": settings(RANDOM, 0, "--batch-size", "2")}
    )


@pytest.mark.parametrize(
    ("name", "options", "cfg_options", "said"),
    [
        ("coco_lowshot_1k", ("--crop-size", 8, 8), {}, "--crop-size: detection trains on whole pictures"),
        ("coco_lowshot_1k", ("--output-stride", 8), {}, "--output-stride: coco_lowshot_1k has none"),
        ("coco_lowshot_1k", (), {"model.nek.in_channels": 1}, "'model.nek'; did you mean 'model.neck'"),
        ("coco_lowshot_1k", (), {"model.neck.norm_cf": 1}, "did you mean 'model.neck.norm_cfg'"),
        ("coco_lowshot_1k", (), {"model.backbone.frozen": 1}, "did you mean 'model.backbone.frozen_stages'"),
        ("coco_lowshot_1k", (), {"param_scheduler.2.gamma": 1}, "unknown config key 'param_scheduler.2'"),
        ("coco_lowshot_1k", (), {"model.type.x": 1}, "model.type is 'MaskRCNN', which has no keys"),
        ("coco_lowshot_1k", (), {"train_cfg.max_epochs": 9}, "milestone 500 is not before the last epoch, 9"),
        ("voc12_seg", (), {"model.backbone.arhc": 1}, "did you mean 'model.backbone.arch'"),
    ],
)
def test_a_mistake_is_one_line(fill, name, options, cfg_options, said):
    with pytest.raises(UserError) as caught:
        fill(name, *options, cfg_options=cfg_options)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["coco_lowshot_1k", "voc12_seg", "cityscapes_seg"])
def test_smoke_is_small_and_learns_by_adamw(fill, name):
    found, config = fill(name, "--smoke")
    assert found.schedule.steps <= 160 and config.optim_wrapper.optimizer.to_dict().keys() == {
        "type",
        "lr",
        "weight_decay",
    }
    scales = [step.scale for step in config.train_dataloader.dataset.pipeline if "scale" in step]
    assert [min(scale) for scale in scales] == [128]


def test_label_ids_become_train_ids_by_mmsegs_own_loading(tmp_path):
    """Cityscapes as downloaded has labelIds; MMSegmentation's own data set wants them converted first."""
    from mmseg.registry import DATASETS, TRANSFORMS

    from transfer.frameworks.openmmlab import data  # noqa: F401  registers SegmentationPairs

    for split in ("train", "val"):
        for folder in (f"leftImg8bit/{split}/bonn", f"gtFine/{split}/bonn"):
            (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(tmp_path / f"leftImg8bit/{split}/bonn/bonn_0_leftImg8bit.png")
        labels = np.array([[0, 7], [33, 26]], dtype=np.uint8)  # void, road; bicycle, car
        Image.fromarray(labels).save(tmp_path / f"gtFine/{split}/bonn/bonn_0_gtFine_labelIds.png")
    where = {"layout": "cityscapes_masks", "data_root": str(tmp_path), "classes": cityscapes.CLASSES}
    pairs = DATASETS.build({"type": "SegmentationPairs", "split": "val", "pipeline": [], **where})
    found = TRANSFORMS.build({"type": "mmseg.LoadAnnotations"})(pairs.get_data_info(0))
    assert found["gt_seg_map"].tolist() == [[255, 0], [18, 13]]


def test_a_broken_picture_is_named(tmp_path):
    importlib.import_module("transfer.frameworks.openmmlab.data")
    (tmp_path / "torn.jpg").write_bytes(b"no picture")
    read = TRANSFORMS.build({"type": "ReadPicture"})
    with pytest.raises(UserError, match=r"torn.jpg: not a whole picture"):
        read({"img_path": str(tmp_path / "torn.jpg")})

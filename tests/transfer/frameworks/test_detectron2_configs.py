"""The benchmarks' configs in Detectron2's own lazy trainer, with nothing of this project but the adapter."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

pytest.importorskip("detectron2", reason="Detectron2 is not installed: its configs cannot be tested")

from detectron2 import model_zoo  # noqa: E402
from detectron2.config import LazyConfig, instantiate  # noqa: E402
from detectron2.data import DatasetCatalog, MetadataCatalog  # noqa: E402
from detectron2.data.datasets import register_coco_instances, register_pascal_voc  # noqa: E402
from detectron2.data.datasets.cityscapes import load_cityscapes_semantic  # noqa: E402
from detectron2.engine import SimpleTrainer, hooks  # noqa: E402
from detectron2.evaluation import inference_on_dataset  # noqa: E402
from detectron2.structures import Boxes, Instances  # noqa: E402
from detectron2.utils.events import EventStorage  # noqa: E402
from torch.nn.modules.batchnorm import _BatchNorm  # noqa: E402

from distill.demo.scenes import DIGITS  # noqa: E402
from distill.demo.world import write_demo  # noqa: E402
from transfer.datasets.cityscapes import CLASSES as CITYSCAPES  # noqa: E402
from transfer.datasets.find import find_data  # noqa: E402
from transfer.frameworks.detectron2.export import own_names  # noqa: E402

FOLDER = Path(__file__).resolve().parents[3] / "configs/transfer/detectron2"


class Row(NamedTuple):
    """What a benchmark's config is to say: the kind of its data, and its schedule."""

    kind: str
    batch: int
    lr: float
    steps: int
    milestones: list[int]


ROWS = {
    "voc07_det": Row("voc", 16, 0.02, 24_000, [18_000, 22_000]),
    "voc07_det_res5": Row("voc", 16, 0.02, 24_000, [18_000, 22_000]),
    "coco_det": Row("coco", 16, 0.02, 90_000, [60_000, 80_000]),
    "coco_det_c4": Row("coco", 16, 0.02, 90_000, [60_000, 80_000]),
    "voc07_fast_rcnn": Row("voc_proposals", 2, 0.001, 15_000, [5_000, 10_000]),
    "cityscapes_seg_d2": Row("masks", 16, 0.01, 90_000, [63_000, 81_000]),
}
SMALL = (
    "train.device=cpu",
    "train.max_iter=3",
    "dataloader.train.total_batch_size=2",
    "dataloader.train.num_workers=0",
    "dataloader.test.num_workers=0",
    "dataloader.train.dataset.names=tiny_train",
    "dataloader.test.dataset.names=tiny_test",
    "dataloader.train.mapper.augmentations.0.short_edge_length=[64]",
    "dataloader.test.mapper.augmentations.0.short_edge_length=64",
    "dataloader.evaluator.dataset_name=tiny_test",
)
FEW_REGIONS = ("model.roi_heads.batch_size_per_image=16", "model.proposal_generator.post_nms_topk=[50,20]")
RESULTS = {"voc": {"bbox"}, "voc_proposals": {"bbox"}, "coco": {"bbox", "segm"}, "masks": {"sem_seg"}}
OF_DATA = {
    "voc": (*FEW_REGIONS, f"model.roi_heads.num_classes={len(DIGITS)}"),
    "coco": (
        *FEW_REGIONS,
        f"model.roi_heads.num_classes={len(DIGITS)}",
        "dataloader.train.mapper.instance_mask_format=bitmask",  # the demo's masks are run-length encoded
    ),
    "voc_proposals": (
        f"model.roi_heads.num_classes={len(DIGITS)}",
        "model.roi_heads.batch_size_per_image=8",
        "dataloader.train.mapper.precomputed_proposal_topk=30",
        "dataloader.test.mapper.precomputed_proposal_topk=10",
    ),
    "masks": (),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(4, 2))
    for mask in root.glob("cityscapes/gtFine/*/*/*_labelIds.png"):  # of these Detectron2 reads the size
        polygons = mask.with_name(mask.name.replace("labelIds.png", "polygons.json"))
        polygons.write_text('{"imgHeight": 128, "imgWidth": 128}')
    return root


@pytest.fixture
def tiny(demo):
    """Registers the demo scenes as Detectron2 registers its own data sets; returns {kind: register}."""

    def voc():
        for name, split in (("tiny_train", "trainval"), ("tiny_test", "test")):
            register_pascal_voc(name, str(demo / "voc/VOCdevkit/VOC2007"), split, 2007, DIGITS)

    def coco():
        folder = demo / "coco"
        for name, split in (("tiny_train", "train2017"), ("tiny_test", "val2017")):
            file = folder / f"annotations/instances_{split}.json"
            register_coco_instances(name, {}, str(file), str(folder / split))
        DatasetCatalog.get("tiny_test")

    def masks():
        for name, split in (("tiny_train", "train"), ("tiny_test", "val")):
            folders = [str(demo / f"cityscapes/{folder}/{split}") for folder in ("leftImg8bit", "gtFine")]
            DatasetCatalog.register(name, partial(load_cityscapes_semantic, *folders))
            MetadataCatalog.get(name).set(stuff_classes=CITYSCAPES, ignore_label=255)

    yield {"voc": voc, "voc_proposals": voc, "coco": coco, "masks": masks}
    for name in ("tiny_train", "tiny_test"):
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def load(name: str):
    return LazyConfig.load(str(FOLDER / f"{name}.py"))


def test_every_config_has_a_row():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_it_trains_and_tests_with_nothing_of_ours_but_the_adapter(name, tiny, demo, tmp_path):
    """It does what Detectron2's ``tools/lazyconfig_train_net.py`` does, with overrides in its grammar."""
    kind = ROWS[name].kind
    tiny[kind]()
    overrides = [*SMALL, *OF_DATA[kind], f"train.output_dir={tmp_path}"]
    if kind == "voc_proposals":
        found = find_data("voc_boxes_and_proposals", str(demo), DIGITS, None, tmp_path)
        for split, file in (("train", found.annotations[0]), ("test", found.test_annotations)):
            overrides.append(f"dataloader.{split}.dataset.proposal_files=[{file}]")
    cfg = LazyConfig.apply_overrides(load(name), overrides)
    model = instantiate(cfg.model).to(cfg.train.device)
    cfg.optimizer.params.model = model
    trainer = SimpleTrainer(model, instantiate(cfg.dataloader.train), instantiate(cfg.optimizer))
    trainer.register_hooks([hooks.LRScheduler(scheduler=instantiate(cfg.lr_multiplier))])
    trainer.train(0, cfg.train.max_iter)
    without = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert without == [], "nothing is frozen"

    found = inference_on_dataset(
        model, instantiate(cfg.dataloader.test), instantiate(cfg.dataloader.evaluator)
    )
    assert set(found) == RESULTS[kind]


@pytest.mark.parametrize("name", ROWS)
def test_the_published_settings(name):
    cfg, row = load(name), ROWS[name]
    assert (cfg.dataloader.train.total_batch_size, cfg.optimizer.lr) == (row.batch, row.lr)
    assert cfg.train.max_iter == row.steps
    rate = instantiate(cfg.lr_multiplier)
    for number, step in enumerate(row.milestones, start=1):
        before, after = (rate((step + shift) / row.steps) for shift in (-1, 0))
        assert (before, after) == pytest.approx((0.1 ** (number - 1), 0.1**number))
    norms = {type(part) for part in instantiate(cfg.model).modules() if isinstance(part, _BatchNorm)}
    assert norms == ({torch.nn.SyncBatchNorm} if name != "voc07_fast_rcnn" else set()), "AlexNet has none"
    assert cfg.dataloader.train.mapper.image_format == cfg.model.get("input_format", "RGB") == "RGB"
    assert cfg.dataloader.test.mapper.image_format == "RGB"
    assert cfg.model.pixel_std[0] == 58.395, "in RGB the first is red's"


@pytest.mark.parametrize("name", ROWS)
def test_the_docstring_says_what_it_is_and_how_to_run_it(name):
    text = (FOLDER / f"{name}.py").read_text().split('"""')[1]
    for said in (f"tools/run_transfer.sh {name} ", f"detectron2/{name}.py", "Cost: ", "Published", "Ours: "):
        assert said in text


@pytest.mark.parametrize("name", ["voc07_det", "voc07_det_res5"])
def test_the_losses_are_those_of_detectron2s_own_detector(name):
    """Both have a ResNet-50: with the same weights and the same batch the losses are equal bit for bit."""
    own = load(name).model
    own.backbone.arch, own.proposal_generator.head.in_channels = "resnet50", 1024
    if name == "voc07_det_res5":
        own.roi_heads.res5.update(out_channels=2048, norm="")  # Detectron2's has no norm after res5
    stock = model_zoo.get_config("common/models/mask_rcnn_c4.py").model
    for part in (stock.backbone.stem, stock.backbone.stages, stock.roi_heads.res5):
        part.norm = "BN"
    stock.backbone.stages.stride_in_1x1 = stock.roi_heads.res5.stride_in_1x1 = False
    stock.backbone.freeze_at = 0
    stock.roi_heads.num_classes = 20
    del stock.roi_heads.mask_head
    stock.input_format, stock.pixel_mean, stock.pixel_std = own.input_format, own.pixel_mean, own.pixel_std

    own.roi_heads.batch_size_per_image = stock.roi_heads.batch_size_per_image = 16  # quick
    model, reference = instantiate(own), instantiate(stock)
    reference.load_state_dict(as_detectron2s(model.state_dict()), strict=True)
    found = losses(model)
    assert found == losses(reference) and all(loss > 0 for loss in found.values())


def as_detectron2s(state: dict) -> dict:
    """The detector's tensors, with timm's modules under the names of Detectron2's own ResNet."""
    named = {}
    for key, value in state.items():
        prefix = next((p for p in ("backbone.", "roi_heads.res5.0.layer4.") if key.startswith(p)), "")
        if prefix == "backbone.":
            (key,) = own_names({key.removeprefix(prefix): value})
            key = prefix + key
        elif prefix:
            (key,) = own_names({key.removeprefix("roi_heads.res5.0."): value})
            key = f"roi_heads.{key}"
        named[key] = value
    return named


def losses(model) -> dict[str, float]:
    """Of one fixed batch of two pictures."""
    torch.manual_seed(0)
    boxes = Boxes(torch.tensor([[10.0, 10, 60, 60], [30, 20, 90, 80]]))
    instances = Instances((96, 128), gt_boxes=boxes, gt_classes=torch.tensor([1, 7]))
    images = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    with EventStorage(), torch.no_grad():
        found = model.train()([{"image": image, "instances": instances} for image in images])
    return {name: loss.item() for name, loss in found.items()}

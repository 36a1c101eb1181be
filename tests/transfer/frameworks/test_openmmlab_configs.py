"""The benchmarks' configs as MMDetection's and MMSegmentation's own ``tools/train.py`` runs them."""

import ast
import importlib.util
import runpy
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("mmdet", reason="MMDetection is not installed: its benchmarks cannot be tested")
pytest.importorskip("mmseg", reason="MMSegmentation is not installed: its benchmarks cannot be tested")

from mmengine.config import Config  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from mmengine.structures import InstanceData, PixelData  # noqa: E402

from distill.demo.scenes import DIGITS  # noqa: E402
from distill.demo.world import write_demo  # noqa: E402
from transfer.datasets import cityscapes_instances  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[3] / "configs/transfer"
SGD = ("SGD", 0.9, 1e-4)
HEADS = ("bbox_head", "mask_head")
SIZE = (64, 96)  # of pictures, (height, width)
PAPER = {"frozen_stages": 1, "norm_eval": True, "norm": "BN"}
SELF_SUPERVISED = {"frozen_stages": -1, "norm_eval": False, "norm": "SyncBN"}
COCO = {
    "folder": "coco",
    "annotations": "annotations/instances_{}2017.json",
    "classes": DIGITS,
    "optimizer": SGD,
    "lr": 0.02,
    "batch": 16,
}
CITYSCAPES = {
    **COCO,
    "folder": "cityscapes",
    "annotations": "annotations/instances_{}.json",
    "classes": cityscapes_instances.CLASSES.values(),
    "train": "train_dataloader.dataset.dataset",
    "scale": "[(80,64),(80,64)]",
    "batch": 8,
    "epochs": 12,
    "milestones": [8, 11],
}
# file -> what the papers say of it, and the data that its framework looks for
MMDET = {
    "coco_lowshot_1k": {**COCO, "epochs": 740, "milestones": [500, 660], "backbone": PAPER},
    "coco_lowshot_1k_syncbn": {**COCO, "epochs": 740, "milestones": [500, 660], "backbone": SELF_SUPERVISED},
    "coco_lowshot_10k": {**COCO, "epochs": 296, "milestones": [200, 264], "backbone": PAPER},
    "coco_lowshot_10k_syncbn": {**COCO, "epochs": 296, "milestones": [200, 264], "backbone": SELF_SUPERVISED},
    "cityscapes_instance": {**CITYSCAPES, "backbone": PAPER},
    "cityscapes_instance_syncbn": {**CITYSCAPES, "backbone": SELF_SUPERVISED},
}
MMSEG = {
    "voc12_seg": {"folder": "voc/VOCdevkit/VOC2012", "lr": 1e-2, "steps": 20_000, "crop": (512, 512)},
    "cityscapes_seg": {"folder": "cityscapes", "lr": 5e-3, "steps": 40_000, "crop": (512, 1024)},
}
FILES = [*(f"mmdet/{name}" for name in MMDET), *(f"mmseg/{name}" for name in MMSEG)]
RUN = [file for file in FILES if "_10k" not in file]  # 1k in all but the number of epochs


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(4, 1))
    cityscapes_instances.find_instances(root, root / "cityscapes/annotations")
    return root


def load(file: str) -> Config:
    return Config.fromfile(CONFIGS / f"{file}.py")


@pytest.mark.parametrize("name", MMDET)
def test_detection_is_the_papers_text_on_top_of_the_frameworks_own(name):
    config, said = load(f"mmdet/{name}"), MMDET[name]
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.momentum, optimizer.weight_decay) == said["optimizer"]
    assert (optimizer.lr, config.auto_scale_lr.base_batch_size) == (said["lr"], said["batch"])
    assert 4 * config.train_dataloader.batch_size == said["batch"], "on the papers' four GPUs"
    warmup, steps = config.param_scheduler
    assert (config.train_cfg.max_epochs, steps.milestones) == (said["epochs"], said["milestones"])
    assert steps.end == said["epochs"] and warmup.end == 500
    backbone = config.model.backbone
    assert {key: backbone[key] for key in PAPER} == said["backbone"]
    assert config.model.neck.in_channels == [64, 128, 256, 512]
    norm = config.model.neck.get("norm_cfg")
    assert (norm and norm.type) == ("SyncBN" if name.endswith("_syncbn") else None)


@pytest.mark.parametrize("name", MMSEG)
def test_segmentation_is_the_papers_text_on_top_of_the_frameworks_own(name):
    config, said = load(f"mmseg/{name}"), MMSEG[name]
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.momentum, optimizer.weight_decay) == ("SGD", 0.9, 5e-4)
    assert (optimizer.lr, config.auto_scale_lr.base_batch_size) == (said["lr"], 16)
    assert 4 * config.train_dataloader.batch_size == 16
    (rate,) = config.param_scheduler
    assert (rate.type, rate.power, rate.eta_min) == ("PolyLR", 1.0, 1e-4), "linear"
    assert rate.end == config.train_cfg.max_iters == said["steps"]
    assert config.crop_size == config.model.data_preprocessor.size == said["crop"]
    decode, auxiliary = config.model.decode_head, config.model.auxiliary_head
    assert (decode.num_convs, decode.concat_input, decode.channels, decode.in_index) == (2, True, 128, 3)
    assert (auxiliary.num_convs, auxiliary.concat_input, auxiliary.channels, auxiliary.in_index) == (
        1,
        False,
        64,
        2,
    )


@pytest.mark.parametrize("file", FILES)
def test_a_config_says_what_it_is_and_needs_nothing_of_ours_but_the_adapter(file):
    framework, name = file.split("/")
    text = ast.get_docstring(ast.parse((CONFIGS / f"{file}.py").read_text()))
    assert "OSS A." in text and f"tools/train.py configs/transfer/{file}.py" in text
    assert f"bash tools/run_transfer.sh {name} " in text
    assert all(f"{what}: " in text for what in ("Cost", "Published", "Measured here"))
    config = load(file)
    assert config.custom_imports.imports == [f"transfer.frameworks.{framework}.adapter"]
    content = {key: value for key, value in config.to_dict().items() if key != "custom_imports"}
    assert "transfer." not in str(content)


def tiny(file: str, demo: Path) -> list[str]:
    """``--cfg-options`` for tiny pictures of the demo world in the framework's own data sets and layouts."""
    framework, name = file.split("/")
    said = {**MMDET, **MMSEG}[name]
    folder = demo / said["folder"]
    train, val = said.get("train", "train_dataloader.dataset"), "val_dataloader.dataset"
    options = {f"{part}.data_root": f"{folder}/" for part in (train, val)}
    for loader in ("train_dataloader", "val_dataloader"):
        options |= {f"{loader}.num_workers": 0, f"{loader}.persistent_workers": False}
    options["train_dataloader.batch_size"] = 2
    if framework == "mmseg":
        options |= {f"{train}.pipeline.2.scale": "(256,64)", f"{val}.pipeline.1.scale": "(256,64)"}
        options |= {f"{train}.pipeline.3.crop_size": "(64,64)", "model.data_preprocessor.size": "(64,64)"}
        options |= {"train_cfg.max_iters": 2, "train_cfg.val_interval": 2}
    else:
        scale = said.get("scale", "(80,64)")
        options |= {f"{train}.pipeline.2.scale": scale, f"{val}.pipeline.1.scale": "(80,64)"}
        names = "(" + ",".join(f"'{label}'" for label in said["classes"]) + ")"
        files = {split: folder / said["annotations"].format(split) for split in ("train", "val")}
        for part, split in ((train, "train"), (val, "val")):
            options |= {f"{part}.metainfo.classes": names, f"{part}.ann_file": files[split]}
        options["val_evaluator.ann_file"] = files["val"]
        options |= {f"model.roi_head.{head}.num_classes": len(said["classes"]) for head in HEADS}
        options |= {"model.train_cfg.rpn_proposal.max_per_img": 20, "model.train_cfg.rcnn.sampler.num": 8}
        options |= {"model.test_cfg.rpn.max_per_img": 20, "model.test_cfg.rcnn.max_per_img": 5}
        options |= {"train_cfg.max_epochs": 1, "train_cfg.val_interval": 1}
    return [f"{key}={value}" for key, value in options.items()]


@pytest.mark.parametrize("file", RUN)
def test_the_frameworks_own_train_script_runs_it(file, demo, tmp_path, monkeypatch):
    """The script that the framework ships trains, saves and measures."""
    package = Path(importlib.util.find_spec(file.split("/")[0]).origin).parent
    script = package / ".mim/tools/train.py"
    arguments = [CONFIGS / f"{file}.py", "--work-dir", tmp_path, "--cfg-options", *tiny(file, demo)]
    monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
    monkeypatch.setenv("LOCAL_RANK", "0")
    runpy.run_path(str(script), run_name="__main__")
    assert (tmp_path / "last_checkpoint").is_file()
    log = next(tmp_path.glob("*/*.log")).read_text()
    measured = "mIoU: " if file.startswith("mmseg") else "coco/segm_mAP_50: "
    assert measured in log


def images() -> torch.Tensor:
    return torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0)) * 255


def detection_batch() -> dict:
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    samples = []
    for shift in (0, 8):
        boxes = torch.tensor([[4.0, 4, 40, 40], [30, 10, 90, 60]]) + torch.tensor([0, 0, shift / 2, 0])
        masks = torch.zeros(2, 64, 96, dtype=torch.uint8)
        masks[0, 4:40, 4:40], masks[1, 10:60, 30:90] = 1, 1
        instances = {
            "bboxes": boxes,
            "labels": torch.tensor([3, 70]),
            "masks": BitmapMasks(masks.numpy(), 64, 96),
        }
        shape = {
            "img_shape": (64, 96),
            "ori_shape": (64, 96),
            "pad_shape": (64, 96),
            "scale_factor": (1.0, 1.0),
        }
        samples.append(DetDataSample(metainfo=shape, gt_instances=InstanceData(**instances)))
    return {"inputs": list(images()), "data_samples": samples}


def segmentation_batch() -> dict:
    from mmseg.structures import SegDataSample

    labels = torch.randint(0, 21, (2, 1, *SIZE), generator=torch.Generator().manual_seed(1))
    shape = {"img_shape": SIZE, "ori_shape": SIZE}
    samples = [SegDataSample(metainfo=shape, gt_sem_seg=PixelData(data=label)) for label in labels]
    return {"inputs": list(images()), "data_samples": samples}


def losses(model, batch: dict) -> dict:
    model.train()
    torch.manual_seed(0)  # of the samplers, and of dropout
    data = model.data_preprocessor(batch, training=True)
    found = model(**data, mode="loss")
    return {key: value if torch.is_tensor(value) else sum(value) for key, value in found.items()}


@pytest.mark.parametrize(
    ("file", "base", "stock"),
    [
        (
            "mmdet/coco_lowshot_1k",
            "mmdet::_base_/models/mask-rcnn_r50_fpn.py",
            {"model.backbone.init_cfg": None},
        ),
        (
            "mmseg/voc12_seg",
            "mmseg::_base_/models/fcn_r50-d8.py",
            {  # a plain stem, and the heads that the paper states
                "model.pretrained": None,
                "model.backbone.type": "ResNet",
                "model.decode_head.channels": 128,
                "model.auxiliary_head.channels": 64,
                "model.decode_head.num_classes": 21,
                "model.auxiliary_head.num_classes": 21,
                "model.data_preprocessor.size": SIZE,
            },
        ),
    ],
)
def test_with_shared_weights_the_losses_are_the_stock_models(file, base, stock, tmp_path):
    """Both have a ResNet-50: keys and trained parameters are the same, and the losses do not differ."""
    (tmp_path / "stock.py").write_text(f'_base_ = "{base}"')
    theirs, ours = Config.fromfile(tmp_path / "stock.py"), load(file)
    theirs.merge_from_dict(stock)
    ours.model.backbone.arch = "resnet50"
    for part, widths in (("neck", [256, 512, 1024, 2048]), ("decode_head", 2048), ("auxiliary_head", 1024)):
        if part in ours.model:
            ours.model[part].in_channels = widths
    if "size" in ours.model.data_preprocessor:
        ours.model.data_preprocessor.size = SIZE  # pictures are padded to it, and the benchmark's is large
    with DefaultScope.overwrite_default_scope(file.split("/")[0]):
        stock_model, our_model = MODELS.build(theirs.model), MODELS.build(ours.model)
        our_model.load_state_dict(stock_model.state_dict(), strict=True)
        batch = detection_batch if file.startswith("mmdet") else segmentation_batch
        expected, found = losses(stock_model, batch()), losses(our_model, batch())
    assert {key: float(value) for key, value in found.items()} == {
        key: float(v) for key, v in expected.items()
    }
    trains = [
        {name for name, p in model.named_parameters() if p.requires_grad}
        for model in (our_model, stock_model)
    ]
    assert trains[0] == trains[1]

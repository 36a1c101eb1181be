"""What protocols that train on images share: labelled crops, a classifier, and a run of the engine's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn import functional as F

from distill.backbones import Backbone
from distill.checkpoints import read_weights, save_student
from distill.data import sets
from distill.data.label_lists import given_list
from distill.data.labelled import list_labelled
from distill.data.unlabelled import AugmentedImages, collate_views
from distill.engine.config_root import config_root
from distill.engine.pretrain import pretrain
from distill.evaluation.features import extract
from distill.evaluation.run import Images
from distill.methods.base import Method, TrainedNetwork
from distill.registry import DATASETS, MODELS, root


@DATASETS.register_module()
class LabelledImages(AugmentedImages):
    """Labelled images, each seen through one augmentation, with its label.

    Args:
        data_root: the folder of ``ROOT/<class>/**``, or the one that holds the known sets.
        augmentation, seed: as in ``AugmentedImages``; ``label`` in its items is the number of the class.
        known: a known set (``distill.data.sets``), whose training images these are; "": those of the folder.
        label_list: a file that names those to take (``distill.data.label_lists``); None: all of them.
    """

    def __init__(
        self,
        data_root: str,
        augmentation: dict,
        seed: int = 0,
        known: str = "",
        label_list: str | None = None,
    ):
        images = sets.load(known, data_root)[0] if known else list_labelled(data_root)
        if label_list is not None:
            images = images.subset(given_list(label_list, images).rows)
        super().__init__(images, augmentation, seed)

    def __getitem__(self, item: tuple[int, int]) -> dict:
        found = super().__getitem__(item)
        return found | {"label": int(self.images.labels[found["index"]])}


@root.FUNCTIONS.register_module()
def collate_labelled(items: list[dict]) -> dict:
    """As ``collate_views``, and ``label``: (B,)."""
    return collate_views(items) | {"label": torch.tensor([item["label"] for item in items])}


@MODELS.register_module()
class Classifier(Method):
    """A network and one linear layer on its features, trained by cross-entropy on labels.

    Args:
        student: arguments of ``Backbone``.
        weights: checkpoint that the network starts from.
        classes: number of classes.
        frozen: train the linear layer alone; the network is in eval mode.
    """

    supervised = True

    def __init__(self, student: dict, weights: str, classes: int, frozen: bool):
        super().__init__(student)
        self.student = Backbone.from_weights(read_weights(weights))
        self.head = nn.Sequential(nn.Linear(self.student.width, classes))
        self.frozen = frozen
        self.student.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> Classifier:
        super().train(mode)
        if self.frozen:
            self.student.eval()
        return self

    def forward(self, views: list[Tensor], index: Tensor, label: Tensor, unreadable=(), mode: str = "tensor"):
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.student(views[0].float() / 255)
        logits = self.head(features)
        return {"loss": F.cross_entropy(logits, label)} if mode == "loss" else logits

    def exports(self) -> dict[str, TrainedNetwork]:
        return {"last": TrainedNetwork(self.student, self.head)}


@dataclass(frozen=True)
class Training:
    """How a classifier is trained; ``augmentation``, ``optimizer`` and ``schedule`` are configs.

    Attributes:
        frozen: train the linear layer alone.
        backbone_lr: learning rate of the network, if that is not the optimizer's, which is the layer's.
        label_list: file that names the training images; None: all of them.
    """

    frozen: bool
    augmentation: dict
    optimizer: dict
    epochs: int
    batch_size: int
    schedule: tuple[dict, ...]
    seed: int
    backbone_lr: float | None = None
    label_list: Path | None = None


def train_classifier(images: Images, training: Training) -> tuple[Backbone, nn.Sequential]:
    """The network and its linear layer after training; an interrupted run goes on, bit for bit on a CPU.

    The run is one of ``distill.pretrain``, with its progress, logs, manifest and checkpoints.
    """
    start = images.folder / "start.pth"
    network = images.backbone
    mean, std = (values.flatten().tolist() for values in (network.mean, network.std))
    if not start.is_file():
        images.folder.mkdir(exist_ok=True)
        save_student(start, network.net, network.arch, mean, std, images.extraction.image_size)
    config = Config.fromfile(config_root() / "_base_" / "runtime.py")
    config.batch_size = training.batch_size
    config.model = dict(
        type="Classifier", student=dict(arch=network.arch), weights=str(start),
        classes=len(images.train.classes), frozen=training.frozen,
    )  # fmt: skip
    loader = config.train_dataloader
    loader.dataset = dict(type="LabelledImages", **images.train.config, augmentation=training.augmentation)
    loader.collate_fn = dict(type="collate_labelled")
    loader.num_workers = images.extraction.workers
    if training.label_list is not None:
        loader.dataset.label_list = str(training.label_list)
    config.optim_wrapper = dict(type="OptimWrapper", optimizer=training.optimizer)
    if training.backbone_lr is not None:
        # the key is part of each of the network's parameters' names and of none of the layer's
        times = training.backbone_lr / training.optimizer["lr"]
        config.optim_wrapper.paramwise_cfg = dict(custom_keys={"student.": dict(lr_mult=times)})
        images.say(f"learning rates: network {training.backbone_lr:g}, layer {training.optimizer['lr']:g}")
    config.device = str(next(network.parameters()).device)
    config.train_cfg.max_epochs = training.epochs
    config.param_scheduler = list(training.schedule)
    last = pretrain(
        config=config, work_dir=str(images.folder), resume=True, seed=training.seed, say=images.say
    )
    found = read_weights(last)
    head = nn.Sequential(nn.Linear(network.width, len(images.train.classes)))
    head.load_state_dict(found.head)
    return Backbone.from_weights(found).to(next(network.parameters()).device), head


def validation_logits(images: Images, network: Backbone, head: nn.Sequential) -> tuple[Tensor, Tensor]:
    """Logits (N, C) and labels (N,) of the validation images, a centre crop each."""
    val = extract(network, images.val, images.extraction)
    for path in val.unreadable:
        images.say(f"skipped, could not be read: {path}")
    with torch.no_grad():
        return head(val.x), val.y

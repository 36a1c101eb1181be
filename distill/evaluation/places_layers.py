"""A linear layer on each layer of a network, its map max-pooled to about 9,000 numbers (CompRess, Places)."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from distill.backbones.weights import state_sha256
from distill.evaluation.features import evaluation_mode, filled
from distill.evaluation.linear_layer import Descent, accuracies, fit, logits_of
from distill.evaluation.pooled_layers import PooledLayers
from distill.evaluation.run import Images, Outcome
from distill.features import DTYPES
from distill.registry import EVALUATORS
from distill.results.atomic import write_json
from distill.results.protocol import Protocol
from distill.settings import Count, NotNegative, Number, Positive, Share, check_fields

PROTOCOL = Protocol(
    name="places_layers",
    title="Linear classifier, layer by layer",
    kind="images",
    metrics={"best": "top-1, best layer", "top1": "top-1"},
    headline="best",
    about="one linear layer on each layer of the frozen network, its map max-pooled to about 9,000 numbers: "
    "SGD lr 0.01, momentum 0.9, wd 1e-4, batch 256, 90 epochs, x0.1 after 30, 60, 80; `top1_LAYER` for each",
    paper="CompRess 4.4",
    tables="Table 5",
    sets=("places205",),
)
ROWS_AT_ONCE = 2**10


class Maps(NamedTuple):
    """Pooled maps x (N, D), memory-mapped, labels y (N,), and which ``rows`` (n,) are of readable images."""

    x: Tensor
    y: Tensor
    rows: Tensor

    def columns(self, first: int, end: int) -> Maps:
        return self._replace(x=self.x[:, first:end])


@EVALUATORS.register_module()
@dataclass(frozen=True)
class PlacesLayers:
    """A linear layer on each layer of a frozen network (CompRess 4.4 and appendix, Table 5, Places).

    The paper's settings: maps adaptively max-pooled to about 9,000 dimensions; SGD, lr 0.01, momentum 0.9,
    weight decay 1e-4, batch 256, 90 epochs, learning rate x0.1 after 30, 60, 80. It reports the best layer.

    Where it is silent: a layer's square has the side whose dimensions are nearest to 9,000, at most the
    map's own; layers are the modules that the network declares (timm's ``feature_info``), behind their
    activation; maps are those of one centre crop, without augmentation, and are not normalised; the best
    layer is that with the best top-1 on the validation images.

    Args:
        dimensions: about how many numbers of each layer.
        dtype: of the pooled maps on the disk, which take 2 (``float16``) or 4 bytes (``float32``) x 9,000 x
            layers an image. They lie in the run's folder until all layers are measured; an interrupted run
            goes on with them.

    Metrics: ``top1_<layer>``, and ``best``, the highest of them; percent, after the last epoch. Details:
    ``best``, that layer's name; ``dimensions`` and ``top5`` of each layer.
    """

    epochs: Count = 90
    lr: Positive = 0.01
    momentum: Share = 0.9
    weight_decay: NotNegative = 1e-4
    batch_size: Count = 256
    milestones: tuple[Count, ...] = (30, 60, 80)
    gamma: Positive = 0.1
    dimensions: Count = 9000
    dtype: Literal[DTYPES] = "float16"
    seed: Number = 0

    protocol: ClassVar[Protocol] = PROTOCOL

    def __post_init__(self):
        check_fields(self, "places_layers.")

    def run(self, images: Images) -> Outcome:
        with evaluation_mode(images.backbone):
            network = PooledLayers(images.backbone, images.extraction.image_size, self.dimensions)
            found = self._measure(images, network)
        best = max(found, key=lambda layer: found[layer]["top1"])
        metrics = {"best": found[best]["top1"]} | {f"top1_{layer}": found[layer]["top1"] for layer in found}
        dimensions = {layer: end - first for layer, (first, end) in network.columns.items()}
        top5 = {layer: values["top5"] for layer, values in found.items() if "top5" in values}
        return Outcome(metrics, details={"best": best, "dimensions": dimensions, "top5": top5})

    def passes(self, train: int, val: int) -> int:
        """How many images pass through the network."""
        return train + val

    def _measure(self, images: Images, network: PooledLayers) -> dict[str, dict[str, float]]:
        """The accuracies of each layer; a file keeps them for a run that is gone on with."""
        file = images.folder / "layers.json"
        found = json.loads(file.read_text()) if file.is_file() else {}
        if len(found) < len(network.layers):
            train, val = (self._maps(images, network, part) for part in ("train", "val"))
        for layer in (layer for layer in network.layers if layer not in found):
            first, end = network.columns[layer]
            found[layer] = self._fit(images, train.columns(first, end), val.columns(first, end))
            write_json(file, found)
            images.say(f"{layer}: {end - first} dimensions, top-1 {found[layer]['top1']:.1f}")
        for part in ("train", "val"):
            shutil.rmtree(images.folder / part, ignore_errors=True)
        return {layer: found[layer] for layer in network.layers}

    def _maps(self, images: Images, network: PooledLayers, part: str) -> Maps:
        """The pooled maps of the training or the validation images, in files."""
        labelled = getattr(images, part)
        fingerprint = images.backbone.fingerprint(state_sha256(images.backbone.net.state_dict()))
        fingerprint |= {"output": "pooled layers", "width": network.width, "sides": network.sides}
        store = filled(
            images.folder / part, network, fingerprint, network.width, labelled, images.extraction, self.dtype
        )
        for name in sorted(store.unreadable):
            images.say(f"skipped, could not be read: {name}")
        readable = [row for row in range(len(labelled)) if labelled.name(row) not in store.unreadable]
        x, y = torch.from_numpy(store.rows()), torch.from_numpy(labelled.labels)
        return Maps(x, y, torch.tensor(readable))

    def _fit(self, images: Images, train: Maps, val: Maps) -> dict[str, float]:
        descent = Descent(
            self.epochs, self.lr, self.momentum, self.weight_decay, self.batch_size, self.seed,
            self.milestones, self.gamma,
        )  # fmt: skip
        y = train.y.to(next(images.backbone.parameters()).device)
        layer = fit(train.x, y, len(images.train.classes), descent, train.rows)
        return accuracies(logits_of(layer, val.x, ROWS_AT_ONCE)[val.rows], val.y[val.rows])

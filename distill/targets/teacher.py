"""A frozen network that gives the targets."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from distill.backbones import Backbone, check_image_size
from distill.backbones.weights import load_strict
from distill.checkpoints import read_weights
from distill.errors import UserError
from distill.modules.heads import head_from_state, head_width
from distill.targets.base import Need, Target

OUTPUTS = ("backbone", "head", "auto")


class Teacher(nn.Module, Target):
    """RGB images as for ``Backbone`` -> target embeddings (B, width), not normalised, no gradient.

    Its mode is fixed: ``train()`` does nothing, and batch-norm statistics can never move.

    Args:
        weights: a checkpoint file or a timm name (see ``distill.checkpoints.read_weights``).
        arch: architecture, where the file does not tell.
        output: ``backbone`` gives pooled features, ``head`` those after the checkpoint's projection
            head, ``auto`` the head's if the checkpoint has one.
        batch_statistics: batch norms use the statistics of the current batch (of this process), not those
            they learned; the rest stays in eval mode. PCD's released code, without ``eval()``, does so.
        pooling: of a transformer: ``token`` (class token), ``mean`` (of the patches' tokens, without
            registers) or ``both``, one after the other; None: the network's own.

    Raises:
        UserError: an unknown ``output`` or ``pooling``, one that the network does not have, no head where it
            asks for one, or a head of another width.
    """

    def __init__(
        self,
        weights: str,
        arch: str | None = None,
        output: str = "backbone",
        batch_statistics: bool = False,
        pooling: str | None = None,
    ):
        super().__init__()
        if output not in OUTPUTS:
            raise UserError(f"teacher.output is {output!r}; valid: {', '.join(OUTPUTS)}")
        loaded = read_weights(weights, arch)
        if output == "head" and loaded.head is None:
            raise UserError(f"teacher {weights} has no projection head, which teacher.output='head' needs")
        self.backbone = Backbone.from_weights(loaded, pooling)
        self.head = nn.Identity()
        self.width = self.backbone.width
        self.reports = [self.backbone.report]
        if output != "backbone" and loaded.head is not None:
            self.head = head_from_state(loaded.head)
            self.reports.append(load_strict(self.head, loaded.head, "projection head"))
            if self.head[0].in_features != self.width:
                raise UserError(
                    f"teacher {weights}: its head takes width {self.head[0].in_features}, "
                    f"its backbone gives {self.width}"
                )
            self.width = head_width(self.head)
        self.output = "backbone" if isinstance(self.head, nn.Identity) else "head"
        self.sha256, self.source, self.dropped = loaded.sha256, loaded.source, loaded.dropped
        # (P, D) cluster centres of the head's embeddings, or None
        self.register_buffer("prototypes", loaded.prototypes, persistent=False)
        self.name = f"teacher {weights} (output of its {self.output})"
        self.gives = frozenset(self._gives())
        self.requires_grad_(False)
        super().train(False)
        self.batch_statistics = batch_statistics
        for module in self.modules() if batch_statistics else ():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.training, module.track_running_stats = True, False  # the latter: none are updated

    def train(self, mode: bool = True) -> "Teacher":
        return self

    def _gives(self) -> Iterator[Need]:
        yield from (Need.EMBEDDINGS, Need.VIEWS, Need.MAPS)
        if self.output == "head":
            yield Need.HEAD
        if self.prototypes is not None and self.prototypes.shape[1] == self.width:
            yield Need.PROTOTYPES

    @torch.no_grad()
    def forward(self, images: Tensor, rows: Tensor | None = None) -> Tensor:
        """``rows`` is for a cached teacher and is not used here.

        Raises:
            UserError: images of a size that the network cannot take (see ``check_image_size``).
        """
        check_image_size(self.backbone, *images.shape[-2:])
        return self.head(self.backbone(images))

    @torch.no_grad()
    def with_map(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (B, width), and the backbone's map from within (B, inner_map_width, h, w), by one pass.

        Raises:
            UserError: images of a size that the network cannot take, or a network without such maps.
        """
        check_image_size(self.backbone, *images.shape[-2:])
        features, inner = self.backbone.features_and_inner_map(images)
        return self.head(features), inner

    def describe(self) -> list[str]:
        """Lines of the load report, and one that says what the embeddings are."""
        lines = [line for report in self.reports for line in report.lines()]
        if self.dropped:
            lines.append(f"  not used from the file: {', '.join(self.dropped)}")
        how = ", batch norms by the batch" if self.batch_statistics else ""
        how += f", pooling: {self.backbone.pooling}" if self.backbone.pooling else ""
        return [*lines, f"  teacher embeddings: output of the {self.output}, width {self.width}{how}"]

    def fingerprint(self) -> dict:
        """What identifies the embeddings: weights, output and normalisation."""
        network = self.backbone.fingerprint(self.sha256) | {"output": self.output, "width": self.width}
        # left out where it is False, so that caches from before the setting stay valid
        return network | ({"batch_statistics": True} if self.batch_statistics else {})

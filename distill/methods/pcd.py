"""PCD, pixel-wise contrastive distillation (Huang and Guo, ICCV 2023)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.backbones import check_image_size
from distill.errors import UserError, unknown
from distill.losses import pixel_contrast_loss
from distill.methods.base import Method
from distill.methods.fitting import at_most_images
from distill.modules.attention import PixelAttention
from distill.modules.memory import Queue
from distill.modules.spatial import BIASES, SpatialAdaptor, pixel_mlp
from distill.registry import MODELS
from distill.settings import Count, Positive
from distill.targets import Need

# views of (student, teacher), from 0; in the first pair the teacher sees view 1, which the queue is made of
PAIRINGS = {"cross": ((1, 0), (0, 1)), "same": ((0, 0), (1, 1))}


@MODELS.register_module()
class PCD(Method):
    """Each pixel of the student's map is drawn to the teacher's pixel at the same place of the map.

    The student's map goes through self-attention, a projector and a predictor, all dropped after training;
    the teacher's goes through its own projection head, applied to each place. Layers of the student behind
    its map (``conv_head`` of a MobileNetV3) are not trained and stay as they were.

    Args:
        teacher: ``weights`` with a projection head; ``output="head"``.
        view_pairing: "cross": the student's view 1 meets the teacher's view 2, as in the released code;
            "same": both networks see the same view, so that pixels show the same part of the image.
        symmetric: the mean over both directions; False: the first one alone, at half the cost (the
            appendix's "asymmetric loss", needed for Barlow Twins' 8192-wide head). The paper does not say
            which direction that is; here its target is view 1, which the queue needs anyway.
        vectorised: the ablation without pixels: pooled features of both, the teacher's head as it is.
        queue_length: 65,536 averages of the teacher's maps of view 1.
        temperature: 0.2.
        hidden: width of the hidden layer in projector and predictor, 4096; several widths for several
            layers. The released code takes the widths of the teacher's head, (8192, 8192) for Barlow Twins.
        biases: of the convolutions in projector and predictor: none, hidden or all. The released code takes
            those of the teacher's head: none for MoCo-v3 and Barlow Twins, hidden for BYOL, all for SwAV.
        attention_width: channels of an attention head; None: no attention.
        last_norm: keep a batch norm that ends the teacher's head. MoCo-v3's do; the released code leaves
            it out, and so does the default.

    Raises:
        UserError: a teacher without head or from a cache, an unknown pairing, attention without pixels.
    """

    number_of_views = 2
    needs = frozenset({Need.MAPS, Need.HEAD})
    fitted = {"queue_length": at_most_images}

    def __init__(
        self,
        student: dict,
        teacher: dict,
        view_pairing: str = "cross",
        symmetric: bool = True,
        vectorised: bool = False,
        queue_length: Count = 65_536,
        temperature: Positive = 0.2,
        hidden: Count | tuple[Count, ...] = 4096,
        biases: str = "none",
        attention_width: Count | None = 64,
        last_norm: bool = False,
    ):
        super().__init__(student, teacher)
        if view_pairing not in PAIRINGS:
            raise unknown("model.view_pairing", view_pairing, PAIRINGS)
        if biases not in BIASES:
            raise unknown("model.biases", biases, BIASES)
        if vectorised and attention_width is not None:
            raise UserError("model.vectorised leaves no pixels to relate; set model.attention_width=None")
        self.pairs = PAIRINGS[view_pairing] if symmetric else PAIRINGS[view_pairing][:1]
        self.vectorised, self.temperature = vectorised, temperature
        head = self.teacher.head
        if not last_norm and isinstance(head[-1], nn.BatchNorm1d):
            head = head[:-1]
        # outside the module tree, like the teacher whose weights it uses
        object.__setattr__(self, "teacher_head", head if vectorised else SpatialAdaptor(head))
        if not vectorised:
            # no loss reaches them: weight decay would shrink them, and DDP would wait for their gradients
            for parameter in self.student.parameters_behind_map():
                parameter.requires_grad_(False)
        inner, outer = self.student.width if vectorised else self.student.map_width, self.teacher.width
        hidden = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        self.attention = nn.Identity() if attention_width is None else PixelAttention(inner, attention_width)
        self.projector = pixel_mlp(inner, *hidden, outer, biases=biases)
        self.predictor = pixel_mlp(outer, *hidden, outer, biases=biases)
        self.queue = Queue(queue_length, outer)

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        targets = {view: self._teacher_map(views[view]) for _, view in self.pairs}
        losses = [
            pixel_contrast_loss(
                self._student_map(views[ours]), targets[theirs], self.queue.anchors, self.temperature
            )
            for ours, theirs in self.pairs
        ]
        self.queue.enqueue(F.normalize(targets[0].mean((2, 3)), dim=1))
        return {"loss": sum(losses) / len(losses)}

    def _student_map(self, view: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D, h, w), or (B, D, 1, 1) of pooled features."""
        features = self.student(view)[:, :, None, None] if self.vectorised else self.student.feature_map(view)
        return self.predictor(self.projector(self.attention(features)))

    @torch.no_grad()
    def _teacher_map(self, view: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D, h, w) on the teacher's own grid, or (B, D, 1, 1) of pooled features."""
        backbone = self.teacher.backbone
        check_image_size(backbone, *view.shape[-2:])
        if self.vectorised:
            return self.teacher_head(backbone(view))[:, :, None, None]
        return self.teacher_head(backbone.feature_map(view))

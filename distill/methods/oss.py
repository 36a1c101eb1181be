"""OSS: teacher and student learn together, the student from the teacher's cluster assignments."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.errors import UserError
from distill.losses import swapped_prediction_loss
from distill.losses.precision import at_least_float32
from distill.methods.base import Method, TrainedNetwork
from distill.methods.fitting import at_most_images
from distill.modules.gradient_reversal import reversal_scale, scale_gradient
from distill.modules.heads import mlp
from distill.modules.multi_crop import multi_crop_embeddings
from distill.modules.prototypes import Codes, Prototypes
from distill.registry import MODELS
from distill.settings import Count, NotNegative, Number, Positive, Share
from distill.targets import Need, TeacherInTraining


@MODELS.register_module()
class OSS(Method):
    """Online distillation of self-supervised clusters, from scratch ("KD-Drop-Adv"; appendix A.1).

    The teacher is trained as in SwAV; the student predicts the teacher's codes with the same prototypes. Its
    loss reaches the prototypes but nothing else of the teacher. Dropout in the heads gives further views.
    Both networks learn to fool a classifier that tells their embeddings apart.

    Args:
        online_teacher: ``arch``; with ``weights`` (see ``read_weights``) its backbone starts from a
            checkpoint, else at random with further arguments of ``Backbone``.
        dropout: rates on the hidden layer and the output of both heads; None: no dropout.
        adversarial: train the classifier and fool it. Without this and dropout: the paper's "KD" ablation.
        own_copy: follow the pseudo-code's loop literally, see ``swapped_prediction_loss``.
        joint_classifier: both networks' embeddings in one batch of the classifier, whose batch norm then
            sees both; the pseudo-code calls it once for each.
        hidden, projection, prototypes, temperature, epsilon, iterations, queue_length, queue_start_epoch,
            prototypes_frozen_until_epoch: as in ``SwAV``.
    """

    number_of_views = None
    needs = frozenset({Need.TRAINING})
    fitted = {"queue_length": at_most_images}

    def __init__(
        self,
        student: dict,
        online_teacher: dict,
        dropout: tuple[Share, Share] | None = (0.1, 0.05),
        adversarial: bool = True,
        own_copy: bool = False,
        joint_classifier: bool = False,
        hidden: Count = 2048,
        projection: Count = 128,
        prototypes: Count = 3000,
        temperature: Positive = 0.1,
        epsilon: Positive = 0.05,
        iterations: Count = 3,
        queue_length: Number = 3840,
        queue_start_epoch: NotNegative = 15,
        prototypes_frozen_until_epoch: NotNegative = 1,
    ):
        super().__init__(student)
        self.dropout = two_rates(dropout)
        self.own_copy, self.joint_classifier, self.temperature = own_copy, joint_classifier, temperature
        self.queue_start_epoch = queue_start_epoch
        self.prototypes_frozen_until_epoch = prototypes_frozen_until_epoch
        self.head = mlp(self.student.width, hidden, projection, norm=True)
        self.online_teacher = TeacherInTraining.create(**online_teacher)
        self.learn_from(self.online_teacher)
        self.teacher_head = mlp(self.online_teacher.width, hidden, projection, norm=True)
        self.prototypes = Prototypes(prototypes, projection)
        self.codes = Codes(queue_length, projection, epsilon, iterations)
        self.classifier = mlp(projection, 100, 2, norm=True) if adversarial else None

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        self.prototypes.normalise()
        z = multi_crop_embeddings(self.online_teacher, self.teacher_head, views, self.dropout)
        w = multi_crop_embeddings(self.student, self.head, views, self.dropout)  # (K, V, B, D), as z
        use_queue = self.progress.epoch >= self.queue_start_epoch
        codes = self.codes(z[0, : self.codes.crops], self.prototypes.weight, use_queue)
        terms = {"loss_teacher": self._clusters(z, codes), "loss_student": self._clusters(w, codes)}
        if self.classifier is not None:
            terms["loss_adversarial"] = self._adversary(z.flatten(0, 2), w.flatten(0, 2))
        return terms

    def _clusters(self, embeddings: Tensor, codes: Tensor) -> Tensor:
        frozen = self.progress.epoch < self.prototypes_frozen_until_epoch
        scores = self.prototypes(embeddings, frozen)  # (K, V, B, P)
        return swapped_prediction_loss(scores, codes, self.temperature, self.own_copy)

    def _adversary(self, teacher: Tensor, student: Tensor) -> Tensor:
        """The classifier's loss (label 0: teacher, 1: student), whose gradient the networks get reversed."""
        scale = reversal_scale(self.progress.fraction)
        batches = [scale_gradient(teacher, scale), scale_gradient(student, scale)]
        if self.joint_classifier:
            logits = self.classifier(torch.cat(batches)).chunk(2)
        else:
            logits = [self.classifier(batch) for batch in batches]
        return sum(_cross_entropy(given, label) for label, given in enumerate(logits))

    def exports(self) -> dict[str, TrainedNetwork]:
        prototypes = F.normalize(self.prototypes.weight.detach(), dim=1)
        return {
            "last": TrainedNetwork(self.student, self.head, prototypes),
            "teacher": TrainedNetwork(self.online_teacher, self.teacher_head, prototypes),
        }


def _cross_entropy(logits: Tensor, label: int) -> Tensor:
    """Cross-entropy of (N, 2) logits with one label for all, in float32 at least."""
    logits = at_least_float32(logits)
    return F.cross_entropy(logits, torch.full((len(logits),), label, device=logits.device))


def two_rates(dropout: tuple[float, float] | None) -> tuple[float, float] | None:
    """A config's dropout rates; UserError unless they are None or two numbers from 0 to below 1."""
    if dropout is None or (len(dropout) == 2 and all(0 <= rate < 1 for rate in dropout)):
        return dropout
    raise UserError(f"model.dropout is {dropout}; it must be None or two rates below 1, as (0.1, 0.05)")

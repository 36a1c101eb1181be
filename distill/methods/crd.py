"""CRD, contrastive representation distillation (Tian, Krishnan, Isola, ICLR 2020), without labels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from distill.data.unlabelled import mix_seed
from distill.distributed import rank, world_size
from distill.errors import UserError
from distill.losses import Normaliser, bank_contrast_loss
from distill.methods.base import Method
from distill.methods.fitting import at_most_images, number_of_images
from distill.modules.memory import MemoryBank
from distill.registry import MODELS
from distill.settings import Count, Positive, Share
from distill.targets import Need


@MODELS.register_module()
class CRD(Method):
    """Each network must find its image among many in the memory bank of the other network.

    The supervised term of the paper is left out, as in CompRess's comparison, and negatives are any images
    (the authors' "relax" draw): drawing from other classes only would need labels.

    Args:
        samples: images of the data set, a row each in both banks.
        negatives: drawn for each image, uniformly and with replacement; 16,384.
        projection: width D of the linear heads, both of which are trained.
        temperature: 0.07.
        momentum: of the banks.
    """

    needs = frozenset({Need.EMBEDDINGS})
    fitted = {"negatives": at_most_images, "samples": number_of_images}

    def __init__(
        self,
        student: dict,
        teacher: dict,
        samples: Count,
        negatives: Count = 16_384,
        projection: Count = 128,
        temperature: Positive = 0.07,
        momentum: Share = 0.5,
    ):
        super().__init__(student, teacher)
        if not samples:
            raise UserError(f"model.samples is {samples}; it must be the number of images of the data set")
        self.negatives, self.temperature = negatives, temperature
        self.head = nn.Linear(self.student.width, projection)
        self.teacher_head = nn.Linear(self.teacher.width, projection)
        self.student_bank = MemoryBank(samples, projection, momentum)
        self.teacher_bank = MemoryBank(samples, projection, momentum)
        # named as in the training states of earlier versions
        self.student_partition, self.teacher_partition = Normaliser(), Normaliser()

    def check_data(self, images: Dataset) -> None:
        super().check_data(images)
        rows = len(self.student_bank)
        if len(images) != rows:
            raise UserError(f"model.samples is {rows}; this data set has {len(images)} images")

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        (view,) = views
        student = F.normalize(self.head(self.student(view)), dim=1)
        teacher = F.normalize(self.teacher_head(self.teacher(view, rows)), dim=1)
        negatives = self._draw(index)
        losses = {
            "loss_student": bank_contrast_loss(
                student, self.teacher_bank.rows, index, negatives, self.temperature, self.student_partition
            ),
            "loss_teacher": bank_contrast_loss(
                teacher, self.student_bank.rows, index, negatives, self.temperature, self.teacher_partition
            ),
        }
        self.student_bank.update(index, student)
        self.teacher_bank.update(index, teacher)
        return losses

    def _draw(self, index: Tensor) -> Tensor:
        """Sample numbers (B, K): this process's rows of one draw for the batch of all processes."""
        seed = mix_seed(self.progress.seed, self.progress.step)
        generator = torch.Generator(index.device).manual_seed(seed)
        shape = (world_size() * len(index), self.negatives)
        everyone = torch.randint(len(self.student_bank), shape, generator=generator, device=index.device)
        return everyone[rank() * len(index) :][: len(index)]

"""One file a loss; each is a function of embeddings with its formula in the docstring."""

from distill.losses.bank_contrast import bank_contrast_loss
from distill.losses.byol import byol_loss
from distill.losses.compress import compress_loss
from distill.losses.info_nce import info_nce_loss
from distill.losses.map_cosine import map_cosine_loss
from distill.losses.noise_contrastive import Normaliser, match_logits, noise_contrastive_loss
from distill.losses.nt_xent import nt_xent_loss
from distill.losses.pixel_contrast import pixel_contrast_loss
from distill.losses.probabilistic_transfer import probabilistic_transfer_loss
from distill.losses.regression import regression_loss
from distill.losses.seed import seed_loss
from distill.losses.sinkhorn import sinkhorn
from distill.losses.swapped_prediction import swapped_prediction_loss

__all__ = [
    "Normaliser", "bank_contrast_loss", "byol_loss", "compress_loss", "info_nce_loss", "map_cosine_loss",
    "match_logits", "noise_contrastive_loss", "nt_xent_loss", "pixel_contrast_loss",
    "probabilistic_transfer_loss", "regression_loss", "seed_loss", "sinkhorn", "swapped_prediction_loss",
]  # fmt: skip

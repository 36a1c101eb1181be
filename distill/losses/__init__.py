"""One file a loss; each is a function of embeddings with its formula in the docstring."""

from distill.losses.compress import compress_loss
from distill.losses.nt_xent import nt_xent_loss
from distill.losses.seed import seed_loss

__all__ = ["compress_loss", "nt_xent_loss", "seed_loss"]

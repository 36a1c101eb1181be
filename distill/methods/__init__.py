"""One file a method. A new one needs this import, its loss, a config and two tests; nothing else."""

from distill.methods.compress import CompRess
from distill.methods.seed import SEED
from distill.methods.simclr import SimCLR

__all__ = ["SEED", "CompRess", "SimCLR"]

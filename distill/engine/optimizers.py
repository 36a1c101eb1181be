"""Optimisers that torch lacks, under the names configs use."""

from timm.optim import Lars

from distill.registry import OPTIMIZERS

# Layers without weight decay (biases, norms) are not adapted, as SimCLR, BYOL and SwAV have it.
OPTIMIZERS.register_module(module=Lars, name="LARS")

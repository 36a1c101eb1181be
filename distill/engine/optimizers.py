"""Optimisers that torch lacks, under the names configs use."""

from timm.optim import Lars

from distill.registry import OPTIMIZERS

# Layers without weight decay (biases, norms, by a config's paramwise_cfg) are not adapted: SimCLR, BYOL, PCD.
# SwAV and OSS decay and adapt everything.
OPTIMIZERS.register_module(module=Lars, name="LARS")

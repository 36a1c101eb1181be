"""Starts a backbone in a framework: loads its weights, applies its policy, prints what was loaded."""

from __future__ import annotations

from transfer.network.partition import StagedBackbone
from transfer.network.policy import Policy
from transfer.network.weights import load_stages, read_stage_weights


def prepare(backbone: StagedBackbone, weights: str | None, policy: Policy) -> None:
    """Loads ``weights`` strictly (None: keeps the fresh initialisation), applies ``policy``, and prints.

    Raises:
        UserError: the file does not match the backbone exactly.
    """
    if weights:
        lines = load_stages(backbone, read_stage_weights(weights, backbone.arch)).lines()
    else:
        lines = [f"{backbone.arch}: no weights given, random initialisation"]
    policy.apply(backbone)
    if _first_process():
        print("\n".join(lines), flush=True)


def _first_process() -> bool:
    import torch.distributed as dist

    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0

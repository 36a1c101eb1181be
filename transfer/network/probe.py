"""Tries a network on small images: whether its stages give the maps of the whole, and of which sizes."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distill.backbones.backbone import FAILURES
from distill.errors import UserError

STRIDES = {"res2": 4, "res3": 8, "res4": 16, "res5": 32}
Plan = Mapping[str, tuple[str, ...]]  # stage -> dotted names of its modules, in the order they run

# (height, width) of the images, neither of them square: all strides divide the first, none the second.
# AlexNet needs 63 pixels, and every stride must leave more than one.
EVEN, ODD = (96, 64), (67, 99)


class DoesNotRun(UserError):
    """The untouched network does not take images of that size."""


@torch.no_grad()
def check(net: nn.Module, chain: nn.Module, arch: str, size: tuple[int, int]) -> dict[str, torch.Size]:
    """Runs a network whole and as a ``StageChain`` on an image of ``size``; returns the maps' shapes.

    This finds a network that does anything else between its modules (adds a position code, passes lists):
    its stages must give bit for bit what the whole gives at the same places.

    Raises:
        DoesNotRun: the network fails on that size.
        UserError: it cannot be cut.
    """
    # no random numbers: building a backbone must advance the generator by its initialisation alone
    image = torch.linspace(-2, 2, 3 * math.prod(size)).view(1, 3, *size).sin()
    net.eval()
    kind: type[UserError] = DoesNotRun
    try:
        whole = maps_of_whole(net, chain.plan, image)
        kind = UserError
        maps = dict(chain.eval().run(image))
    except FAILURES as error:
        problem = f"its modules do not run in a row on {sides(size)} images ({_reason(net, error)})"
        raise cannot(arch, problem, kind) from error
    finally:
        net.train()
    for stage, stride in STRIDES.items():
        shape = maps[stage].shape
        # a border may be lost; a map with its channels last is far from image / stride
        if len(shape) != 4 or any(abs(a - b / stride) > 2 for a, b in zip(shape[2:], size, strict=True)):
            raise cannot(arch, f"its {stage} map is of shape {tuple(shape)}, not (B, C, H, W)")
        # also unequal if a later module writes into the map: all are compared after the last has run
        if not torch.equal(maps[stage], whole[stage]):
            raise cannot(arch, f"{stage} differs from the whole network's: it does more than its modules")
    return {stage: x.shape for stage, x in maps.items()}


def maps_of_whole(net: nn.Module, plan: Plan, images: Tensor) -> dict[str, Tensor]:
    """Copies of the maps that the untouched network has at the ends of the stages: {stage: map}."""
    with recorded(net, plan) as maps:
        getattr(net, "forward_features", net)(images)
    return maps


@contextmanager
def recorded(net: nn.Module, plan: Plan) -> Iterator[dict[str, Tensor]]:
    """Yields {stage: copy of its map}, filled whenever the untouched network runs inside the block."""
    maps: dict[str, Tensor] = {}

    def keep(stage: str):
        return lambda module, inputs, output: maps.__setitem__(stage, output.clone())

    ends = {stage: net.get_submodule(paths[-1]) for stage, paths in plan.items() if paths}
    hooks = [module.register_forward_hook(keep(stage)) for stage, module in ends.items()]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


def first_inexact(shapes: Mapping[str, torch.Size], size: tuple[int, int]) -> str:
    """The first map that is not image / stride, in words; empty if all are."""
    for stage, stride in STRIDES.items():
        found, exact = tuple(shapes[stage][2:]), tuple(side // stride for side in size)
        if found != exact:
            return f"{stage} of {sides(size)} images is {sides(found)}, not {sides(exact)}"
    return ""


def cannot(arch: str, reason: str, kind: type[UserError] = UserError) -> UserError:
    """The error for a network that has no stages."""
    return kind(f"{arch} cannot be cut into stages: {reason}")


def sides(size: Iterable[int]) -> str:
    """Side lengths as text, such as ``96x160``."""
    return "x".join(map(str, size))


def _reason(net: nn.Module, error: Exception) -> str:
    """Why a network does not run, for a person."""
    settings = getattr(net, "pretrained_cfg", None) or {}
    if settings.get("fixed_input_size"):
        return f"it takes only {sides(settings['input_size'][1:])} images"
    said = str(error).strip().splitlines()
    lines = [at.line for at in traceback.extract_tb(error.__traceback__) if "/torch/" not in at.filename]
    return said[0] if said else f"it needs `{lines[-1]}`"

"""A timm network cut into the stages that detectors and segmenters take: stem, res2, res3, res4, res5.

The rule is PCD's (appendix B.2): modules of one stride belong to one stage, and res4 has stride 16. The
places to cut come from timm's ``feature_info``, which names the module that gives the last map of every
stride. Modules keep their names, so a stage has the same keys as the timm checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.modules.batchnorm import _BatchNorm

from distill.backbones import create_backbone
from distill.errors import UserError, unknown
from transfer.network.probe import EVEN, ODD, STRIDES, DoesNotRun, Plan, cannot, check, first_inexact

STAGES = ("stem", *STRIDES)


class StageChain(nn.Module):
    """One or more consecutive stages of a network, run one after the other: map -> map of the last one.

    Args:
        source: the network that the modules come from; they are shared, not copied.
        plan: stage -> dotted names of its modules, in the order they run.

    ``frozen`` (stage names) and ``norm_eval`` are set by ``transfer.network.policy`` and hold through
    ``train()``.
    """

    def __init__(self, source: nn.Module, plan: Plan):
        super().__init__()
        self.plan = dict(plan)
        self.frozen: tuple[str, ...] = ()
        self.norm_eval = False
        for path in (path for paths in self.plan.values() for path in paths):
            *containers, name = path.split(".")
            owner: nn.Module = self
            for container in containers:
                if container not in owner._modules:
                    owner.add_module(container, nn.Sequential())
                owner = owner._modules[container]
            owner.add_module(name, source.get_submodule(path))

    def parts(self, stage: str) -> list[nn.Module]:
        """The modules of one stage, in order; looked up each time because norms may be replaced."""
        return [self.get_submodule(path) for path in self.plan[stage]]

    def run(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yields (stage, map) from the first stage on."""
        for stage in self.plan:
            for part in self.parts(stage):
                x = part(x)
            yield stage, x

    def forward(self, x: Tensor) -> Tensor:
        *_, (_, last) = self.run(x)
        return last

    def train(self, mode: bool = True) -> StageChain:
        super().train(mode)
        for stage in self.frozen:
            for part in self.parts(stage):
                part.eval()
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self


class StagedBackbone(StageChain):
    """Normalised images (B, 3, H, W) -> {stage: map (B, channels[stage], ~H/stride, ~W/stride)}.

    Args:
        arch: any name that ``distill.backbones.create_backbone`` takes; its weights are freshly initialised.
        out_stages: the maps wanted, of res2 to res5; stages after the last one are left out.

    Attributes:
        channels, strides: of every stage up to the last one wanted; dilation changes the strides.
        cut_off: modules with weights that come after the network's last stage (``conv_head`` and the like).
        unused_keys: keys of the whole network that are not in this one: cut off, or of stages left out.
        why_not_exact: empty if every map of an image whose sides are multiples of 32 is image / stride, else
            the first that is not: AlexNet's lose a border, MobileViT-v2's are rounded up to whole patches.
            An FPN that adds maps after doubling their size cannot take them.
        divisor: 32 for a network that fails on other sides (TResNet, LambdaResNet): images are then padded
            with zeros on the right and below, and maps cut to ceil(H/stride) rows. Else 1.

    Raises:
        UserError: the network has no such maps, or does more between them than run its modules in a row.
    """

    def __init__(self, arch: str, out_stages: Iterable[str] = ("res2", "res3", "res4", "res5")):
        out_stages = tuple(out_stages)
        for stage in out_stages:
            if stage not in STRIDES:
                raise unknown("stage", stage, STRIDES)
        if not out_stages or sorted(set(out_stages)) != list(out_stages):
            raise UserError(f"out_stages {out_stages}: give some of {', '.join(STRIDES)} in this order")
        net = create_backbone(arch)
        plan, rest = plan_stages(net, arch)
        chain = StageChain(net, plan)
        shapes = check(net, chain, arch, EVEN)
        try:
            check(net, chain, arch, ODD)
            divisor = 1
        except DoesNotRun:
            divisor = max(STRIDES.values())
        last = STAGES.index(out_stages[-1])
        super().__init__(net, {stage: plan[stage] for stage in STAGES[: last + 1]})
        self.arch = arch
        self.out_stages = out_stages
        self.divisor = divisor
        self.channels = {stage: shapes[stage][1] for stage in self.plan}
        stem = 2 ** round(math.log2(EVEN[0] / shapes["stem"][2]))
        self.strides = {stage: STRIDES.get(stage, stem) for stage in self.plan}
        self.cut_off = tuple(path for path in rest if any(True for _ in net.get_submodule(path).parameters()))
        self.unused_keys = frozenset(net.state_dict()) - frozenset(self.state_dict())
        self.why_not_exact = first_inexact(shapes, EVEN)

    @property
    def exact(self) -> bool:
        """Whether all maps are image / stride, see ``why_not_exact``."""
        return not self.why_not_exact

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        height, width = x.shape[2:]
        right, below = -width % self.divisor, -height % self.divisor
        maps = {stage: x for stage, x in self.run(pad(x, (0, right, 0, below))) if stage in self.out_stages}
        if not (right or below):
            return maps
        sides = {stage: (math.ceil(height / n), math.ceil(width / n)) for stage, n in self.strides.items()}
        return {stage: x[..., : sides[stage][0], : sides[stage][1]] for stage, x in maps.items()}

    def stage(self, name: str) -> StageChain:
        """One stage alone (map in, map out), with its modules, keys and policy of this network."""
        if name not in self.plan:
            raise unknown("stage", name, self.plan)
        alone = StageChain(self, {name: self.plan[name]})
        alone.frozen = tuple(stage for stage in self.frozen if stage == name)
        alone.norm_eval = self.norm_eval
        return alone.train(self.training)

    def describe(self) -> list[str]:
        """A line for each stage: its stride, channels and modules."""
        lines = [
            f"  {stage}: stride {self.strides[stage]}, {self.channels[stage]} channels: {', '.join(paths)}"
            for stage, paths in self.plan.items()
        ]
        return [*lines, f"  cut off the end: {', '.join(self.cut_off) or 'nothing'}"]


def plan_stages(net: nn.Module, arch: str) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Which modules make each stage, and which come after the last: ({stage: dotted names}, names).

    Where ``feature_info`` names no map below stride 4 (a patchify stem), the stem is what comes before the
    module that gives res2. UserError if the network declares no such maps or they are not a module's output.
    """
    ends = _stage_ends(net, arch)
    units = list(_units(net, tuple(ends.values()), arch))
    plan: dict[str, tuple[str, ...]] = {}
    start = 0
    for stage, end in ends.items():
        if end not in units[start:]:
            raise cannot(arch, f"its {stage} map (feature_info: {end!r}) is not the output of a module")
        stop = units.index(end) + 1
        if stage == "res2" and "stem" not in plan:
            plan["stem"] = tuple(units[: stop - 1])
            start = stop - 1
        plan[stage] = tuple(units[start:stop])
        start = stop
    return plan, tuple(units[start:])


def _stage_ends(net: nn.Module, arch: str) -> dict[str, str]:
    """Stage -> name of the module that gives its last map."""
    info = getattr(net, "feature_info", None)
    if not info:
        raise cannot(arch, "it declares no feature maps (feature_info)")
    entries = info if isinstance(info, list) else info.info
    last = {entry["reduction"]: entry["module"] for entry in entries}  # the last of each stride wins
    absent = [f"{stage} (stride {stride})" for stage, stride in STRIDES.items() if stride not in last]
    if absent:
        have = ", ".join(str(stride) for stride in sorted(last))
        raise cannot(arch, f"it has no map for {', '.join(absent)}; the strides of its maps are {have}")
    finer = [stride for stride, module in last.items() if stride < STRIDES["res2"] and module]
    stem = {"stem": last[max(finer)]} if finer else {}
    return {**stem, **{stage: last[stride] for stage, stride in STRIDES.items()}}


def _units(module: nn.Module, ends: tuple[str, ...], arch: str, prefix: str = "") -> Iterator[str]:
    """Dotted names of the modules that run in a row; a Sequential with a cut inside is opened."""
    for name, child in module.named_children():
        path = prefix + name
        if not any(end.startswith(f"{path}.") for end in ends):
            yield path
        elif type(child).forward is nn.Sequential.forward:
            yield from _units(child, ends, arch, f"{path}.")
        else:
            raise cannot(arch, f"a map comes from inside {path!r}, a {type(child).__name__}")

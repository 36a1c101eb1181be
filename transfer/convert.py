"""A checkpoint -> weights and a config fragment for one framework, verified there."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from distill.backbones import create_backbone
from distill.backbones.backbone import OWN_ARCHITECTURES
from distill.backbones.weights import State, Weights, load_strict
from distill.errors import UserError, unknown
from distill.results.atomic import write_text
from transfer.frameworks import fragments, verify
from transfer.frameworks.native import detectron2_names, resnet_layout, torchvision_name
from transfer.network import weights as files
from transfer.network.partition import STRIDES, StagedBackbone
from transfer.network.policy import Policy

Write = Callable[[fragments.Export], str]


@dataclass(frozen=True)
class Target:
    """How one framework gets its weights: file name's end, writer, fragments by name's end, verification."""

    suffix: str
    write: Callable[[Path, State, Weights], None]
    fragments: dict[str, Write]
    through: Callable[[Path, Path, torch.Tensor], verify.Seen]


TARGETS = {
    "detectron2": Target(
        ".pkl",
        files.write_detectron2,
        {"_c4.yaml": fragments.detectron2_c4, "_fpn.yaml": fragments.detectron2_fpn},
        verify.through_detectron2,
    ),
    "mmdet": Target(".pth", files.write_openmmlab, {".py": fragments.mmdet}, verify.through_mmdet),
    "mmseg": Target(".pth", files.write_openmmlab, {".py": fragments.mmseg}, verify.through_mmseg),
    "timm": Target(".safetensors", files.write_safetensors, {".py": fragments.timm}, verify.through_python),
    "torchvision": Target(".pth", files.write_state, {".py": fragments.torchvision}, verify.through_python),
}


@dataclass(frozen=True)
class Conversion:
    """What was written, and what is to be said about it."""

    files: tuple[Path, ...]
    lines: tuple[str, ...]


def convert(
    source: str | os.PathLike,
    target: str,
    out: str | os.PathLike | None = None,
    arch: str | None = None,
    native: bool = False,
    stages: Iterable[str] = tuple(STRIDES),
    policy: Policy | None = None,
    verified: bool = True,
) -> Conversion:
    """Writes ``source`` for ``target`` into the folder ``out``: all files, or none.

    Args:
        source: checkpoint of any format that ``distill.checkpoints.read_weights`` takes, or a timm name.
        target: detectron2, mmdet, mmseg, timm or torchvision.
        out: default: ``converted`` beside the checkpoint.
        arch: architecture, where the file does not tell.
        native: for the framework's own ResNet, instead of this package's adapter.
        stages: maps that the fragment uses; the weights of all stages are written.
        policy: freezing and norms in the fragment; default: nothing frozen, SyncBN, the weights' own pixels.
        verified: compare the maps in the framework with timm's, and fail above ``verify.TOLERANCE``.

    Raises:
        UserError: no match of weights and network, a network or option that the target cannot have, a
            framework that is not installed, or maps that differ.
    """
    if target not in TARGETS:
        raise unknown("target", target, TARGETS)
    if native and target in ("timm", "torchvision"):
        raise UserError(f"--native is for detectron2, mmdet and mmseg; {target} has one kind of network")
    framework = verify.require(target) if verified else None
    weights = files.read_stage_weights(source, arch)
    whole = StagedBackbone(weights.arch)
    state = _state_for(target, weights, whole)
    layout = resnet_layout(state, weights.arch) if native else None
    name = f"{weights.arch}_{target}{'_native' if native else ''}"
    folder = (Path(out) if out else _beside(source)).resolve()
    file = name + TARGETS[target].suffix
    policy = policy or Policy(norm="SyncBN", mean=weights.mean, std=weights.std)
    backbone = StagedBackbone(weights.arch, stages)
    export = fragments.Export(backbone, policy, folder / file, weights.path, layout)
    texts = {name + end: write(export) for end, write in _fragments_for(target, export).items()}
    lines = [f"{weights.arch} from {weights.path} ({weights.source})", *whole.describe()]
    if not whole.exact:
        lines.append("  its maps lose a border: they are a little smaller than image / stride")
    with _all_or_nothing(folder) as part:
        names = detectron2_names(state) if native and target == "detectron2" else state
        TARGETS[target].write(part / file, names, weights)
        for fragment, text in texts.items():
            write_text(part / fragment, text)
            if framework:
                images = verify.sample_images()
                with _quiet():
                    seen = TARGETS[target].through(part / fragment, part / file, images)
                found = verify.compare(weights, whole.unused_keys, images, seen)
                lines.append(_verdict(fragment, framework, found))
    if not framework:
        lines.append("not verified (--no-verify)")
    written = tuple(folder / name for name in (file, *texts))
    return Conversion(written, (*lines, *(f"wrote {path}" for path in written)))


def _state_for(target: str, weights: Weights, whole: StagedBackbone) -> State:
    """Tensors for the file: timm and torchvision take the whole network, the others stem to res5."""
    files.load_stages(whole, weights)
    if target not in ("timm", "torchvision"):
        return dict(whole.state_dict())
    if target == "torchvision":
        torchvision_name(weights.arch)
    elif weights.arch in OWN_ARCHITECTURES:
        raise UserError(f"timm has no {weights.arch}; valid targets for it: detectron2, mmdet, mmseg")
    net = create_backbone(weights.arch)
    load_strict(net, weights.backbone, f"{weights.arch} <- {weights.path}")
    return net.state_dict()


def _fragments_for(target: str, export: fragments.Export) -> dict[str, Write]:
    """The target's fragments that this network can have."""
    found = dict(TARGETS[target].fragments)
    if target == "detectron2" and export.layout and not export.layout.bottleneck:
        del found["_c4.yaml"]  # Detectron2's own C4 box head is made of bottlenecks
    if target == "detectron2" and not export.backbone.exact:
        del found["_fpn.yaml"]  # its FPN adds maps that must double in size exactly
    return found


def _verdict(fragment: str, framework: str, differences: dict[str, float]) -> str:
    shown = ", ".join(f"{what} {value:.1e}" for what, value in differences.items())
    if max(differences.values()) > verify.TOLERANCE:
        raise UserError(
            f"{fragment}: {framework} does not give timm's maps, max abs difference: {shown} "
            f"(limit {verify.TOLERANCE:.0e}); nothing was written"
        )
    return f"verified {fragment} in {framework}, max abs difference: {shown}"


def _beside(source: str | os.PathLike) -> Path:
    return (Path(source).parent if Path(source).is_file() else Path()) / "converted"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences what frameworks say of a detector whose heads are not in the file: the verdict counts."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _all_or_nothing(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move to ``folder`` on success; on failure nothing of it stays."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    part = folder / f".converting-{os.getpid()}"
    part.mkdir(parents=True)
    try:
        yield part
        for path in part.iterdir():
            os.replace(path, folder / path.name)
    except BaseException:
        shutil.rmtree(part)
        for path in made:
            path.rmdir()
        raise
    part.rmdir()

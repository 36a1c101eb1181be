"""A checkpoint -> weights and configs for one framework, verified there.

A framework's folder has ``export.py``, which needs nothing installed (unless the framework ``writes``), and
``verify.py``, which needs the framework:

=============================================  =========================================================
``export.SUFFIX``                              end of the weights file's name; ``/x`` is a file in a folder
``export.CONFIG``                              end of a config's name; other files accompany a config
``export.HAS_OWN_RESNET``                      its own, unchanged ResNet can hold the weights (``native``)
``export.tensors(weights, backbone, native)``  what the weights file holds, under the names it needs
``export.FIXES_SIZE``                          it can be written for one size of images; may be left out
``export.write(path, tensors, weights)``       writes the weights file; where it ``FIXES_SIZE``, also given
                                               ``image_size``
``export.configs(converted)``                  {end of a file's name: text}
``verify.run(config, weights_file, images)``   an ``Outcome``: the framework's maps of 8-bit images
=============================================  =========================================================
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
import re
import shutil
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torch import Tensor

from distill.backbones.weights import Weights
from distill.checkpoints import file_and_key
from distill.errors import UserError, unknown
from distill.results.atomic import beside, remove_rests_of_the_dead, write_text
from transfer.frameworks import FRAMEWORKS, Framework
from transfer.frameworks.text import quoted
from transfer.network.compare import Outcome, compare, real_images, sample_images
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import STRIDES, StagedBackbone
from transfer.network.plain_resnet import resnet_layout
from transfer.network.policy import Policy
from transfer.network.weights import load_stages, read_stage_weights


@dataclass(frozen=True)
class Conversion:
    """The files that were written, and the lines to print about them."""

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
    images: str | os.PathLike | None = None,
    image_size: int | None = None,
) -> Conversion:
    """Writes ``source`` for ``target`` into the folder ``out``: all files, or none.

    Args:
        source: checkpoint of any format that ``distill.checkpoints.read_weights`` takes, or a timm name.
        target: a name of ``transfer.frameworks.FRAMEWORKS``.
        out: default: ``converted`` beside the checkpoint.
        arch: architecture, where the file does not tell.
        native: for the framework's own ResNet, instead of this package's adapter.
        stages: maps that the configs use; the weights of all stages are written.
        policy: freezing and norms in the configs; default: nothing frozen, SyncBN, the weights' own pixels.
        verified: compare the maps in the framework with timm's, fail above the limit of
            ``compare.difference``, and train one step.
        images: folder of the pictures to compare with; None: made-up ones.
        image_size: side in pixels of the only images that the written graph takes (ONNX), a multiple of 32;
            None: any.

    Raises:
        UserError: weights that do not match the network, a network or option that the target cannot take, a
            framework that is not installed, maps that differ, or a model that does not train.
    """
    framework, export = _find(target, native)
    fixed = _fixed(target, export, image_size)
    version = _version(framework) if verified or framework.writes else ""
    weights = read_stage_weights(source, arch)
    if not re.fullmatch(r"[\w.-]+", weights.arch, re.ASCII):  # files are named after it
        raise UserError(f"{quoted(weights.arch)} is not the name of an architecture (letters, digits, _ . -)")
    whole = StagedBackbone(weights.arch)
    load_stages(whole, weights)
    layout = resnet_layout(whole.state_dict(), weights.arch) if native else None
    tensors = export.tensors(weights, whole, native)
    name = f"{weights.arch}_{target}{'_native' if native else ''}{f'_{image_size}' if image_size else ''}"
    folder = (Path(out) if out else _beside(source)).resolve()
    file = name + export.SUFFIX
    side = image_size or weights.image_size
    pictures = sample_images(image_size) if images is None else real_images(images, side)
    policy = policy or Policy(norm="SyncBN", mean=weights.mean, std=weights.std)
    stages = tuple(stages)
    backbone = whole if stages == whole.out_stages else StagedBackbone(weights.arch, stages)
    converted = ConvertedBackbone(backbone, policy, folder / file, weights, layout, image_size)
    configs = {name + end: text for end, text in export.configs(converted).items()}
    lines = [f"{weights.arch} from {weights.path} ({weights.source})", *whole.describe()]
    if not whole.exact:
        lines.append(f"  its maps are not image / stride ({whole.why_not_exact}): some FPNs cannot add them")
    with _all_or_nothing(folder) as part:
        (part / file).parent.mkdir(exist_ok=True)
        export.write(part / file, tensors, weights, **fixed)
        for config, text in configs.items():
            write_text(part / config, text)
        for config in configs:
            if verified and config.endswith(export.CONFIG):
                outcome = _outcome(framework, version, part, config, file, pictures)
                lines.append(_verdict(config, version, outcome, weights, whole, pictures))
    if not verified:
        lines.append("not verified (--no-verify)")
    written = tuple(folder / name for name in (file, *configs))
    return Conversion(written, (*lines, *(f"wrote {path}" for path in written)))


def _find(target: str, native: bool) -> tuple[Framework, ModuleType]:
    """The framework and its ``export`` module."""
    if target not in FRAMEWORKS:
        raise unknown("target", target, FRAMEWORKS)
    exports = {name: framework.part("export") for name, framework in FRAMEWORKS.items()}
    if native and not exports[target].HAS_OWN_RESNET:
        takers = [name for name, export in exports.items() if export.HAS_OWN_RESNET]
        raise UserError(f"--native is for {', '.join(takers)}; {target} has one kind of network")
    return FRAMEWORKS[target], exports[target]


def _fixed(target: str, export: ModuleType, image_size: int | None) -> dict[str, int]:
    """What ``export.write`` is told beside the weights."""
    if image_size is None:
        return {}
    if not getattr(export, "FIXES_SIZE", False):
        raise UserError(f"--image-size: what is written for {target} takes images of any size")
    if image_size < 32 or image_size % 32:
        raise UserError(f"--image-size {image_size}: give a multiple of 32")
    return {"image_size": image_size}


def _version(framework: Framework) -> str:
    try:
        return framework.check_imports()
    except UserError as error:
        if framework.writes:
            raise
        raise UserError(f"{error}; --no-verify writes the conversion without verifying it") from error


def _outcome(
    framework: Framework, version: str, part: Path, config: str, file: str, images: Tensor
) -> Outcome:
    """What the framework makes of a written config."""
    try:
        with _quiet():
            return framework.part("verify").run(part / config, part / file, images)
    except UserError:
        raise
    except Exception as error:  # a framework can raise anything for a config that it cannot use
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{config}: {version} cannot use it ({reason}); nothing was written") from error


def _verdict(
    config: str, version: str, outcome: Outcome, weights: Weights, whole: StagedBackbone, images: Tensor
) -> str:
    """Compares the maps that a written config gives with timm's; UserError where they differ."""
    differences = compare(weights, whole.unused_keys, images, outcome)
    shown = ", ".join(f"{what} {found}" for what, found in differences.items())
    if not all(found.within for found in differences.values()):
        raise UserError(
            f"{config}: {version} does not give timm's maps, max abs difference: {shown}; nothing was written"
        )
    verdict = f"verified {config} in {version}, max abs difference: {shown}"
    if outcome.remark:
        verdict += f"; {outcome.remark}"
    if outcome.loss is None:
        return verdict
    if not math.isfinite(outcome.loss):
        what = f"{config}: a training step in {version} has loss {outcome.loss}"
        raise UserError(f"{what}; nothing was written")
    return f"{verdict}; a training step on its data settings, an eighth of the size: loss {outcome.loss:.3f}"


def _beside(source: str | os.PathLike) -> Path:
    file, _ = file_and_key(source)
    return (file.parent if file.is_file() else Path()) / "converted"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the frameworks, which warn of heads that are not in the file; the verdict is enough."""
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
    folder.mkdir(parents=True, exist_ok=True)
    part = beside(folder / "converting")
    remove_rests_of_the_dead(folder)
    part.mkdir()
    try:
        yield part
        for path in sorted(part.rglob("*")):  # a folder before what is in it
            target = folder / path.relative_to(part)
            if path.is_dir():
                target.mkdir(exist_ok=True)
            else:
                os.replace(path, target)
    except BaseException:
        shutil.rmtree(part)
        for path in made:
            path.rmdir()
        raise
    shutil.rmtree(part)

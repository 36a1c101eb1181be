"""The benchmarks: the files of ``configs/transfer/<framework>`` that declare themselves as such.

A benchmark is a config in its framework's own language, which the framework's own trainer runs as it is.
The other facts about it are a literal in the file, which is read here without running the file::

    benchmark = dict(
        title="COCO, 1,000 training images",  # for reports
        source="OSS A.7",  # where the settings come from
        data="coco",  # its layout: a name of transfer.datasets.find.LAYOUTS
        seeds=5,  # how many are run unless the user says otherwise
        headline="segm_AP50",  # the metric to show first
        split_size=1_000,  # images in one of five splits; left out: all images train every seed
        smoke="smoke/mask_rcnn.py",  # overrides that make a run of a minute, beside the file
    )

The file of overrides may have a ``benchmark`` too, with the few keys that differ.
"""

import ast
from dataclasses import dataclass, fields, replace
from pathlib import Path

from distill.engine.config_root import config_root
from distill.errors import UserError, unknown


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: its config file, and what the file says of itself (see this module's docstring)."""

    config: Path
    title: str
    source: str
    data: str
    seeds: int
    headline: str
    smoke: str
    split_size: int | None = None

    @property
    def name(self) -> str:
        return self.config.stem

    @property
    def framework(self) -> str:
        return self.config.parent.name

    @property
    def smoke_config(self) -> Path:
        return self.config.parent / self.smoke

    def for_smoke(self) -> "Benchmark":
        """The benchmark with what its file of overrides declares, the number of seeds for example."""
        said = _said(self.smoke_config) or {}
        if self.split_size is None:
            said.pop("split_size", None)  # the file is shared with benchmarks that have splits
        return replace(self, **said)


def benchmarks() -> dict[str, Benchmark]:
    """All benchmarks by name."""
    found = {}
    for path in sorted((config_root() / "transfer").glob("*/*.py")):
        if said := _said(path):
            found[path.stem] = _benchmark(path, said)
    return found


def find_benchmark(name: str) -> Benchmark:
    """The benchmark called ``name``; UserError with the valid names otherwise."""
    known = benchmarks()
    if name not in known:
        raise unknown("benchmark", name, known)
    return known[name]


def _said(path: Path) -> dict | None:
    """The keywords of the file's own ``benchmark = dict(...)``; None: the file is no benchmark."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "benchmark":
            return {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.value.keywords}
    return None


def _benchmark(path: Path, said: dict) -> Benchmark:
    valid = [field.name for field in fields(Benchmark) if field.name != "config"]
    for key in said:
        if key not in valid:
            raise unknown(f"key of benchmark in {path}:", key, valid)
    missing = [key for key in valid if key not in said and key != "split_size"]
    if missing:
        raise UserError(f"{path}: benchmark = dict(...) lacks {', '.join(missing)}")
    return Benchmark(config=path, **said)

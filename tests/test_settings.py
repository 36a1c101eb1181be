"""``docs/settings.md`` states every setting of every protocol and benchmark, with the value that it has."""

import ast
import importlib.util
import re
from collections import Counter
from dataclasses import fields
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import pytest
from mmengine.config import Config

from distill.evaluation import evaluators_by_name
from distill.evaluation.features import Extraction
from transfer.benchmark import Benchmark, benchmarks

PAGE = (Path(__file__).parents[1] / "docs/settings.md").read_text()
PROTOCOLS = {"extraction": Extraction, **evaluators_by_name()}
BENCHMARKS = benchmarks()
ORIGINS = ("paper", "cited", "framework", "ours")
# Detectron2's models on which its benchmarks are built
MODELS = {
    "coco_det": "mask_rcnn_fpn",
    "coco_det_c4": "mask_rcnn_c4",
    "cityscapes_seg_d2": "panoptic_fpn",
    "voc07_det": "mask_rcnn_c4",
    "voc07_det_res5": "mask_rcnn_c4",
    "voc07_fast_rcnn": "mask_rcnn_fpn",
}
# What a run trains and tests with; the rest of a config is about logs and files.
PARTS = (
    "model", "train_dataloader", "test_dataloader", "val_evaluator", "train_cfg", "param_scheduler",
    "optim_wrapper", "auto_scale_lr", "dataloader", "optimizer", "lr_multiplier", "train",
)  # fmt: skip
# Differences from the framework's base that are no settings: classes, and what a run fills in.
NO_SETTING = re.compile(
    r".*\.weights|.*\.augmentations\.\d\._target_|model\.(backbone\.(bottom_up\.)?|roi_heads\.\w+\.)?_target_|model\.backbone\.type"
    r"|model\.roi_heads\.\w+\.(arch|num_classes|input_shape\..*)|model\.pretrained|dataloader\.evaluator\..*"
    r"|dataloader\.\w+\.dataset\.proposal_files|dataloader\.test\.mapper\.image_format|val_evaluator\.ann_file"
    r"|train\.reference_world_size|auto_scale_lr\.enable|train_cfg\.val_interval|param_scheduler\.1\.end"
)


class Row(NamedTuple):
    """A line of a table; ``setting`` and ``value`` in code type are a key and a Python literal."""

    setting: str
    value: str
    origin: str
    said: str

    @property
    def key(self) -> str | None:
        found = re.fullmatch(r"`([\w.]+)`", self.setting)
        return found and found[1]

    @property
    def expected(self) -> object:
        return ast.literal_eval(self.value.strip("`"))


def lines_of(section: str) -> list[list[str]]:
    """The cells of a section's table without its head."""
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [re.split(r"\s*\|\s*", line.strip("| ")) for line in table[2:]]


def sections(page: str) -> dict[str, dict[str, Row]]:
    """Name -> setting -> row; a section "As `other`" has the other's rows, but those "Without" names."""
    found = {}
    for name, text in re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", page, re.DOTALL | re.MULTILINE):
        other = re.search(r"^As `(\w+)`", text, re.MULTILINE)
        rows = dict(found[other[1]]) if other else {}
        without = re.search(r"^Without (.*)\.$", text, re.MULTILINE)
        for setting in without[1].split(", ") if without else ():
            del rows[setting]
        found[name] = rows | {row.setting: row for row in (Row(*cells) for cells in lines_of(text))}
    return found


ROWS = sections(PAGE)


def named(name: str) -> list[Row]:
    """The rows of a table whose setting is a key."""
    return [row for row in ROWS[name].values() if row.key]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Name -> a benchmark's config, plain."""
    return cache(partial(load, tmp_path_factory.mktemp("configs")))


def load(folder: Path, name: str) -> dict:
    """A benchmark's config; OpenMMLab's are copied into ``folder`` first: see ``with_paths``."""
    benchmark = installed(name)
    if benchmark.framework == "detectron2":
        from detectron2.config import LazyConfig

        return plain(LazyConfig.load(str(benchmark.config)))
    for path in benchmark.config.parent.glob("*.py"):
        (folder / path.name).write_text(with_paths(path.read_text(), benchmark.framework))
    return Config.fromfile(folder / f"{name}.py", import_custom_modules=False).to_dict()


def installed(name: str) -> Benchmark:
    """The benchmark, if its framework is installed; else the test is skipped."""
    framework = BENCHMARKS[name].framework
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed: its configs cannot be read")
    return BENCHMARKS[name]


def with_paths(text: str, framework: str) -> str:
    """Paths for ``mmdet::_base_/...``: for each such name mmengine reads all of the framework's indices."""
    (package,) = importlib.util.find_spec(framework).submodule_search_locations
    return text.replace(f"{framework}::", f"{package}/.mim/configs/")


@cache
def framework_base(name: str) -> dict:
    """What the framework itself ships of a benchmark's config."""
    benchmark = installed(name)
    if benchmark.framework != "detectron2":
        bases = with_paths(f"_base_ = {shipped(benchmark.config)}", benchmark.framework)
        return Config.fromstring(bases, ".py").to_dict()
    from detectron2.model_zoo import get_config

    return plain(
        {
            "model": get_config(f"common/models/{MODELS[name]}.py").model,
            "dataloader": get_config("common/data/coco.py").dataloader,
            "optimizer": get_config("common/optim.py").SGD,
            "lr_multiplier": get_config("common/coco_schedule.py").lr_multiplier_1x,
            "train": get_config("common/train.py").train,
        }
    )


def shipped(path: Path) -> list[str]:
    """The framework's files in ``_base_`` of a config, or of the config of ours that it changes."""
    said = {
        node.targets[0].id: node.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    bases = ast.literal_eval(said["_base_"])
    return bases if isinstance(bases, list) else shipped(path.parent / bases)


def plain(part):
    """A lazy config as dicts and lists, references followed."""
    from omegaconf import DictConfig, ListConfig

    if isinstance(part, dict | DictConfig):
        return {key: plain(part[key]) for key in part}
    return [plain(item) for item in part] if isinstance(part, list | tuple | ListConfig) else part


def at(config: dict, key: str) -> object:
    """The value of a dotted key; None where its last name is missing. A ``RepeatDataset`` is seen through."""
    *path, last = key.split(".")
    part = config
    for name in path:
        part = part[int(name)] if isinstance(part, list | tuple) else part[name]
        if isinstance(part, dict) and "dataset" in part and "times" in part and last != "times":
            part = part["dataset"]
    return part[int(last)] if isinstance(part, list | tuple) else part.get(last)


def leaves(part, key: str = "") -> dict[str, object]:
    """Dotted key -> value of everything in ``part`` that is no dict or list of dicts."""
    if isinstance(part, dict):
        items = part.items()
    elif isinstance(part, list | tuple) and any(isinstance(item, dict) for item in part):
        items = enumerate(part)
    else:
        return {key: part}
    return {
        at: value for name, inner in items for at, value in leaves(inner, f"{key}.{name}".lstrip(".")).items()
    }


def same(value: object, expected: object) -> bool:
    """Equal; tuples are lists, and a long fraction is given with four digits."""
    if isinstance(value, list | tuple) and isinstance(expected, list | tuple):
        return len(value) == len(expected) and all(map(same, value, expected))
    if isinstance(value, float) and isinstance(expected, float):
        return value == pytest.approx(expected, rel=1e-4)
    return type(value) is type(expected) and value == expected


def test_every_protocol_and_every_benchmark_has_a_table():
    assert set(ROWS) == {*PROTOCOLS, *BENCHMARKS}
    for name, rows in ROWS.items():
        for row in rows.values():
            assert row.origin in ORIGINS and row.said, f"{name}: {row}"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocols_table_has_every_field_with_its_default(name):
    evaluator = PROTOCOLS[name]()
    missing = {field.name for field in fields(evaluator)} - {"seed"} - {row.key for row in named(name)}
    assert not missing
    for row in named(name):
        value = evaluator
        for part in row.key.split("."):
            value = getattr(value, part)
        assert same(value, row.expected), f"{row.key} is {value!r}"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmarks_table_has_the_values_of_its_config(name, loaded):
    for row in named(name):
        value = at(loaded(name), row.key)
        assert same(value, row.expected), f"{row.key} is {value!r}"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_what_is_said_to_be_the_frameworks_is(name):
    """Where the key has another name there, the line says "their `key` is `value`"."""
    for row in (row for row in named(name) if row.origin == "framework"):
        theirs = re.search(r"their `([\w.]+)` is `(.+?)`", row.said)
        key, expected = (theirs[1], ast.literal_eval(theirs[2])) if theirs else (row.key, row.expected)
        value = at(framework_base(name), key)
        assert same(value, expected), f"{key} is {value!r} in the framework's base"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_whatever_departs_from_the_frameworks_base_has_a_line(name, loaded):
    base = leaves({part: framework_base(name).get(part, {}) for part in PARTS})
    ours = leaves({part: loaded(name).get(part, {}) for part in PARTS})
    keys = tuple(f"{row.key}." for row in named(name))
    for key, value in ours.items():
        if key in base and same(value, base[key]) or NO_SETTING.fullmatch(key):
            continue
        assert f"{key}.".startswith(keys), f"{key} is {value!r}, {base.get(key)!r} in the framework's base"


def test_the_counts_are_those_of_the_tables():
    """And the names stand in the order of the page."""
    summary = PAGE[PAGE.index("| name |") : PAGE.index("## Evaluation protocols")].split("\n")[2:-2]
    for line, (name, rows) in zip(summary, ROWS.items(), strict=True):
        assert line == f"| [`{name}`](#{name}) | {' | '.join(map(str, counts(rows)))} |"


def counts(rows: dict[str, Row]) -> list[int]:
    """How many rows there are of each origin, and how many depart from their source."""
    number = Counter(row.origin for row in rows.values())
    departs = [row for row in rows.values() if row.said.startswith("departs")]
    return [*(number[origin] for origin in ORIGINS), len(departs)]


SMALL_PAGE = """
### `a`

| setting | value | from | what the source says |
|---|---|---|---|
| `x.y` | `1.0` | ours | departs: A has 2 |
| z | no | paper | A |

### `b`

As `a`.
Without z.

| setting | value | from | what the source says |
|---|---|---|---|
| `x.y` | `2.0` | paper | A |
"""


def test_what_is_wrong_is_found():
    """The checks above can fail."""
    rows = sections(SMALL_PAGE)
    assert [row.expected for row in rows["b"].values()] == [2.0]
    assert counts(rows["a"]) == [1, 0, 0, 1, 1]
    assert same((1, 2), [1, 2]) and not same(1.0, 1.1) and not same(False, 0) and not same([1], [1, 2])
    assert at({"x": {"times": 8, "dataset": {"y": [3]}}}, "x.y.0") == 3 and at({"x": {}}, "x.y") is None
    assert leaves({"a": [{"b": 1}, {"c": [2]}]}) == {"a.0.b": 1, "a.1.c": [2]}


def test_every_protocol_and_benchmark_was_run_once():
    """``docs/results.md`` has the table of ``docs/results/coverage.py``, with the origins as they are."""
    page = (Path(__file__).parents[1] / "docs/results.md").read_text()
    origins = dict(re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \| (.*) \|$", PAGE, re.MULTILINE))
    lines = re.findall(r"^\| \[`(\w+)`\]\(settings\.md#\w+\) \| (.*)$", page, re.MULTILINE)
    assert dict(lines).keys() == evaluators_by_name().keys() | BENCHMARKS.keys()
    for name, cells in lines:
        assert cells.startswith(origins[name]) and "not run" not in cells, name

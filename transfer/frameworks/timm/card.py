"""The model card of a converted backbone: Markdown that a model hub shows, whatever names are in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import timm

from distill import results
from distill.checkpoints import FORMAT, file_and_key, init_of
from distill.report.blocks import data_name
from distill.report.markdown import grid, quoted
from distill.report.origins import settings
from distill.report.rows import identity
from distill.report.runs import read_manifest
from distill.report.tasks import Tasks
from distill.report.write import visible
from transfer.network.converted import ConvertedBackbone

NOT_STATED = "not stated"
FRONT = """---
library_name: timm
pipeline_tag: image-feature-extraction
license: unknown
tags:
- timm
- image-feature-extraction
{tag}---
"""
USE = """## Use

```python
import timm
import torch
from PIL import Image

model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()  # uploaded: "hf-hub:USER/NAME"
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
with torch.no_grad():
    features = model(transform(Image.open("picture.jpg").convert("RGB")).unsqueeze(0))
```
"""


def card(converted: ConvertedBackbone) -> str:
    """What is known of the weights: the file itself, and the manifest and result rows that lie beside it.

    A licence that nobody stated is said to be so: whoever publishes the card fills it in.
    """
    weights = converted.weights
    file, _ = file_and_key(weights.path)
    manifest = read_manifest(file.parent) if weights.source == FORMAT else {}
    init = init_of(weights)
    parts = [
        FRONT.format(tag="- distillation\n" if init == "distilled" else ""),
        f"# {quoted(converted.arch)}\n\nA {quoted(init)} image backbone without classifier.\n",
        grid(["", ""], _facts(converted, manifest)) + "\n",
        USE,
        f"## Made by\n\n{_code(manifest.get('command'))}\n",
    ]
    if rows := _rows(file.parent / "results.jsonl", weights.sha256):
        newest = {identity(row): row for row in rows}  # a later row takes the place of an earlier one
        tasks = Tasks()
        lines = [line for row in newest.values() for line in _lines(row, tasks)]
        parts.append("## Results\n\n" + grid(["protocol", "data", "measure", "%", "seed"], lines) + "\n")
    return visible("\n".join(parts))


def _facts(converted: ConvertedBackbone, manifest: dict) -> list[list[str]]:
    weights, policy = converted.weights, converted.policy
    meta = weights.meta
    config = settings(str(manifest.get("config", "")))
    teacher = str(_at(config, "model", "teacher", "weights") or "")
    data = manifest.get("data") if isinstance(manifest.get("data"), dict) else {}
    run = [f"{meta[key]} {key}" for key in ("epochs", "steps") if key in meta]
    side = f"{weights.image_size} x {weights.image_size}" if weights.image_size else NOT_STATED
    facts = {
        "Network": converted.arch,
        "Method": ", ".join([str(meta.get("method", NOT_STATED)), *run]),
        "Teacher": _ends(teacher),
        "Data": _ends(data.get("root")) + (f", {data['images']} images" if "images" in data else ""),
        "Images in training": side,
        "Mean, standard deviation": f"{policy.mean}, {policy.std}, of RGB in [0, 1]",
        "Licence of the teacher": _licence(teacher),
        "Licence of the data": NOT_STATED,
        "Made from": f"{_ends(weights.path)}, SHA-256 {weights.sha256}",
    }
    return [[name, value] for name, value in facts.items()]


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _ends(path: object) -> str:
    """The last two parts of a path: the others are the maker's own business."""
    return "/".join(Path(str(path)).parts[-2:]) if path else NOT_STATED


def _licence(teacher: str) -> str:
    """What timm states of weights of its own."""
    name = teacher.removeprefix("timm:")
    known = timm.get_pretrained_cfg(name) if timm.is_model(name) and timm.is_model_pretrained(name) else None
    return (known and known.license) or NOT_STATED


def _code(command: object) -> str:
    """A fenced block; the fence is longer than any in the text."""
    if not isinstance(command, str):
        return "The command is not stated."
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", command)), default=0))
    return f"{fence}\n{command}\n{fence}"


def _rows(path: Path, sha256: str) -> list[dict]:
    """The file's results of these weights; a name of timm's need not be one that a file can have."""
    rows = results.read(path) if os.path.isfile(path) else []
    return [row for row in rows if row.get("sha256") == sha256]


def _lines(row: dict, tasks: Tasks) -> list[list[str]]:
    task = tasks.of(row)
    data = data_name(row.get("data", ""), row["settings"]) or NOT_STATED
    return [
        [task.title, data, task.read_as(name), f"{value:.1f}", str(row["seed"])]
        for name, value in row["metrics"].items()
    ]

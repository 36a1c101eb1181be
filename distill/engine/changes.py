"""What has changed since a run began, where it goes on: its settings, its images, its teacher's file."""

import json
from pathlib import Path

from mmengine.config import Config

from distill.engine.config_files import read_config
from distill.errors import UserError
from distill.results.manifest import differing_keys

# Settings that change no result beyond rounding: where things lie, who does the work, what is logged.
# Images and teacher are known by their content.
FREE = (
    "work_dir", "launcher", "device", "env_cfg", "resume", "load_from", "experiment_name", "visualizer",
    "vis_backends", "log_processor", "log_level", "default_hooks", "custom_hooks", "augment_on",
    "compile_networks", "model_wrapper_cfg", "find_unused_parameters", "train_dataloader.num_workers",
    "train_dataloader.persistent_workers", "train_dataloader.pin_memory", "train_dataloader.prefetch_factor",
    "train_dataloader.dataset.data_root", "model.teacher.weights", "model.teacher.cache",
)  # fmt: skip


def changes(work_dir: str, config: Config, record: dict) -> list[str]:
    """What differs from the run in ``work_dir`` as it was begun, in words; nothing where it left no record.

    Args:
        config, record: of the run as it would go on: the config, and what its ``manifest.json`` would hold.
    """
    keys = [
        key
        for key in _settings(work_dir, config)
        if not any(f"{key}.".startswith(f"{free}.") for free in FREE)
    ]
    before = _record(work_dir)
    data, now = before.get("data"), record["data"]
    if isinstance(data, dict) and data.get("fingerprint") != now["fingerprint"]:
        keys.append(f"the images ({data.get('images')} in {data.get('root')}, now {now['images']})")
    teacher = before.get("teacher_sha256")
    if teacher and teacher != record["teacher_sha256"]:
        keys.append("the teacher's file")
    return keys


def refuse(work_dir: str, found: list[str]) -> None:
    """Raises UserError with what has changed, if anything."""
    if found:
        raise UserError(
            f"{work_dir}: changed since the run began: {', '.join(found)}; undo it, or --accept-changes goes "
            "on with optimiser and schedule as they were saved"
        )


def _settings(work_dir: str, config: Config) -> list[str]:
    file = Path(work_dir) / "config.py"
    if not file.is_file():
        return []
    before = read_config(file).to_dict()
    # written and read as the old one was, so that tuples, numbers and quotes compare equal
    return differing_keys(before, Config.fromstring(config.pretty_text, ".py").to_dict())


def _record(work_dir: str) -> dict:
    try:
        found = json.loads((Path(work_dir) / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

"""What has changed since a run began, where it goes on: its settings, its images, its teacher's file."""

import json
from pathlib import Path

from mmengine.config import Config

from distill.engine.config_files import read_config
from distill.engine.config_text import config_text
from distill.errors import UserError
from distill.results.manifest import differing_keys

# Settings that change no result beyond rounding: where things lie, who does the work, what is logged.
FREE = (
    "work_dir", "launcher", "device", "env_cfg", "resume", "load_from", "experiment_name", "visualizer",
    "vis_backends", "log_processor", "log_level", "default_hooks.checkpoint", "default_hooks.logger",
    "default_hooks.timer", "default_hooks.line", "default_hooks.collapse", "augment_on", "compile_networks",
    "model_wrapper_cfg", "find_unused_parameters",
    "train_dataloader.num_workers", "train_dataloader.persistent_workers", "train_dataloader.pin_memory",
    "train_dataloader.prefetch_factor",
)  # fmt: skip
# What gives an optimiser other state, or other groups of parameters, so that the saved one cannot be loaded.
UNFIT = ("optim_wrapper.optimizer.type.", "optim_wrapper.paramwise_cfg.", "optim_wrapper.constructor.")
# Where images and teacher lie, which are compared by their content.
IMAGES, TEACHER = "train_dataloader.dataset.data_root", "model.teacher.weights"


def changes(work_dir: str, config: Config, record: dict) -> list[str]:
    """What differs from the run in ``work_dir`` as it was begun, in words; nothing where it left no record.

    Args:
        config, record: of the run as it would go on: the config, and what its ``manifest.json`` would hold.
    """
    before, found, free = _record(work_dir), [], list(FREE)
    data, now = before.get("data"), record["data"]
    if isinstance(data, dict) and data.get("fingerprint"):
        free.append(IMAGES)
        if data["fingerprint"] != now["fingerprint"]:
            found.append(f"the images ({data.get('images')} in {data.get('root')}, now {now['images']})")
    if teacher := before.get("teacher_sha256"):
        free.append(TEACHER)
        if teacher != record["teacher_sha256"]:
            found.append("the teacher's file")
    prefixes = tuple(f"{key}." for key in free)
    return [key for key in _settings(work_dir, config) if not f"{key}.".startswith(prefixes)] + found


def refuse(work_dir: str, found: list[str], accepted: bool) -> None:
    """Raises UserError with what has changed, if anything that was not accepted, or that no state fits."""
    unfit = [key for key in found if f"{key}.".startswith(UNFIT)]
    if unfit:
        raise UserError(
            f"{work_dir}: changed since the run began: {', '.join(unfit)}; the saved optimiser does not fit: "
            "undo it, or begin again in another folder"
        )
    if found and not accepted:
        raise UserError(
            f"{work_dir}: changed since the run began: {', '.join(found)}; undo it, or --accept-changes goes "
            "on with optimiser and schedule as they were saved"
        )


def _settings(work_dir: str, config: Config) -> list[str]:
    file = Path(work_dir) / "config.py"
    if not file.is_file():
        return []
    # written and read as the old one was, so that tuples, numbers and quotes compare equal
    now = Config.fromstring(config_text(config), ".py")
    return differing_keys(_trained_by(read_config(file)), _trained_by(now))


def _trained_by(config: Config) -> dict:
    """The settings without the evaluation on the way, which changes no training."""
    settings = config.to_dict()
    hooks = settings.pop("custom_hooks", None) or []
    return settings | {"custom_hooks": [hook for hook in hooks if hook.get("type") != "EvaluationHook"]}


def _record(work_dir: str) -> dict:
    try:
        found = json.loads((Path(work_dir) / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

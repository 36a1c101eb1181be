"""Finds mistakes in a config before anything is built. Reads only."""

import inspect
from collections.abc import Callable
from inspect import Parameter, isclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner

from distill.backbones import Backbone
from distill.data.views import in_two_halves
from distill.distributed import usable_device
from distill.errors import UserError, unknown
from distill.methods.base import Method
from distill.registry import DATASETS, HOOKS, MODELS, OPTIMIZERS, PARAM_SCHEDULERS, SAMPLERS, TRANSFORMS
from distill.settings import Count, NotNegative, Number, Positive, Share, check_setting, check_settings
from distill.targets.sources import Source, source_of

# this project reads the first five, mmengine find_unused_parameters and custom_imports
OWN_KEYS = {
    "augment_on", "batch_size", "compile_networks", "device", "sync_batch_norm", "find_unused_parameters",
    "custom_imports",
}  # fmt: skip

AUGMENT_ON = ("auto", "device", "worker")
# what must hold settings, and what holds a list of them; those in brackets may be left out
GROUPS = (
    "model", "train_dataloader", "train_dataloader.dataset", "train_dataloader.dataset.augmentation",
    "train_dataloader.sampler", "optim_wrapper", "optim_wrapper.optimizer", "train_cfg", "[default_hooks]",
)  # fmt: skip
LISTS = ("custom_hooks", "param_scheduler")
# what no constructor of this project has as a parameter
KINDS = {
    "batch_size": Count,
    "train_cfg.max_epochs": Count,
    "randomness.seed": Annotated[int, Ge(0), Lt(2**32)],
    "train_dataloader.num_workers": Number,
    "optim_wrapper.optimizer.lr": Positive,
    "optim_wrapper.optimizer.momentum": Share,
    "optim_wrapper.optimizer.weight_decay": NotNegative,
    "optim_wrapper.accumulative_counts": Count,
    "default_hooks.logger.interval": Count,
    "compile_networks": bool,
    "sync_batch_norm": bool,
    "find_unused_parameters": bool,
}
# the same for each of param_scheduler
Part = Annotated[float, Gt(0), Le(1)]
GIVEN_TO_SCHEDULERS = {"optimizer", "param_name"}
SCHEDULE = {
    "begin": NotNegative, "end": Positive, "T_max": Positive, "eta_min": NotNegative | None,
    "gamma": Positive, "power": Positive, "factor": Part, "start_factor": Part,
    "end_factor": Annotated[float, Ge(0), Le(1)], "step_size": Count, "by_epoch": bool,
    "convert_to_iter_based": bool, "milestones": list[int] | tuple[int, ...],
}  # fmt: skip


def validate(config: Config) -> None:
    """Checks names, keys and the few values that a person must set.

    Raises:
        UserError: naming the key and what it may be.
    """
    valid = set(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"} | OWN_KEYS
    for key in config:
        if key not in valid:
            raise unknown("config key", key, valid)
    for key in ("model", "train_dataloader", "optim_wrapper", "train_cfg", "batch_size", "default_scope"):
        if key not in config:
            raise UserError(f"config key {key!r} is missing; start from a file in configs/_base_")
    _groups(config)
    _kinds(config)
    loader = config.train_dataloader
    method = _typed(config.model, MODELS, "model")
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise UserError(f"model.type {config.model.type!r} is not a method of distillation")
    student = _settings(config.model, "student")
    _set("model.student.arch", student.get("arch"), "--student NAME")
    check_settings(Backbone, student, "config key model.student.")
    _set("train_dataloader.dataset.data_root", loader.dataset.get("data_root"), "--data DIR")
    _teacher(config.model, source_of(method.needs))
    _typed(loader.dataset, DATASETS, "train_dataloader.dataset")
    augmentation = _typed(loader.dataset.augmentation, TRANSFORMS, "train_dataloader.dataset.augmentation")
    _augment_on(config.get("augment_on", "auto"), augmentation)
    _typed(loader.sampler, SAMPLERS, "train_dataloader.sampler", given={"dataset", "seed", "batch_size"})
    _typed(config.optim_wrapper.optimizer, OPTIMIZERS, "optim_wrapper.optimizer", given={"params"})
    _decay(config.optim_wrapper)
    for number, hook in enumerate(_listed(config, "custom_hooks")):
        _typed(hook, HOOKS, f"custom_hooks.{number}", extra={"priority"})
    for name, hook in (config.get("default_hooks") or {}).items():
        if hook is not None:  # which takes one of mmengine's away
            _must_hold(f"default_hooks.{name}", hook)
            _typed(hook, HOOKS, f"default_hooks.{name}", extra={"priority"})
    _schedule(config)
    _device(config)


def _groups(config: Config) -> None:
    for name in GROUPS:
        key = name.strip("[]")
        value = _at(config, key)
        if not (value is None and key != name):
            _must_hold(key, value)
    for key in LISTS:
        if not all(isinstance(part, dict) for part in _listed(config, key)):
            raise UserError(f"config key {key} is {config[key]!r}; valid: a list of dict(type=...)")


def _must_hold(key: str, value: object) -> None:
    if not isinstance(value, dict):
        raise UserError(f"config key {key} is {value!r}; it must hold settings: {key}.NAME=...")


def _listed(config: Config, key: str) -> list:
    """What stands in a list, or alone in its place."""
    value = config.get(key)
    return list(value) if isinstance(value, list | tuple) else [value] if value else []


def _at(config: Config, key: str) -> object:
    """The value of a dotted key; None where there is none."""
    for name in key.split("."):
        config = (config or {}).get(name)
    return config


def _kinds(config: Config) -> None:
    for key, kind in KINDS.items():
        part, parts = config, key.split(".")
        for name in parts[:-1]:
            part = part.get(name) or {}
            if not isinstance(part, dict):
                raise UserError(f"config key {key.rpartition('.')[0]} is {part!r}; it must hold settings")
        if parts[-1] in part:
            check_setting(f"config key {key}", part[parts[-1]], kind)


def _decay(wrapper: dict) -> None:
    """mmengine asks for the decay that ``paramwise_cfg`` changes for norms, biases or other layers."""
    of_layers = wrapper.get("paramwise_cfg") or {}
    _must_hold("optim_wrapper.paramwise_cfg", of_layers)
    named = [part for part in (of_layers.get("custom_keys") or {}).values() if isinstance(part, dict)]
    changed = {key for part in (of_layers, *named) for key in part if key.endswith("decay_mult")}
    if changed and wrapper.optimizer.get("weight_decay") is None:
        raise UserError(
            "config key optim_wrapper.optimizer.weight_decay is not set, and optim_wrapper.paramwise_cfg "
            f"multiplies it ({', '.join(sorted(changed))}); set it, 0 for none"
        )


def _augment_on(where: str, augmentation: Callable) -> None:
    if where not in AUGMENT_ON:
        raise unknown("augment_on", where, AUGMENT_ON)
    if where == "device" and not in_two_halves(augmentation):
        raise UserError(
            f"config key augment_on is 'device': {augmentation.__name__} makes its views from PIL images, "
            "in the data workers; leave it out"
        )


def _device(config: Config) -> None:
    name = config.get("device")
    if name is None:
        return
    if config.get("launcher", "none") != "none":
        raise UserError(f"config key device is {name!r}: it is for a run of one process; leave it out")
    usable_device(name, "config key device is")


def _settings(model: dict, key: str) -> dict:
    """The settings in ``model.<key>``; an empty dict if there are none."""
    found = model.get(key) or {}
    if not isinstance(found, dict):
        raise UserError(f"config key model.{key} is {found!r}; it must hold settings: model.{key}.NAME=...")
    return found


def _set(key: str, value: object, flag: str) -> None:
    if value is None:
        raise UserError(f"config key {key} is not set: {flag} or --cfg-options {key}=...")


def _teacher(model: dict, source: Source | None) -> None:
    """Checks the teacher's settings: what a person must give is there, and no key is unknown."""
    if source is None:
        return
    key = f"model.{source.key}"
    given = _settings(model, source.key)
    _set(f"{key}.{source.required}", given.get(source.required), source.flag)
    for name in given:
        if source.settings is not None and name not in source.settings:
            raise unknown("config key", f"{key}.{name}", {f"{key}.{valid}" for valid in source.settings})


def _typed(
    part: dict, registry: Registry, where: str, given: set = frozenset(), extra: set = frozenset()
) -> type:
    """The class of ``registry`` that ``part`` names; UserError for what it does not take."""
    if "type" not in part:
        raise UserError(f"config key {where}.type is missing")
    name = part["type"]
    cls = registry.get(name) if isinstance(name, str) and name else name if isinstance(name, type) else None
    if cls is None:
        raise unknown(f"{where}.type", part["type"], {*registry.module_dict, *registry.parent.module_dict})
    own = {key: value for key, value in part.items() if key not in extra}
    check_settings(cls, own, f"config key {where}.")
    names = _parameters(cls)
    if names is None:
        return cls  # takes anything
    allowed = (names - given) | extra
    for key in part:
        if key != "type" and key not in allowed:
            raise unknown("config key", f"{where}.{key}", {f"{where}.{name}" for name in allowed})
    return cls


def _parameters(cls: type) -> set[str] | None:
    """Names of what its constructor takes; None: anything.

    One with ``*args`` and ``**kwargs`` hands them on, as mmengine's schedulers do, to the next that there is.
    """
    bases = inspect.getmro(cls)[:-1] if isclass(cls) else ()
    makers = [base for base in bases if "__init__" in vars(base)] if bases else [cls]
    for maker in makers:
        parameters = inspect.signature(maker).parameters.values()
        kinds = {parameter.kind for parameter in parameters}
        if Parameter.VAR_KEYWORD not in kinds:
            return {parameter.name for parameter in parameters}
        if Parameter.VAR_POSITIONAL not in kinds:
            break
    return None if makers else set()


def _schedule(config: Config) -> None:
    epochs = config.train_cfg.get("max_epochs")
    _set("train_cfg.max_epochs", epochs, "--epochs N")
    for number, scheduler in enumerate(_listed(config, "param_scheduler")):
        where = f"param_scheduler.{number}"
        _typed(scheduler, PARAM_SCHEDULERS, where, GIVEN_TO_SCHEDULERS, {"convert_to_iter_based"})
        for key, value in scheduler.items():
            check_setting(f"config key {where}.{key}", value, SCHEDULE.get(key, object))
        if not scheduler.get("by_epoch", True):
            continue
        for milestone in scheduler.get("milestones", ()):
            if milestone >= epochs:
                raise UserError(
                    f"config key {where}.milestones: {milestone} is not before the last "
                    f"epoch ({epochs}), so it would never happen"
                )

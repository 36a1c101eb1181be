"""Checks the user's ``--cfg-options``: keys that the config has or its classes take, and their values."""

import importlib
import inspect

from mmengine.config import Config

from distill.errors import UserError, unknown
from transfer.frameworks.values import check_value


def check_options(config: Config, options: dict, scope: str) -> None:
    """Looks up every key.

    Args:
        options: dotted key -> value; a number is a place in a list.
        scope: that of the framework's registries, which know the classes.

    Raises:
        UserError: an unknown key, with the valid ones; or a value that it cannot have.
    """
    for key in options:
        part, before = config, ""
        *path, last = key.split(".")
        for name in path:
            _check(name, _keys(part, before), before)
            part, before = (
                part[int(name)] if isinstance(part, list | tuple) else part[name],
                f"{before}{name}.",
            )
        keys = _keys(part, before)
        index = int(last) if isinstance(part, list | tuple) and last in keys else last
        check_value(key, options[key], part[index] if last in keys else None)
        if last not in keys:  # a class may take more than the config gives
            taken = _arguments(part, scope)
            if taken is not None:
                _check(last, [*keys, *taken], before)


def _check(name: str, valid: list[str], before: str) -> None:
    if name not in valid:
        raise unknown("config key", before + name, {before + other for other in valid})


def _keys(part, where: str) -> list[str]:
    if isinstance(part, dict | Config):
        return list(part)
    if isinstance(part, list | tuple):
        return [str(number) for number in range(len(part))]
    raise UserError(f"config key {where.rstrip('.')} is {part!r}, which has no keys of its own")


def _arguments(part, scope: str) -> list[str] | None:
    """Arguments of the class that ``part`` names as its type; None: it takes any."""
    cls = _find_class(part.get("type"), scope) if isinstance(part, dict) else None
    parameters = inspect.signature(cls).parameters.values() if cls else ()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [parameter.name for parameter in parameters]


def _find_class(name, scope: str) -> type | None:
    from mmengine import registry

    if not isinstance(name, str):
        return None
    importlib.import_module(f"{scope}.registry")
    kinds = [kind for kind in vars(registry).values() if isinstance(kind, registry.Registry)]
    found = (kind.get(f"{scope}.{name}") or kind.get(name) for kind in kinds)
    return next((cls for cls in found if inspect.isclass(cls)), None)

"""What values ``--cfg-options`` may give to a benchmark's config, whichever framework reads it."""

import math

from distill.errors import UserError


def check_value(key: str, new: object, old: object = None) -> None:
    """Refuses numbers that are not finite, at any depth, and text where the config has a number.

    Raises:
        UserError: with the key.
    """
    if isinstance(new, str) and isinstance(old, int | float) and not isinstance(old, bool):
        raise UserError(f"config key {key} is {new!r}; valid: a number, as {old!r}")
    if isinstance(new, float) and not math.isfinite(new):
        raise UserError(f"config key {key} is {new}; valid: a finite number")
    parts = new.items() if isinstance(new, dict) else enumerate(new) if isinstance(new, list | tuple) else ()
    for name, part in parts:
        check_value(f"{key}.{name}", part)

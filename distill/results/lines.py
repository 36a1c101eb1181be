"""JSON objects from files that a crash, a disk or a hand may have damaged."""

from __future__ import annotations

import json

LARGEST = 1e300  # of numbers: sums and differences of two stay finite
DEEPEST = 50  # objects and lists within one another


def parse_object(text: bytes | str) -> dict:
    """The JSON object in ``text``.

    Python's reader takes more than JSON: ``NaN`` and infinities, which this project's files of before hold
    for what could not be measured, are None here.

    Raises:
        ValueError: what is wrong with it, in a few words: not whole, no object, a key that stands there
            twice, a number that no sum can hold, more than ``DEEPEST`` levels.
    """
    try:
        value = json.loads(
            text.decode() if isinstance(text, bytes) else text,
            object_pairs_hook=_each_once,
            parse_constant=lambda name: None,
            parse_float=_number(float),
            parse_int=_number(int),
        )
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError("not whole JSON") from error
    except RecursionError as error:
        raise ValueError(f"more than {DEEPEST} levels of brackets") from error
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    if _depth_exceeds(value, DEEPEST):
        raise ValueError(f"more than {DEEPEST} levels of brackets")
    return value


def finite(value: object) -> object:
    """``value`` as JSON has it: None for NaN and infinities, at any depth of dicts and lists."""
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


def _each_once(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in found if names.count(key) > 1)!a:.60} twice")
    return found


def _number(kind: type):
    def parse(digits: str) -> int | float:
        if not abs(float(digits)) <= LARGEST:
            raise ValueError(f"the number {digits:.20} is too large")
        return kind(digits)

    return parse


def _depth_exceeds(value: object, levels: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(parts) and (levels == 0 or any(_depth_exceeds(part, levels - 1) for part in parts))

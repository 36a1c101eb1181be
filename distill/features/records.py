"""The JSON files beside features, and the header of the file of their rows: whole, or refused by name."""

from pathlib import Path
from typing import Annotated, Literal, NotRequired

import numpy as np
from annotated_types import Len
from pydantic import InstanceOf, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from distill.errors import UserError
from distill.results.lines import parse_object
from distill.settings import Number, first_wrong

Dtype = Literal["float16", "float32"]
Precision = Literal["float32", "bfloat16", "float16"]
Text = InstanceOf[str]  # pydantic's own takes no names that are not UTF-8
_plain = with_config(strict=True, allow_inf_nan=False, extra="ignore")


@_plain
class Data(TypedDict):
    images: Number
    fingerprint: Text


@_plain
class MadeFrom(TypedDict):
    """What ``describe`` returns; ``precision`` is missing in earlier records."""

    teacher: dict
    data: Data
    view: dict
    dtype: Dtype
    precision: NotRequired[Precision]


@_plain
class Record(TypedDict):
    """``cache.json``: ``done`` rows, from the first on."""

    made_from: MadeFrom
    done: Number
    unreadable: list[Text]


@_plain
class Part(TypedDict):
    """``part-R.json``: ``made`` are the rows [first, end) of each pair."""

    made: list[Annotated[list[Number], Len(2, 2)]]
    unreadable: list[Text]


RULES = {kind: TypeAdapter(kind) for kind in (Record, Part)}


def read_whole(file: Path, kind: type) -> dict | None:
    """A ``Record`` or ``Part``; None if there is no such file.

    Raises:
        UserError: the file is damaged, or tells of rows that cannot be.
    """
    try:
        found = parse_object(file.read_bytes())
        RULES[kind].validate_python(found)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise _damaged(file, first_wrong(error)) from error
    except ValueError as error:
        raise _damaged(file, str(error)) from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise UserError(f"{file}: {error.strerror}; valid: a folder of features") from error
    if kind is Record and found["done"] > found["made_from"]["data"]["images"]:
        raise _damaged(file, f"{found['done']} rows done of {found['made_from']['data']['images']}")
    return found


def read_part(file: Path, count: int) -> dict | None:
    """A ``Part`` of ``count`` rows; None if there is no such file.

    Raises:
        UserError: as ``read_whole``.
    """
    found = read_whole(file, Part)
    for first, end in found["made"] if found else ():
        if not first <= end <= count:
            raise _damaged(file, f"rows {first} to {end} made of {count}")
    return found


def _damaged(file: Path, reason: str) -> UserError:
    return UserError(f"{file}: damaged ({reason}); remove it, and what it tells of is made again")


def check_rows(file: Path, shape: tuple[int, int], dtype: np.dtype) -> int:
    """Where the rows begin in the file of all rows, bytes.

    Raises:
        UserError: no such file, or one of another shape or type, or shorter or longer than its rows.
    """
    again = f"remove {file.parent}, and the features are made again"
    if not file.exists():
        raise UserError(f"{file} is missing, though rows of it are done; {again}")
    if not file.is_file():
        raise UserError(f"{file} is no file; {again}")
    with open(file, "rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else _none
            found, by_columns, kind = header(stream)
        except ValueError as error:
            raise UserError(f"{file}: not the rows of features (no header of them); {again}") from error
        begin = stream.tell()
    if (found, kind, by_columns) != (shape, dtype, False):
        holds = f"{' x '.join(map(str, found))} {kind}{' by columns' if by_columns else ''}"
        wanted = f"{' x '.join(map(str, shape))} {dtype}"
        raise UserError(f"{file}: holds {holds}; its record says {wanted}; {again}")
    size, whole = file.stat().st_size, begin + shape[0] * shape[1] * dtype.itemsize
    if size != whole:
        raise UserError(f"{file}: {size:,} bytes, not {whole:,}: cut, or written over; {again}")
    return begin


def _none(stream) -> tuple:
    raise ValueError("another version of the format")

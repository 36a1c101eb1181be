"""What a row of ``results.jsonl`` holds, declared once: every reader gets rows that were held against it."""

from typing import Annotated, NotRequired

from annotated_types import Ge, Le
from pydantic import InstanceOf, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from distill.settings import Number, first_wrong

SCHEMA = 1
Text = InstanceOf[str]  # pydantic's own takes no names that are not UTF-8, which files may have
Percent = Annotated[float, Ge(-1e9), Le(1e9)]  # or another measure of that order

_plain = with_config(strict=True, allow_inf_nan=False, extra="ignore")


@_plain
class Images(TypedDict, total=False):
    """A part of a data set: its folder, how many images of it were seen and how many could not be read."""

    folder: Text
    images: Number
    unreadable: Number


@_plain
class Settings(TypedDict, total=False):
    """Of the settings, those that a report understands; the others are shown."""

    train: Images
    val: Images
    schedule: dict


@_plain
class Details(TypedDict, total=False):
    """Of the details, those that reports and figures understand."""

    per_class: dict[Text, float | None]
    grid: dict
    grid_of: Text
    test_images: Number


@_plain
class Row(TypedDict):
    """A row; ``distill.results.make_row`` says what the fields mean. A row may have fields beyond these."""

    schema: NotRequired[int]
    task: Text
    label: Text
    init: Text
    backbone: Text
    seed: int
    metrics: dict[Text, Percent]
    settings: Settings
    time: Text
    checkpoint: NotRequired[Text]
    sha256: NotRequired[Text]
    seconds: NotRequired[Annotated[float, Ge(0)]]
    command: NotRequired[Text]
    versions: NotRequired[dict]
    git: NotRequired[Text | None]
    training_seed: NotRequired[int]
    title: NotRequired[Text]
    kind: NotRequired[Text]
    headline: NotRequired[Text]
    names: NotRequired[dict[Text, Text]]
    data: NotRequired[Text]
    details: NotRequired[Details]
    figures: NotRequired[dict[Text, Text]]


ROW = TypeAdapter(Row)


def check_row(row: dict) -> None:
    """Holds a row, as JSON gives it, against ``Row``.

    Raises:
        ValueError: a row of a later version, a missing field, or a value of another type or range.
    """
    version = row.get("schema", SCHEMA)
    if isinstance(version, int) and version > SCHEMA:
        raise ValueError(f"of schema {version}; this version reads up to {SCHEMA}")
    try:
        ROW.validate_python(row)
    except ValidationError as error:
        raise ValueError(first_wrong(error)) from error

"""What a setting may be, by its annotation: ``temperature: Positive = 0.04``. pydantic checks the values."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Annotated, Any, get_type_hints

from annotated_types import Ge, Gt, Lt, MinLen

from distill.errors import UserError

Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]  # a momentum, a rate of dropout
Count = Annotated[int, Ge(1)]
Number = Annotated[int, Ge(0)]
Counts = Annotated[tuple[Count, ...], MinLen(1)]
Positives = Annotated[tuple[Positive, ...], MinLen(1)]

UNCHECKED = ("torch", "torchvision", "mmengine", "timm")  # packages whose annotations are not always true


def check_setting(name: str, value: object, kind: object) -> None:
    """Raises UserError, with name, value and what is valid, unless ``value`` is of the annotated ``kind``.

    Types are taken strictly: ``"8"`` and ``True`` are no numbers, NaN and infinity are none of ours. A list
    serves for a tuple, because YAML and JSON have no tuples.
    """
    from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

    try:
        rules = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
        adapter = TypeAdapter(kind, config=rules)
    except PydanticSchemaGenerationError:  # an annotation that is no type
        return
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        if isinstance(value, list):
            return check_setting(name, tuple(value), kind)
        valid = dict.fromkeys(plainly(found) for found in error.errors())
        raise UserError(f"{name} is {value!r}; valid: {' or '.join(valid)}") from error


def plainly(found: dict) -> str:
    """What is valid instead, from one of the errors that pydantic lists."""
    if found["type"] in ("missing", "too_short"):
        return "more values"  # of a tuple
    message = found["msg"].removeprefix("Input should be ").replace("a valid integer", "a whole number")
    return message.replace("a valid ", "a ").replace("an instance of str", "a text")


def first_wrong(error) -> str:
    """What pydantic's ``ValidationError`` is about: the missing keys, else the first wrong value."""
    found = error.errors(include_url=False)
    if missing := [str(each["loc"][-1]) for each in found if each["type"] == "missing"]:
        return f"lacks {', '.join(missing)}"
    key = ".".join(map(str, found[0]["loc"]))
    return f"{key!a:.60} is {found[0]['input']!a:.60}; valid: {plainly(found[0])}"


def check_settings(owner: Callable, given: Mapping, where: str = "") -> None:
    """Holds each setting in ``given`` against the annotation of the parameter of ``owner`` that it is for.

    Args:
        where: what comes before its name in an error, such as ``config key model.``.
    """
    if str(getattr(owner, "__module__", "")).partition(".")[0] in UNCHECKED:
        return
    try:
        kinds = get_type_hints(owner.__init__ if inspect.isclass(owner) else owner, include_extras=True)
    except (NameError, TypeError, AttributeError):  # a name that is imported for type checkers alone
        return
    for name, value in given.items():
        if name in kinds:
            check_setting(f"{where}{name}", value, kinds[name])


def check_fields(instance: Any, where: str) -> None:
    """``check_settings`` for the fields of a dataclass's instance, from its ``__post_init__``."""
    given = {field.name: getattr(instance, field.name) for field in fields(instance)}
    check_settings(type(instance), given, where)

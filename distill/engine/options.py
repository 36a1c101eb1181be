"""Changes to a config on the command line."""

from ast import literal_eval

from distill.errors import UserError


def parse_options(options: list[str]) -> dict:
    """``["a.b=1", "c=[1,2]"]`` -> ``{"a.b": 1, "c": [1, 2]}``; anything but a Python value stays a string."""
    parsed = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise UserError(f"--cfg-options {option!r}: write KEY=VALUE")
        try:
            parsed[key] = literal_eval(text)
        except (ValueError, SyntaxError):
            parsed[key] = text
    return parsed

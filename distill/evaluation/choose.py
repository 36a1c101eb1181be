"""From what a person types to evaluators with their settings."""

from __future__ import annotations

from collections.abc import Sequence

from distill.engine.options import parse_options
from distill.errors import UserError, unknown
from distill.evaluation.run import Evaluator, build, evaluators_by_name

Settings = dict[str, dict]  # protocol -> what is not its default


def choose(
    protocols: str,
    seed: int,
    few_shot: str = "",
    label_list: Sequence[str] = (),
    cfg_options: Sequence[str] = (),
) -> list[Evaluator]:
    """The protocols asked for; the arguments are the options of ``tools/evaluate.py``.

    Args:
        protocols: names with commas between them, or ``all``.

    Raises:
        UserError: an unknown protocol or setting, or an option that none of the protocols takes.
    """
    known = evaluators_by_name()
    names = list(known) if protocols == "all" else protocols.split(",")
    for name in names:
        if name not in known:
            raise unknown("protocol", name, known)
    settings = {name: {} for name in names}
    if few_shot:
        _give("--few-shot", "few_shot", tuple(few_shot.split(",")), settings)
    if label_list:
        pairs = [item.partition("=") for item in label_list]
        if not all(share and file for share, _, file in pairs):
            raise UserError(f"--label-list {' '.join(label_list)}: write SHARE=FILE, 1%=1percent.txt")
        _give("--label-list", "lists", {share: file for share, _, file in pairs}, settings)
    for option, value in parse_options(cfg_options).items():
        name, _, key = option.partition(".")
        if name not in settings:
            valid = ", ".join(names)
            raise UserError(f"--cfg-options {option}: write PROTOCOL.SETTING=VALUE; protocols: {valid}")
        settings[name][key] = value
    return [build(name, seed, **settings[name]) for name in names]


def _give(flag: str, setting: str, value: object, settings: Settings) -> None:
    """Enters a flag's value into the settings of those protocols that have such a setting."""
    having = [name for name, kind in evaluators_by_name().items() if setting in kind.__annotations__]
    if not (chosen := [name for name in settings if name in having]):
        raise UserError(f"{flag} needs {' or '.join(having)} among the --protocols")
    for name in chosen:
        settings[name][setting] = value

"""The teacher of a distilled network: what its run's folder tells."""

import ast
from pathlib import Path

from distill.errors import UserError


def teacher_of(checkpoint: str) -> tuple[str, str | None]:
    """The weights and, where it is told, the architecture of the teacher that a checkpoint's run had.

    A run that trains its own teacher leaves it beside the student, as ``teacher.pth``; otherwise the run's
    ``config.py`` names it.

    Raises:
        UserError: neither is there, or the file that the config names is not.
    """
    folder = Path(checkpoint).resolve().parent
    if (folder / "teacher.pth").is_file():
        return str(folder / "teacher.pth"), None
    config = folder / "config.py"
    told = _told_by(config) if config.is_file() else {}
    if "weights" not in told:
        raise UserError(
            f"--init teacher: {folder} has neither teacher.pth nor a config.py with model.teacher.weights; "
            "give teacher=FILE"
        )
    return told["weights"], told.get("arch")


def _told_by(config: Path) -> dict:
    """``model.teacher`` of a resolved config, {} if it has none; the file is read and not run.

    Raises:
        UserError: the file is not Python.
    """
    try:
        body = ast.parse(config.read_bytes()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # each is Python's word
        raise UserError(f"--init teacher: {config} is no config ({error}); give teacher=FILE") from error
    for node in body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "model":
            teacher = _keywords(node.value).get("teacher")
            parts = _keywords(teacher) if teacher else {}
            return {key: part.value for key, part in parts.items() if _is_text(part)}
    return {}


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _keywords(call: ast.expr) -> dict[str, ast.expr]:
    """The keywords of ``dict(...)``, as mmengine writes configs."""
    return {part.arg: part.value for part in call.keywords} if isinstance(call, ast.Call) else {}

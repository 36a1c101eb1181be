"""What to do with a student: commands for a shell."""

import os
import shlex
from pathlib import Path

from mmengine.config import Config

from distill.commands import started


def next_steps(student: Path, config: Config) -> list[str]:
    """Three commands that open, evaluate and convert the file of a student, as they work from this folder."""
    path = os.path.join(".", student) if str(student).startswith("-") else str(student)
    imports = "from distill.backbones import Backbone; from distill.checkpoints import read_weights"
    opened = f"{imports}; student = Backbone.from_weights(read_weights({path!r})).eval()"
    hooks = [hook for hook in config.get("custom_hooks", []) if hook.get("type") == "EvaluationHook"]
    data = ["--train", hooks[0].data["train"], "--val", hooks[0].data["val"]] if hooks else ["--data", "ROOT"]
    commands = [
        ["python", "-i", "-c", opened],
        [*started("evaluate"), path, *data],
        [*started("convert_backbone"), path, "--to", "timm"],
    ]
    return [shlex.join(command) for command in commands]


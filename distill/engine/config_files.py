"""Reading config files. A Python file is a program and runs; YAML and JSON are data and run nothing."""

import os
from pathlib import Path

import yaml
from mmengine.config import Config
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import YamlHandler

from distill.errors import UserError


class _PlainLoader(yaml.SafeLoader):
    """Plain data, and the tuples that mmengine writes into a YAML config."""


_PlainLoader.add_constructor(
    "tag:yaml.org,2002:python/tuple",
    lambda loader, node: tuple(loader.construct_sequence(node, deep=True)),
)


@register_handler(["yaml", "yml"])
class PlainYamlHandler(YamlHandler):
    """Replaces mmengine's own handler, with which a YAML file can call any function.

    It applies to everything that mmengine loads from now on, the files under ``_base_`` included.
    """

    def load_from_fileobj(self, file, **kwargs):
        return super().load_from_fileobj(file, **{"Loader": _PlainLoader, **kwargs})


def read_config(path: str | os.PathLike) -> Config:
    """Reads a config file (Python, YAML or JSON) and the files it builds on.

    Raises:
        UserError: no such file, or any mistake in it.
    """
    if not Path(path).is_file():
        raise UserError(f"no such config file: {path}")
    try:
        _refuse_circle(Path(path).resolve())
        return Config.fromfile(path)
    except UserError:
        raise
    except RecursionError as error:  # a circle of ``with read_base()``
        raise UserError(f"{path}: builds on itself") from error
    except Exception as error:  # a config is a Python program and can raise anything
        raise UserError(f"{path}: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


def _refuse_circle(path: Path, above: tuple[Path, ...] = ()) -> None:
    """Raises UserError where ``_base_`` leads back to a file above; mmengine would recurse for seconds."""
    if path in above:
        circle = " -> ".join(file.name for file in (*above[above.index(path) :], path))
        raise UserError(f"{above[0]}: builds on itself: {circle}")
    if not path.is_file():
        return  # mmengine reports it
    for base in Config._get_base_files(str(path)):
        below, _ = Config._get_cfg_path(base, str(path))
        _refuse_circle(Path(below).resolve(), (*above, path))

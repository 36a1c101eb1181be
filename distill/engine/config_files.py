"""Reading config files. A Python file is a program and runs; YAML and JSON are data and run nothing."""

import os
from pathlib import Path

import yaml
from mmengine.config import Config
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import YamlHandler

from distill.errors import UserError

MOST = 1_000_000  # values of a YAML config, those behind its aliases counted each time


class _PlainLoader(yaml.SafeLoader):
    """Plain data, and the tuples that mmengine writes into a YAML config.

    A few lines of aliases of aliases can stand for more values than there is memory for: they are refused.
    """

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _size(node, {}) > MOST:
            raise yaml.YAMLError(f"its aliases stand for more than {MOST:,} values")
        return node


def _size(node: yaml.Node, known: dict[int, float]) -> float:
    """How many values a node stands for; infinite if it is a part of itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")  # until its parts are counted
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [part for pair in parts for part in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


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
        raise UserError(f"{path}: builds on itself, or is nested too deeply") from error
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

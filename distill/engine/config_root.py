"""Where the project's own configs are."""

from pathlib import Path


def config_root() -> Path:
    """The folder ``configs``: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent.parent
    beside = package.parent / "configs"
    return beside if beside.is_dir() else package / "configs"

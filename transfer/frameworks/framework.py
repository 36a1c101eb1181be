"""What one framework declares about itself."""

import importlib
import importlib.util
import shlex
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType

from distill.commands import started
from distill.errors import UserError


@dataclass(frozen=True)
class Framework:
    """One framework.

    Attributes:
        name: of its folder here, its folder of benchmarks, and its package in Python.
        title: as its authors write it.
        modules: what must import for it to work, compiled parts included.
        pip: what pip installs, itself first; "" where there are no wheels.
        mend: the command that installs it where pip alone does not.
        trains: it runs benchmarks; the others only take converted weights.
        writes: it writes its weights file itself: without it nothing is converted.
    """

    name: str
    title: str
    modules: tuple[str, ...]
    pip: str = ""
    mend: str = ""
    trains: bool = True
    writes: bool = False

    @property
    def package(self) -> str:
        """Its name for pip."""
        return (self.pip or self.name).split()[0]

    def versions(self) -> dict[str, str]:
        """Versions of what its modules and those it needs were installed as; forks have other names."""
        modules = dict.fromkeys([self.name, *(module.split(".")[0] for module in self.modules)])
        installed = metadata.packages_distributions()
        names = dict.fromkeys(name for module in modules for name in installed.get(module, ()))
        return {name: metadata.version(name) for name in names}

    def part(self, file: str) -> ModuleType:
        """A module of the framework's folder (``adapter``, ``fill``, ...), imported now."""
        return importlib.import_module(f"{__package__}.{self.name}.{file}")

    def check_installed(self, wanted_by: str) -> None:
        """UserError if the framework or a package it depends on is not installed; imports nothing."""
        packages = dict.fromkeys(module.split(".")[0] for module in self.modules)
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        if missing:
            raise UserError(
                f"{wanted_by} needs {self.title}: {', '.join(missing)} is not installed; {self._how()}"
            )

    def check_imports(self) -> str:
        """Imports it, and returns its title and version.

        Raises:
            UserError: it is not installed, or does not import.
        """
        try:
            for module in self.modules:
                importlib.import_module(module)
        except (ImportError, AssertionError, OSError) as error:  # mmdet asserts mmcv's version
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{self.title} does not import here ({reason}); {self._how()}"
            ) from error
        return f"{self.title} {importlib.import_module(self.name).__version__}"

    def _how(self) -> str:
        """What installs it; the doctor tries the frameworks that train, and knows more of them."""
        if self.trains:
            return f"`{shlex.join(started('doctor'))}` says how to mend it"
        return f"`python -m pip install -c constraints.txt {self.pip}` installs it"

"""One file a method. A new file is found by itself; its method also needs a loss, settings and two tests."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):  # imported to be registered
    import_module(f"{__name__}.{_module.name}")

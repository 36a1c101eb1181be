"""One file a method. A new one is found by itself: it needs its file, its loss, its settings, two tests."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):  # imported to be registered
    import_module(f"{__name__}.{_module.name}")

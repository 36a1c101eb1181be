"""The frameworks that a backbone can go to: a folder each, found by every tool.

A framework's folder says what it is in its ``__init__.py`` (``FRAMEWORK = Framework(...)``). A framework that
trains has the same few files, none of which is imported before it is needed:

====================  ==============================================================================
``adapter.py``        registers the backbone there: all of this project that a benchmark's config needs
``fill.py``           ``fill(job: Job) -> Filled``: a benchmark's own config with backbone, data, classes
                      and linear rule filled in; needs the framework's configs, and raises UserError
``trainer.py``        ``train_and_test(job: Job) -> (metrics in percent, step it was resumed from)``: runs
                      the file that ``fill`` made, from the newest checkpoint in the job's folder; every
                      process calls it, and only the first one's metrics count
``check.py``          ``works() -> str``: tries one thing of the framework and names it, or raises
====================  ==============================================================================

Every framework, timm and torchvision included, has ``export.py`` and ``verify.py``: see ``transfer.convert``.

``Job`` and ``Filled`` are in ``transfer.jobs.job``. The benchmarks of a framework are the files of
``configs/transfer/<its name>``.
"""

import importlib
import pkgutil

from transfer.frameworks.framework import Framework


def discover() -> dict[str, Framework]:
    """Name -> framework, of every folder here that declares one; imports no framework."""
    folders = sorted(entry.name for entry in pkgutil.iter_modules(__path__) if entry.ispkg)
    modules = (importlib.import_module(f"{__name__}.{name}") for name in folders)
    found = [module.FRAMEWORK for module in modules if hasattr(module, "FRAMEWORK")]
    return {framework.name: framework for framework in found}


FRAMEWORKS = discover()

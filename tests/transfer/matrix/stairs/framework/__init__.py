"""A framework that trains nothing: ``test_execute.py`` puts this folder beside the others."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework("stairs", "Stairs", ("json",), pip="stairs")

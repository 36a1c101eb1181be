"""A framework that trains. ``test_new_framework.py`` puts this folder beside the others."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework("toy", "Toy", ("toy",), pip="toy")

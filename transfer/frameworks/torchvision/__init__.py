"""torchvision: a whole ResNet's weights, and a Python file that builds it."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework("torchvision", "torchvision", ("torchvision",), pip="torchvision", trains=False)

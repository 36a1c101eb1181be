"""torchvision: a whole network's weights, and a Python file that builds it alone or under an FPN."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework("torchvision", "torchvision", ("torchvision",), pip="torchvision", trains=False)

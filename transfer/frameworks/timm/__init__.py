"""timm: a whole network's weights, and a Python file that builds it."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework("timm", "timm", ("timm",), pip="timm", trains=False)

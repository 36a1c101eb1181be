"""timm: a folder that ``timm.create_model`` opens, and that can be uploaded to a model hub as it is."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework("timm", "timm", ("timm",), pip="timm", trains=False)

"""MMSegmentation."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework("mmseg", "MMSegmentation", ("mmcv", "mmseg.models"), pip="mmsegmentation ftfy regex")

"""MMDetection."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework("mmdet", "MMDetection", ("mmcv.ops", "mmdet.models"), pip="mmdet")

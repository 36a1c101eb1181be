"""Detectron2."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework(
    "detectron2",
    "Detectron2",
    ("detectron2", "detectron2._C"),
    mend="make setup DETECTRON2=WHEEL (see https://detectron2.readthedocs.io)",
)

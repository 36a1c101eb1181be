"""ONNX: the whole network with its maps as a graph, which other languages and devices run."""

from transfer.frameworks.framework import Framework

FRAMEWORK = Framework(
    "onnx",
    "ONNX",
    ("onnx", "onnxscript", "onnxruntime"),
    pip="onnx onnxruntime onnxscript",
    trains=False,
    writes=True,
)

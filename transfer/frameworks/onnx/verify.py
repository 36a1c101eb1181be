"""A written graph in ONNX Runtime, on the CPU."""

import json
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from transfer.frameworks.onnx.export import INPUT, open_session
from transfer.network.compare import Outcome

WARM, TIMED = 5, 30  # runs before the clock starts, and runs whose median is told


def run(config: Path, weights_file: Path, images: Tensor) -> Outcome:
    """Maps and features of the graph, and how long it takes for one picture of the network's size."""
    told = json.loads(config.read_text())
    session = open_session(weights_file.read_bytes())
    mean, std = (torch.tensor(told["input"][key]).view(3, 1, 1) for key in ("mean", "std"))
    pixels = (images / 255 - mean) / std
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, map(torch.from_numpy, session.run(None, {INPUT: pixels.numpy()})), strict=True))
    side = told["image_size"]
    how = f"median of {TIMED}, batch of 1, threads: {torch.get_num_threads()}"
    remark = (
        f"ONNX Runtime {onnxruntime.__version__}, opset {told['opset']}: {_milliseconds(session, side):.1f} "
        f"ms for one {side} x {side} picture ({how})"
    )
    features = found.pop("features")
    return Outcome(pixels, found, features=features, remark=remark)


def _milliseconds(session: onnxruntime.InferenceSession, side: int) -> float:
    picture = {INPUT: np.zeros((1, 3, side, side), np.float32)}
    seconds = []
    for _ in range(WARM + TIMED):
        start = time.perf_counter()
        session.run(None, picture)
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[WARM:])

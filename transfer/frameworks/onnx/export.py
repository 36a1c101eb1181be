"""A checkpoint as an ONNX graph: normalised pixels -> four maps and the features, of any batch and size.

With ``image_size`` the graph is for squares of that side alone, as many compilers for phones ask for.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from distill.backbones import create_backbone, output_width
from distill.backbones.weights import State, Weights, load_strict
from distill.errors import UserError
from distill.results.atomic import write_bytes
from transfer.network.compare import difference
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone, plan_stages
from transfer.network.probe import EVEN, FAILURES, ODD, STRIDES, recorded, sides

if TYPE_CHECKING:
    import onnxruntime

SUFFIX, CONFIG, HAS_OWN_RESNET, FIXES_SIZE = ".onnx", ".json", False, True
OPSET = 18  # the one that PyTorch's exporter writes without converting
INPUT, OUTPUTS = "pixels", (*STRIDES, "features")
LARGEST = 8192  # rows and columns of an image, and images of a batch


class WithMaps(nn.Module):
    """Normalised images (B, 3, H, W) -> maps of res2, res3, res4, res5 and features (B, width)."""

    def __init__(self, net: nn.Module, arch: str):
        super().__init__()
        self.net = net
        self.plan, _ = plan_stages(net, arch)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        with recorded(self.net, self.plan) as maps:
            features = self.net(pixels)
        return (*(maps[stage] for stage in STRIDES), features)


def tensors(weights: Weights, backbone: StagedBackbone, native: bool) -> State:
    """The whole network's tensors."""
    net = create_backbone(weights.arch)
    load_strict(net, weights.backbone, f"{weights.arch} <- {weights.path}")
    return net.state_dict()


def write(path: str | os.PathLike, state: State, weights: Weights, image_size: int | None = None) -> None:
    """Writes the graph, one of any size after a check on another; its metadata has architecture, mean, std.

    Args:
        image_size: side of the only images that it takes; None: any.

    Raises:
        UserError: a network whose graph holds for some sizes of images alone, or cannot be exported.
    """
    net = create_backbone(weights.arch)
    net.load_state_dict(state)
    module = WithMaps(net, weights.arch).eval()
    program = exported(module, weights.arch, image_size)
    about = {"arch": weights.arch, "mean": list(weights.mean), "std": list(weights.std)}
    program.model.metadata_props.update({key: str(value) for key, value in about.items()})
    graph = program.model_proto.SerializeToString()
    if image_size is None:
        check(graph, module, weights.arch)
    write_bytes(path, graph)


def exported(module: WithMaps, arch: str, image_size: int | None = None) -> torch.onnx.ONNXProgram:
    sizes = {"batch": (1, LARGEST), "height": (STRIDES["res5"], LARGEST), "width": (STRIDES["res5"], LARGEST)}
    batch, height, width = (torch.export.Dim(name, min=a, max=b) for name, (a, b) in sizes.items())
    shown, free = EVEN, {0: batch, 2: height, 3: width}
    if image_size:
        shown, free = (image_size, image_size), {0: batch}
    try:
        # it reports each step, and says at length why one failed
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), torch.no_grad():
            program = torch.onnx.export(
                module,
                (torch.zeros(2, 3, *shown),),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_shapes=(free,),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise _refused(arch, "PyTorch's exporter does not take it", image_size) from error
    if fixed := [out.name for out in program.model.graph.outputs if not _is_free(out.shape, free)]:
        raise _refused(arch, f"it would fix the size of {', '.join(fixed)}", image_size)
    return program


@torch.no_grad()
def check(graph: bytes, module: WithMaps, arch: str) -> None:
    """Raises UserError if the graph gives other maps than the network for sides that no stride divides.

    The exporter follows one branch of a network that does one thing for some sizes and another for others.
    """
    pixels = torch.linspace(-2, 2, 3 * math.prod(ODD)).view(1, 3, *ODD).sin()
    try:
        wanted = module(pixels)
    except FAILURES:
        return  # it takes multiples of 32 alone, with ONNX and without
    try:
        found = open_session(graph).run(None, {INPUT: pixels.numpy()})
    except Exception as error:  # ONNX Runtime has many of its own
        raise _refused(arch, f"it fails on {sides(ODD)}") from error
    for name, a, b in zip(OUTPUTS, found, wanted, strict=True):
        if not difference(torch.from_numpy(a), b).within:
            raise _refused(arch, f"its {name} would be another on {sides(ODD)}")


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """Runs a graph on the CPU with PyTorch's number of threads; by its bytes, as a path need not be UTF-8."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _refused(arch: str, reason: str, image_size: int | None = None) -> UserError:
    if image_size:
        return UserError(f"{arch} has no ONNX graph ({reason}); nothing was written")
    return UserError(
        f"{arch} has no ONNX graph for images of every size ({reason}); nothing was written; "
        "--image-size SIDE writes one for that size alone"
    )


def _is_free(shape: Sequence, axes: Iterable[int]) -> bool:
    """Whether these axes of an output, as far as it has them, are names and not numbers."""
    return all(not isinstance(shape[axis], int) for axis in axes if axis < len(shape))


def configs(converted: ConvertedBackbone) -> dict[str, str]:
    """{end of the file's name: text}: what a program needs to know of input and outputs, as JSON."""
    policy, backbone = converted.policy, converted.backbone
    maps = {
        stage: {"channels": backbone.channels[stage], "stride": backbone.strides[stage]} for stage in STRIDES
    }
    width = output_width(create_backbone(converted.weights.arch))
    only = converted.image_size
    told = {
        "architecture": converted.arch,
        "opset": OPSET,
        "image_size": only or converted.weights.image_size or 224,
        "input": {
            "name": INPUT,
            "shape": ["batch", 3, only or "height", only or "width"],
            "multiple_of": backbone.divisor,
            "channels": "RGB in [0, 1], less mean, divided by std",
            "mean": list(policy.mean),
            "std": list(policy.std),
        },
        "outputs": maps | {"features": {"channels": width}},
    }
    return {CONFIG: json.dumps(told, indent=2) + "\n"}

#!/usr/bin/env python
"""Says what is installed, tries whether it works, and names the command that mends what does not.

Exit code 0 when everything required works, 1 otherwise.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import run_cli  # noqa: E402
from transfer.frameworks import FRAMEWORKS, Framework  # noqa: E402


@dataclass(frozen=True)
class Check:
    """One part: ``try_it`` returns what it found, or raises; ``mend`` is the line to run then."""

    name: str
    package: str
    required: bool
    try_it: Callable[[], str]
    mend: str


@dataclass(frozen=True)
class Finding:
    """What was found about one part; ``mend`` is empty if it works."""

    name: str
    version: str
    required: bool
    works: bool
    says: str
    mend: str


def torch_trains() -> str:
    import torch

    x = torch.randn(4, 3, 8, 8, requires_grad=True)
    torch.nn.functional.conv2d(x, torch.randn(2, 3, 3, 3)).sum().backward()
    return f"convolution and gradient, {torch.get_num_threads()} threads"


def torchvision_operators() -> str:
    import torch
    import torchvision

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    kept = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
    expect(kept.tolist() == [0, 2], f"nms kept {kept.tolist()}, not [0, 2]")
    return "nms"


def timm_model() -> str:
    import timm
    import torch

    features = timm.create_model("resnet18", num_classes=0)(torch.zeros(2, 3, 32, 32))
    expect(features.shape == (2, 512), f"resnet18 gives {tuple(features.shape)}, not (2, 512)")
    return "resnet18 built and run"


def mmengine_config() -> str:
    from mmengine.config import Config

    expect(Config({"a": {"b": 1}}).a.b == 1, "a config does not read back")
    return "config"


def scikit_learn_digits() -> str:
    from sklearn.datasets import load_digits

    return f"{len(load_digits().images)} bundled digits for the demo data"


def opencv_image() -> str:
    import cv2
    import numpy as np

    expect(cv2.resize(np.zeros((4, 4, 3), np.uint8), (2, 2)).shape == (2, 2, 3), "resize gives another size")
    return "resize"


def faiss_search() -> str:
    import faiss
    import numpy as np

    index = faiss.IndexFlatIP(4)
    index.add(np.eye(4, dtype=np.float32))
    found = index.search(np.eye(4, dtype=np.float32), 1)[1].ravel().tolist()
    expect(found == [0, 1, 2, 3], f"search found {found}, not [0, 1, 2, 3]")
    return f"search, {getattr(faiss, 'get_num_gpus', int)()} GPUs"


def mmcv_operators() -> str:
    import torch
    from mmcv.ops import nms, roi_align

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
    kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)[1]
    expect(kept.tolist() == [0, 2], f"nms kept {kept.tolist()}, not [0, 2]")
    pooled = roi_align(torch.ones(1, 1, 8, 8), torch.tensor([[0.0, 0, 0, 6, 6]]), 2)
    expect(bool((pooled == 1).all()), "roi_align of ones is not ones")
    return "nms, roi_align"


def try_framework(framework: Framework) -> str:
    return framework.part("check").works()


def cuda_device() -> str:
    import torch

    expect(torch.cuda.is_available(), "no GPU that torch can use; everything runs on the CPU")
    expect(
        bool((torch.ones(8, 8, device="cuda") @ torch.ones(8, 8, device="cuda") == 8).all()), "wrong product"
    )
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"


PIP = f"{sys.executable} -m pip install -c constraints.txt"
BUILD_MMCV = f"MMCV_WITH_OPS=1 {PIP} --no-build-isolation --no-cache-dir --force-reinstall --no-deps mmcv"
CHECKS = (
    Check("torch", "torch", True, torch_trains, f"{PIP} torch torchvision"),
    Check("torchvision operators", "torchvision", True, torchvision_operators,
          f"{PIP} --force-reinstall torch torchvision"),
    Check("timm", "timm", True, timm_model, f"{PIP} timm"),
    Check("mmengine", "mmengine", True, mmengine_config, f"{PIP} mmengine"),
    Check("scikit-learn", "scikit-learn", True, scikit_learn_digits, f"{PIP} scikit-learn"),
    Check("OpenCV", "opencv-python", True, opencv_image,
          f"{PIP} --force-reinstall --no-deps opencv-python-headless"),
    Check("FAISS", "faiss-cpu", False, faiss_search, f"{PIP} faiss-cpu"),
    Check("mmcv operators", "mmcv", False, mmcv_operators, BUILD_MMCV),
    *(Check(framework.title, framework.package, False, partial(try_framework, framework),
            framework.mend or f"{PIP} {framework.pip}")
      for framework in FRAMEWORKS.values() if framework.trains),
    Check("CUDA", "", False, cuda_device, "install an NVIDIA driver; nvidia-smi must list the GPU"),
)  # fmt: skip


def expect(holds: bool, otherwise: str) -> None:
    """Raises RuntimeError with the reason unless the condition holds."""
    if not holds:
        raise RuntimeError(otherwise)


def examine(check: Check) -> Finding:
    """Tries one part; whatever it raises becomes the finding."""
    version = installed(check.package) or (installed("faiss-gpu") if check.name == "FAISS" else "")
    try:
        works, says = True, check.try_it()
    except Exception as error:  # a broken package can raise anything; its first line is reported
        works, says = False, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return Finding(check.name, version, check.required, works, says, "" if works else check.mend)


def installed(package: str) -> str:
    try:
        return metadata.version(package) if package else ""
    except metadata.PackageNotFoundError:
        return ""


def as_line(finding: Finding) -> str:
    broken = "BROKEN" if finding.required else "broken" if finding.version else "absent"
    word = "works" if finding.works else broken
    line = f"  {word:7} {finding.name:22} {finding.version or '-':12} {finding.says}"
    return f"{line}\n          mend: {finding.mend}" if finding.mend else line


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return parser


def main() -> int:
    args = parser().parse_args()
    import warnings

    warnings.simplefilter("ignore")  # deprecations in the examined packages are not findings
    if not args.json:
        print(f"Python {platform.python_version()}, {platform.platform()}")
    findings = []
    for check in CHECKS:
        findings.append(examine(check))
        if not args.json:
            print(as_line(findings[-1]), flush=True)
    broken = [finding.name for finding in findings if finding.required and not finding.works]
    if args.json:
        print(json.dumps({"works": not broken, "parts": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print(
            f"required parts that do not work: {', '.join(broken)}" if broken else "all required parts work"
        )
    return 1 if broken else 0


if __name__ == "__main__":
    run_cli(main)

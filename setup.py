"""Packaging of ``distill`` and ``transfer``; exact versions that are known to work: ``constraints.txt``."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

REQUIRED = [
    # before 2.6 safe_globals takes no names; from 2.13 on the headers need C++20, which mmcv's build lacks
    "torch>=2.6,<2.13",
    "torchvision>=0.21",
    "timm>=1.0.20",
    "mmengine>=0.10.7",
    "numpy",
    "opencv-python",
    "pillow",
    "pyyaml",
    "scikit-learn",
    "scipy",
    "tqdm",
    "matplotlib",
    "psutil",
    "pydantic>=2",
    "safetensors",
    "tensorboard",
]
EXTRAS = {
    # mmcv has no wheel on PyPI: `make setup` builds it, once, without build isolation
    "mmlab": ["mmcv==2.1.0", "mmdet==3.3.0", "mmsegmentation==1.2.2", "ftfy", "regex"],
    "faiss-cpu": ["faiss-cpu>=1.8"],
    "faiss-gpu": ["faiss-gpu>=1.8"],
    # what `tools/convert_backbone.py --to onnx` writes and verifies with
    "onnx": ["onnx>=1.20", "onnxruntime>=1.23", "onnxscript>=0.6"],
    "grad-cam": ["grad-cam>=1.5"],
    # what `make docs` makes the site with
    "docs": ["furo>=2025.9", "myst-parser>=5", "sphinx>=9"],
    "dev": ["hypothesis", "import-linter>=2.7", "markdown-it-py", "pytest>=8.1", "pytest-xdist", "ruff"],
}
# faiss-cpu and faiss-gpu are the same module: `all` takes the one that runs everywhere
EXTRAS["all"] = [
    *EXTRAS["mmlab"], *EXTRAS["faiss-cpu"], *EXTRAS["onnx"], *EXTRAS["grad-cam"], *EXTRAS["docs"],
    *EXTRAS["dev"],
]  # fmt: skip


def version() -> str:
    """The version in ``distill/__init__.py``, read without importing it."""
    return re.search(r'__version__ = "(.+)"', (ROOT / "distill/__init__.py").read_text())[1]


def readme() -> str:
    path = ROOT / "README.md"
    return path.read_text() if path.exists() else ""


setup(
    name="distill-transfer",
    version=version(),
    description="Distil small vision backbones from big self-supervised teachers and measure their transfer",
    long_description=readme(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    # Configs and tools lie at the top of the repository. Installed, the configs are inside `distill`, and the
    # tools beside it, because each puts the folder above its own on Python's path.
    packages=[
        *find_packages(include=["distill", "distill.*", "transfer", "transfer.*"]),
        "distill.configs", "distill_tools",
    ],  # fmt: skip
    package_dir={"distill.configs": "configs", "distill_tools": "tools"},
    package_data={
        "distill": ["**/*.json", "**/*.css"],
        "transfer": ["**/*.json", "**/*.txt"],
        "distill.configs": ["**/*.py"],
        "distill_tools": ["*.sh"],
    },
    entry_points={"console_scripts": ["distill = distill.__main__:command"]},
    install_requires=REQUIRED,
    extras_require=EXTRAS,
)

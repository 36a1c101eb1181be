"""Small real files that many tests read."""

import functools
import gc
import os
import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path

# One thread here and in the tools that tests start: sums of floats depend on the number of threads, and
# tests compare runs bit for bit. This must come before anything imports torch.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from PIL import Image  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


# Files of a minute and more. They start first, so that no process ends up alone with one of them.
LONG = (
    "test_resume", "test_convert_backbone", "test_openmmlab_configs", "test_run_frameworks", "test_overfit",
    "test_every_method", "test_distill", "test_backbones", "test_small_label_finetune",
    "test_several_machines", "test_prove_benchmark",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))
    if for_gpu := [item for item in items if item.get_closest_marker("gpu")]:
        import torch

        if not torch.cuda.is_available():
            for item in for_gpu:
                item.add_marker(pytest.mark.skip(reason="needs a GPU"))


def pytest_collection_finish():
    """What was imported stays: the many collections that runs ask for need not look through it."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def quick_logs():
    """What mmengine does for every run's log: line breaks of the config, by yapf, and versions of compilers.

    Both take longer than ten steps of a small network. Commands in processes of their own do it all the same.
    """
    from mmengine.config import config
    from mmengine.runner import runner

    from tests.processes import unformatted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "FormatCode", unformatted, raising=False)  # newer ones have no such name
        patch.setattr(runner, "collect_env", functools.cache(runner.collect_env))
        yield


@pytest.fixture(autouse=True, scope="session")
def index_read_once():
    """mmengine reads some 200 index files for each config with an ``mmdet::`` or ``mmseg::`` base."""
    from mmengine.config import utils

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "load", functools.cache(utils.load))
        yield


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Lists of images are kept here, and not among the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTILL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_scope(monkeypatch):
    """Each test starts without a scope; mmengine keeps the scope of every Runner for the whole process.

    It keeps the visualizer too, which would write into the folder of the test that made it.
    """
    from mmengine.registry import DefaultScope

    monkeypatch.setattr(DefaultScope, "_instance_dict", type(DefaultScope._instance_dict)())
    yield
    if "mmengine.visualization" in sys.modules:
        from mmengine.visualization import Visualizer

        for kind in (Visualizer, *Visualizer.__subclasses__()):
            kind._instance_dict.clear()


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory) -> Path:
    """24 random images of several sizes and formats, nested, without labels."""
    root = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for number in range(24):
        height, width = random.integers(36, 60, 2)
        pixels = random.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
        path = (
            root
            / f"day{number % 3}"
            / ("deep" if number % 2 else "")
            / f"{number:02d}.{('png', 'jpg')[number % 2]}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((int(width), int(height))).save(path)
    return root


@pytest.fixture(scope="session")
def teacher_file(tmp_path_factory) -> Path:
    """A randomly initialised ResNet-18 in MoCo-v2's checkpoint layout, head included."""
    import torch

    from distill.backbones import create_backbone
    from distill.modules.heads import mlp

    torch.manual_seed(7)
    state = {f"module.encoder_q.{k}": v for k, v in create_backbone("resnet18").state_dict().items()}
    state |= {f"module.encoder_q.fc.{k}": v for k, v in mlp(512, 512, 128).state_dict().items()}
    state |= {"module.encoder_k.conv1.weight": torch.zeros(1), "module.queue": torch.zeros(128, 4)}
    path = tmp_path_factory.mktemp("teacher") / "moco.pth.tar"
    torch.save({"arch": "resnet18", "epoch": 1, "state_dict": state}, path)
    return path


@pytest.fixture(scope="session")
def method_inputs(image_folder, teacher_file, tmp_path_factory):
    """The files that ``tests/distill/methods/small.py`` starts methods from."""
    import torch

    from distill.backbones import create_backbone
    from distill.modules.heads import mlp
    from distill.targets import Teacher
    from distill.targets.cached import write_cache
    from tests.distill.methods.small import Inputs

    torch.manual_seed(8)
    state = {f"module.{k}": v for k, v in create_backbone("resnet18").state_dict().items()}
    state |= {f"module.projection_head.{k}": v for k, v in mlp(512, 64, 16, norm=True).state_dict().items()}
    folder = tmp_path_factory.mktemp("inputs")
    torch.save({**state, "module.prototypes.weight": torch.randn(12, 16)}, folder / "swav.pth.tar")
    view = {"type": "CentreCrop", "size": 32}
    write_cache(
        folder / "cache", Teacher(str(teacher_file), output="auto"), str(image_folder), view, "float32"
    )
    return Inputs(image_folder, teacher_file, folder / "swav.pth.tar", folder / "cache")


@pytest.fixture
def run_tool():
    """Runs ``python tools/NAME.py ARGS`` as a user would; returns the finished process with its text."""

    def run(name: str, *args, timeout: int = 300, **env) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, str(ROOT / "tools" / name), *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        )

    return run


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Runs ``tools/NAME.py ARGS`` in this process, to save the imports, and returns its output.

    On failure (``code=2``) the output is the one line of its error.
    """

    def run(name: str, *args, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, args)])
        with pytest.raises(SystemExit) as exit_:
            runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")
        output, errors = capsys.readouterr()
        assert exit_.value.code == code, errors
        return errors if code else output

    return run


@pytest.fixture
def elsewhere(tmp_path):
    """Runs Python in a process that has the installed packages, but not this project; returns its output."""
    start = "\n".join(
        [
            "import sys",
            f"sys.path += {sorted({sysconfig.get_path('purelib'), sysconfig.get_path('platlib')})!r}",
            "for project in ('distill', 'transfer'):",
            "    try:",
            "        __import__(project)",
            "    except ImportError:",
            "        continue",
            "    raise SystemExit(f'{project} can be imported here')",
            "",
        ]
    )

    def run(code: str, *args) -> str:
        # -S: the packages' folder is named above, so that no .pth file in it adds an editable install
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", start + code, *map(str, args)],
            capture_output=True, text=True, cwd=tmp_path, env={"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run

"""Options of the tools out of range or of another kind: exit code 2, and one line that says what is valid."""

import re

import numpy as np
import pytest
from PIL import Image

from distill.demo.world import write_demo
from distill.errors import UserError
from transfer import run

COUNT, NUMBER = "greater than or equal to 1", "greater than or equal to 0"
DATA, TEACHER, LABELLED, OUT = "{data}", "{teacher}", "{labelled}", "{out}"
CACHE = ("cache_teacher.py", "--data", DATA, "--teacher", TEACHER, "--out", OUT)
EVALUATE = ("evaluate.py", TEACHER, "--data", LABELLED, "--results", f"{OUT}.jsonl", "--image-size", "32")
PACK = ("pack_images.py", DATA, "--out", OUT)
FIGURES = ("figures.py", TEACHER, "--data", LABELLED, "--out", OUT, "--figures", "feature_maps")
STUDENT = ("--student", "test_resnet")
COMPARE = ("compare_methods.py", "--data", LABELLED, "--teacher", TEACHER, *STUDENT, "--out", OUT)
DISTIL = ("distill.py", "--method", "simclr", "--data", DATA, *STUDENT, "--work-dir", OUT)
CASES = {
    CACHE: {
        "--batch-size 0": COUNT,
        "--batch-size -1": COUNT,
        "--workers -1": NUMBER,
        "--image-size 0": COUNT,
        "--image-size -32": COUNT,
        "--resize 0": COUNT,
        "--resize 100": "the image size .224. or more",
    },
    EVALUATE: {
        "--batch-size 0": COUNT,
        "--workers -1": NUMBER,
        "--image-size 0": COUNT,
        "--resize 8": "image_size .32. or more",
        "--resize big": "squash",
        "--interpolation cubic": "'bilinear' or 'bicubic'",
        "--seed -1": NUMBER,
        "--std 0 1 1": "above 0",
        "--std nan 1 1": "three numbers above 0",
        "--mean nan 0 0": "--mean is .nan, 0.0, 0.0.; valid: three numbers",
        "--mean 1e39 0 0": "--mean is .1e.39, 0.0, 0.0.; valid: three numbers",  # infinite in 32 bits
        "--std 1 1 1e-60": "--std is .1.0, 1.0, 1e-60.; valid: three numbers above 0",  # zero in 32 bits
        "--protocols knn,": "unknown protocol ''",
        "--few-shot 0-shot": "1-shot",
        "--few-shot 0%": "valid",
        "--few-shot 101%": "valid",
        "--few-shot 500-shot": "500-shot.*has 3 training images",
        "--device gpu": "device",
        "--device cuda:99": "device",
        "--cfg-options knn.k=[]": "more values",
        "--cfg-options knn.k=[0]": COUNT,
        "--cfg-options knn.temperature=0": "greater than 0",
        "--cfg-options knn.temperature=x": "a number",
        "--cfg-options linear.lr=0": "greater than 0",
        "--cfg-options linear.momentum=1": "less than 1",
        "--cfg-options linear.epochs=1.5": "a whole number",
        "--cfg-options linear.gamma=-1": "greater than 0",
        "--cfg-options linear.milestones=3": "a tuple",
        "--cfg-options cluster_alignment.iterations=0": COUNT,
        "--cfg-options cluster_alignment.backend=numpy": "'auto', 'faiss' or 'sklearn'",
    },
    PACK: {
        "--max-side 0": "1 pixel",
        "--shard-size 0": "above 0",
        "--shard-size nan": "above 0",
        "--shard-size inf": "above 0",
        "--workers -1": "0 or more",
    },
    FIGURES: {
        "--clusters 0": "at least 1",
        "--pictures 0": "at least 1",
        "--batch-size 0": COUNT,
        "--workers -1": NUMBER,
        "--image-size -1": COUNT,
        "--device gpu": "device",
        "--seed -1": "0 or more",
    },
    COMPARE: {
        "--epochs 0": COUNT,
        "--epochs 1 --batch-size 0": COUNT,
        "--epochs 1 --image-size 0": COUNT,
        "--epochs 1 --lr 0": "greater than 0",
        "--epochs 1 --lr nan": "a finite number",
        "--epochs 1 --workers -1": NUMBER,
        "--epochs 1 --seed -1": NUMBER,
    },
    DISTIL: {
        "--epochs 0": COUNT,
        "--batch-size 0": COUNT,
        "--batch-size 1 --epochs 1": "batch norm has no variance; valid: 2 or more",
        "--image-size 0": COUNT,
        "--lr 0": "greater than 0",
        "--lr nan": "a finite number",
        "--lr inf": "a finite number",
        "--workers -1": NUMBER,
        "--seed -1": NUMBER,
        "--launcher slurm": "srun",
        "--launcher pytorch": "torchrun",
        "--evaluate nowhere": "no such image folder",
    },
}

TRANSFER = {
    "--max-steps 0": COUNT,
    "--batch-size 0": COUNT,
    "--batch-size -1": COUNT,
    "--image-size 0": COUNT,
    "--crop-size 0 32": COUNT,
    "--output-stride 5": "8, 16 or 32",
    "--gpus -1": NUMBER,
    "--gpus 99": "this machine has",
    "--gpus-per-job 0": COUNT,
    "--workers -1": NUMBER,
    "--seeds -1": "at least 1",
    "--seeds 0": "at least 1",
    "--seeds 1 1": "different numbers",
    "--classes cat cat": "cat is named twice",
    "--split-size 0": "has no splits",
    "--cfg-options nokey": "KEY=VALUE",
}
OPTIMIZER, PIXELS = "optim_wrapper.optimizer", "model.data_preprocessor"
VALUES = {  # benchmark: values that its config cannot have
    "voc12_seg": {
        f"{OPTIMIZER}.lr=1e999": "lr is inf; valid: a finite number",
        f"{OPTIMIZER}.lr=nan": "lr is 'nan'; valid: a number",
        f"{OPTIMIZER}.lr=None": "lr is None; valid: a number",
        f"{OPTIMIZER}.dampening=-1e999": "dampening is -inf; valid: a finite number",
        f"{PIXELS}.mean=[0,1e999,0]": "mean.1 is inf; valid: a finite number",
    },
    "voc07_det": {
        "optimizer.lr=1e999": "optimizer.lr is inf; valid: a finite number",
        "optimizer.lr=nan": "optimizer.lr is 'nan'; valid: a number",
        "train.max_iter=8.5": "steps is 8.5; valid: a whole number",
    },
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(12, 6))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Two classes of three pictures, for training and for validation."""
    root, random = tmp_path_factory.mktemp("labelled"), np.random.default_rng(0)
    for number in range(12):
        folder = root / ("train", "val")[number % 2] / ("cat", "dog")[number // 2 % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / f"{number}.png")
    return root


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [(command, options, words) for command, cases in CASES.items() for options, words in cases.items()],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_is_one_line(command, options, words, run_here, image_folder, teacher_file, labelled, tmp_path):
    places = dict(data=image_folder, teacher=teacher_file, labelled=labelled, out=tmp_path / "out")
    tool, *rest = [part.format(**places) for part in command]
    said = run_here(tool, *rest, *options.split(), code=2)
    line = said.strip().splitlines()[-1]
    assert "error: " in line and re.search(words, line), said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", [DISTIL, CACHE, EVALUATE], ids=lambda command: command[0])
def test_several_processes_of_srun_without_a_launcher_are_one_line(
    command, run_here, monkeypatch, image_folder, teacher_file, labelled, tmp_path
):
    step = {"PROCID": 0, "NTASKS": 4, "STEP_ID": 0, "STEP_NUM_TASKS": 4}
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    places = dict(data=image_folder, teacher=teacher_file, labelled=labelled, out=tmp_path / "out")
    tool, *rest = [part.format(**places) for part in command]
    said = run_here(tool, *rest, code=2)
    assert re.fullmatch(r"error: srun started 4 processes, .*--launcher slurm .*--launcher none .*\n", said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("benchmark", "option", "words"),
    [(name, option, words) for name, cases in VALUES.items() for option, words in cases.items()],
)
def test_a_value_of_a_benchmarks_config_is_one_line(benchmark, option, words, demo, tmp_path):
    if benchmark == "voc07_det":
        pytest.importorskip("detectron2")
    given = (benchmark, "resnet18", "--init", "random", "--smoke", "--dry-run", "--work-dir", str(tmp_path))
    with pytest.raises(UserError, match=re.escape(words)):
        run.main([*given, "--data-root", str(demo), "--cfg-options", option])


@pytest.mark.parametrize(("options", "words"), TRANSFER.items())
def test_of_a_benchmark_is_one_line(options, words, tmp_path):
    given = ("voc12_seg", "resnet18", "--init", "random", "--smoke", "--dry-run", "--work-dir", str(tmp_path))
    with pytest.raises(UserError, match=words):
        run.main([*given, *options.split()])

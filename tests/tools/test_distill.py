"""tools/distill.py as a user runs it: what it writes, and what it says to a mistake."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from distill import pretrain
from distill.checkpoints import read_weights
from distill.data.file_index import list_images
from distill.data.sampler import EpochSampler
from distill.engine.recipe import recipe
from distill.errors import UserError

QUICK = dict(student="mobilenetv3_small_050", epochs=1, batch_size=8, image_size=32, workers=0)


@pytest.fixture(scope="module")
def run(image_folder, teacher_file, tmp_path_factory):
    """A finished run of one epoch, made by the Python call."""
    said, work_dir = [], tmp_path_factory.mktemp("run")
    path = pretrain(
        "compress_1q",
        str(image_folder),
        teacher=str(teacher_file),
        work_dir=str(work_dir),
        say=said.append,
        **QUICK,
    )
    return path, work_dir, said


def test_writes_student_config_manifest_and_curves(run, image_folder):
    path, work_dir, said = run
    weights = read_weights(path)
    assert (weights.arch, weights.source, weights.meta["method"]) == (
        "mobilenetv3_small_050",
        "distill",
        "CompRess",
    )
    manifest = json.loads((work_dir / "manifest.json").read_text())
    assert manifest["data"]["images"] == 24
    assert {"torch", "timm", "mmengine", "pillow"} <= manifest["versions"].keys()
    assert manifest["seed"] == 0
    assert (work_dir / "config.py").is_file()
    assert list(work_dir.glob("*/vis_data/scalars.json")), "loss curve"
    assert list(work_dir.glob("*/vis_data/events*")), "TensorBoard"
    text = "\n".join(said)
    assert "lr 0.01 -> 0.0003125: linear rule, 8/256" in text
    assert "all 120 tensors matched" in text
    assert "queue_length 128000 -> 24" in text


def test_the_commands_at_the_end_open_evaluate_and_convert_the_student(image_folder, tmp_path, run_here):
    """In folders with a name that a shell and Python must not take apart; by a shell's rules."""
    work_dir, labelled = tmp_path / "a run's $HOME", tmp_path / 'with "images"'
    for part in ("train", "val"):
        shutil.copytree(image_folder, labelled / part)
    said: list[str] = []
    pretrain(
        "simclr", str(image_folder), "test_resnet", epochs=1, batch_size=8, image_size=32, workers=0,
        work_dir=str(work_dir), evaluate=str(labelled), say=said.append,
    )  # fmt: skip
    told, opened, *tools = said[-4:]
    assert told == f"student written to {work_dir}/last.pth; to open, evaluate and convert it:"
    names: dict = {}
    *_, code = shlex.split(opened)
    exec(code, names)
    assert names["student"](torch.zeros(1, 3, 32, 32)).shape == (1, 96)
    (_, evaluate, *labels), (_, convert, *target) = map(shlex.split, tools)
    assert (evaluate, convert) == ("tools/evaluate.py", "tools/convert_backbone.py")
    assert "1 rows added" in run_here("evaluate.py", *labels, "--protocols", "knn", "--workers", 0)
    assert "verified" in run_here("convert_backbone.py", *target)


def test_the_resolved_config_repeats_the_run(run, run_here):
    """The ``config.py`` of a run is a config file: it gives the same student in another folder."""
    path, work_dir, _ = run
    taken = work_dir.with_name(f"{work_dir.name}-2")
    taken.mkdir()
    again = run_here("distill.py", work_dir / "config.py")
    third = work_dir.with_name(f"{work_dir.name}-3")
    assert f"student written to {third / 'last.pth'}" in again
    assert f"repeats {work_dir}; after a crash, go on with {third}/config.py --resume" in again
    assert not list(taken.iterdir()), "what is there is left alone"
    first, second = read_weights(path), read_weights(third / "last.pth")
    assert all(torch.equal(first.backbone[key], second.backbone[key]) for key in first.backbone)
    resumed = run_here("distill.py", third / "config.py", "--resume")
    assert f"resuming from {third / 'epoch_1.pth'}" in resumed


def test_a_teacher_file_that_does_not_tell_its_architecture_is_named(image_folder, tmp_path, run_here):
    import timm

    torch.save(timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict(), tmp_path / "vit.pth")
    arguments = [
        "--method", "compress_1q", "--data", image_folder, "--teacher", tmp_path / "vit.pth", "--student",
        "mobilenetv3_small_050", "--epochs", 1, "--batch-size", 22, "--image-size", 32, "--workers", 0,
    ]  # fmt: skip
    assert "--arch" in run_here("distill.py", *arguments, "--work-dir", tmp_path / "unnamed", code=2)
    arch = "vit_tiny_patch16_224.augreg_in21k"
    named = run_here("distill.py", *arguments, "--arch", arch, "--work-dir", tmp_path / "named")
    assert f"loaded {arch} <-" in named
    with pytest.raises(UserError, match="simclr takes no teacher from a file; leave out --arch"):
        recipe("simclr", str(image_folder), "resnet18", arch="resnet50")


def test_without_a_method_it_is_the_default_one(image_folder, teacher_file, run_here, tmp_path):
    given = ["--data", image_folder, "--student", "test_resnet", "--epochs", 1, "--batch-size", 8]
    given += ["--image-size", 32, "--workers", 0]
    said = run_here("distill.py", *given, "--teacher", teacher_file, "--work-dir", tmp_path)
    assert "settings of feature_matching, except:\n  image size 224 -> 32: as asked\n" in said
    assert "FeatureMatching: 24 images" in said and read_weights(tmp_path / "last.pth").backbone
    assert "needs a teacher: give --teacher or --method" in run_here("distill.py", *given, code=2)


def test_a_second_run_does_not_overwrite_the_first(run, image_folder, teacher_file):
    _, work_dir, _ = run
    with pytest.raises(UserError, match="holds a run already.*--resume goes on"):
        pretrain("compress_1q", str(image_folder), teacher=str(teacher_file), work_dir=str(work_dir), **QUICK)


def test_number_of_workers_changes_nothing(run, image_folder, teacher_file, tmp_path):
    path, *_ = run
    more = {**QUICK, "workers": 2}
    other = pretrain(
        "compress_1q",
        str(image_folder),
        teacher=str(teacher_file),
        work_dir=str(tmp_path),
        say=lambda _: None,
        **more,
    )
    first, second = read_weights(path), read_weights(other)
    assert all(torch.equal(first.backbone[key], second.backbone[key]) for key in first.backbone)


@pytest.fixture
def go_on(run, image_folder, teacher_file, tmp_path):
    """Resumes a copy of the run, with changes; returns what was said."""
    shutil.copytree(run[1], tmp_path / "run")

    def go_on(data=image_folder, teacher=teacher_file, **more) -> list[str]:
        said, more = [], {**QUICK, **more}
        pretrain(
            "compress_1q", str(data), teacher=str(teacher), work_dir=str(tmp_path / "run"), resume=True,
            say=said.append, **more,
        )  # fmt: skip
        return said

    return go_on


def test_a_resume_with_other_settings_stops_and_names_them(go_on):
    other = {"cfg_options": {"optim_wrapper.optimizer.weight_decay": 0.5}}
    key = r"optim_wrapper\.optimizer\.weight_decay"
    with pytest.raises(UserError, match=f"changed since the run began: {key}; undo it, or --accept-changes"):
        go_on(**other)
    (line,) = [line for line in go_on(**other, accept_changes=True) if "changed since" in line]
    assert "weight_decay" in line and "model." not in line
    assert not [line for line in go_on(**other) if "changed since" in line], "they are the run's own now"


@pytest.mark.parametrize(
    ("other", "key"),
    [
        ({"optimizer": {"_delete_": True, "type": "Adam", "lr": 0.1, "weight_decay": 0}}, "optimizer.type"),
        ({"paramwise_cfg": {"norm_decay_mult": 0.0}}, "paramwise_cfg.norm_decay_mult"),
    ],
)
def test_what_the_saved_optimiser_does_not_fit_cannot_be_accepted(other, key, go_on):
    options = {f"optim_wrapper.{name}": value for name, value in other.items()}
    for accepted in (True, False):
        with pytest.raises(UserError, match=rf"began: optim_wrapper\.{key}; the saved .* not fit: undo it"):
            go_on(cfg_options=options, accept_changes=accepted)
    go_on()


def test_a_resume_with_a_hook_more_stops(go_on):
    with pytest.raises(UserError, match="changed since the run began: custom_hooks; undo it"):
        go_on(cfg_options={"custom_hooks": [{"type": "EMAHook"}]})


def test_without_a_record_of_the_teacher_its_path_counts(go_on, run, teacher_file, tmp_path):
    file = tmp_path / "run/manifest.json"
    record = json.loads(file.read_text())
    del record["teacher_sha256"]
    file.write_text(json.dumps(record))
    with pytest.raises(UserError, match="changed since the run began: model.teacher.weights; undo it"):
        go_on(teacher=shutil.copy(teacher_file, tmp_path / "copied.pth.tar"))


def test_a_resume_with_other_images_or_another_teacher_stops(go_on, image_folder, teacher_file, tmp_path):
    fewer = shutil.copytree(image_folder, tmp_path / "fewer")
    next(fewer.rglob("*.png")).unlink()
    with pytest.raises(UserError, match=rf"the images \(24 in {image_folder}, now 23\)"):
        go_on(data=fewer)
    state = torch.load(teacher_file, weights_only=True)
    torch.save(state | {"epoch": 2}, tmp_path / "other.pth.tar")
    with pytest.raises(UserError, match="changed since the run began: the teacher's file; undo it"):
        go_on(teacher=tmp_path / "other.pth.tar")


def test_what_changes_no_result_may_change(go_on, image_folder, teacher_file, tmp_path):
    """Images and teacher elsewhere, other workers, logs and intervals, an evaluation on the way."""
    moved = shutil.copytree(image_folder, tmp_path / "moved")
    copied = shutil.copy(teacher_file, tmp_path / "copied.pth.tar")
    intervals = {"default_hooks.logger.interval": 7, "default_hooks.checkpoint.max_keep_ckpts": 5}
    labelled = tmp_path / "labelled"
    for part in ("train", "val"):
        shutil.copytree(image_folder, labelled / part)
    said = go_on(data=moved, teacher=copied, workers=1, cfg_options=intervals, evaluate=str(labelled))
    assert not [line for line in said if "changed since" in line]


def test_a_state_of_another_model_is_refused_on_resume(run, image_folder, teacher_file, tmp_path):
    _, work_dir, _ = run
    with pytest.raises(UserError, match="not a training state of this config"):
        pretrain(
            "compress_1q", str(image_folder), teacher=str(teacher_file), work_dir=str(tmp_path),
            say=lambda _: None, resume=str(work_dir / "epoch_1.pth"),
            **{**QUICK, "student": "mobilenetv3_small_075"},
        )  # fmt: skip


def test_evaluation_during_training_changes_nothing_but_the_log(run, image_folder, teacher_file, tmp_path):
    path, *_ = run
    labelled = tmp_path / "labelled"
    for part in ("train", "val"):  # the three folders of the fixture are its classes
        shutil.copytree(image_folder, labelled / part)
    other = pretrain(
        "compress_1q", str(image_folder), teacher=str(teacher_file), work_dir=str(tmp_path / "run"),
        say=lambda _: None, evaluate=str(labelled), **QUICK,
    )  # fmt: skip
    first, second = read_weights(path), read_weights(other)
    assert all(torch.equal(first.backbone[key], second.backbone[key]) for key in first.backbone)
    scalars = next((tmp_path / "run").glob("*/vis_data/scalars.json")).read_text()
    assert '"knn/1nn": 100.0' in scalars, "val is a copy of train"


NO_DECAY = {"_delete_": True, "type": "SGD", "lr": 0.1}
MISTAKES = {
    "no such image folder: /no/where": dict(data="/no/where"),
    "unknown method 'comprss_1q'; did you mean 'compress_1q'": dict(method="comprss_1q"),
    "did you mean 'mobilenetv3_small_050'": dict(student="mobilenetv3_small_O50"),
    "no such checkpoint file: teacher.pth": dict(teacher="teacher.pth"),
    "compress_1q needs a teacher": dict(teacher=None),
    "simclr takes no teacher": dict(method="simclr"),
    "optimizer.weight_decay is not set, and optim_wrapper.paramwise_cfg multiplies it": dict(
        method="simclr", teacher=None, cfg_options={"optim_wrapper.optimizer": NO_DECAY}
    ),
    "config key optim_wrapper.paramwise_cfg is 3; it must hold settings": dict(
        cfg_options={"optim_wrapper.paramwise_cfg": 3}
    ),
    "config key 'optim_wrapper.optimizer.rate'": dict(cfg_options={"optim_wrapper.optimizer.rate": 1}),
    "config key 'model.temprature'; did you mean 'model.temperature'": dict(
        cfg_options={"model.temprature": 1}
    ),
    "config key 'model.teacher.wieghts'; did you mean": dict(cfg_options={"model.teacher.wieghts": "x"}),
    "unknown config key 'modle'; did you mean 'model'": dict(cfg_options={"modle.x": 1}),
    "config key model.student is 1; valid: a dictionary": dict(cfg_options={"model.student": 1}),
    "unknown model.type 'CompRes'; did you mean 'CompRess'": dict(cfg_options={"model.type": "CompRes"}),
    "model.queues is 3; valid: 1, 2": dict(cfg_options={"model.queues": 3}),
    "teacher.output is 'neck'": dict(cfg_options={"model.teacher.output": "neck"}),
    "milestones: 5 is not before the last epoch": dict(
        cfg_options={"param_scheduler": [dict(type="MultiStepLR", milestones=[5])]}
    ),
    "--amp needs a CUDA GPU": dict(amp=True),
    "launcher 'mpi'; valid: none, pytorch, slurm": dict(launcher="mpi"),
    "no teacher cache in": dict(teacher_cache="/no/cache"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_named_in_one_line(message, image_folder, teacher_file, tmp_path):
    if "--amp" in message and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    call = (
        dict(method="compress_1q", data=str(image_folder), teacher=str(teacher_file), **QUICK)
        | MISTAKES[message]
    )
    with pytest.raises(UserError) as error:
        pretrain(work_dir=str(tmp_path / "run"), say=lambda _: None, **call)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.pth"))


def test_a_config_given_as_an_object_is_not_changed(image_folder, teacher_file, tmp_path):
    config, _ = recipe("compress_1q", str(image_folder), "mobilenetv3_small_050", str(teacher_file))
    before = config.pretty_text
    with pytest.raises(UserError, match="model.queues is 3"):
        pretrain(config=config, work_dir=str(tmp_path), seed=5, cfg_options={"model.queues": 3})
    assert config.pretty_text == before


def test_the_tool_shows_the_line_without_a_traceback(run_tool, image_folder, tmp_path):
    failed = run_tool("distill.py", tmp_path / "missing.py")
    assert failed.returncode == 2
    assert failed.stderr.strip() == f"error: no such config file: {tmp_path / 'missing.py'}"
    shown = run_tool("distill.py", tmp_path / "missing.py", "--traceback")
    assert "Traceback" in shown.stderr
    (tmp_path / "broken.py").write_text("model = dict(\n")
    failed = run_tool("distill.py", tmp_path / "broken.py")
    assert failed.returncode == 2
    assert "broken.py" in failed.stderr and "Traceback" not in failed.stderr


def test_a_corrupt_image_is_skipped_counted_and_reported_and_many_end_the_run(
    run_here, image_folder, tmp_path
):
    root = tmp_path / "images"
    for copy in range(5):  # 120 images: one is below 1 %, two are above
        shutil.copytree(image_folder, root / str(copy))
    victims = sorted(root.rglob("*.png"))[:2]
    victims[0].write_bytes(b"not an image")
    arguments = ["--method", "simclr", "--data", root, "--student", "mobilenetv3_small_050", "--epochs", "1",
                 "--batch-size", "40", "--image-size", "32", "--workers", "0"]  # fmt: skip
    said = run_here("distill.py", *arguments, "--work-dir", tmp_path / "fine")
    assert f"skipped, could not be read: {victims[0]}" in said
    assert "1 images could not be read" in said
    victims[1].write_bytes(b"")
    ended = run_here("distill.py", *arguments, "--work-dir", tmp_path / "ended", code=2)
    assert "2 of 120 images could not be read, more than 1 %" in ended
    assert "Traceback" not in ended


def test_an_error_in_a_loading_process_is_one_line_as_well(run_here, tmp_path):
    for number in range(60):
        (tmp_path / f"{number:02d}.jpg").write_bytes(b"not an image")
    failed = run_here(
        "distill.py", "--method", "simclr", "--data", tmp_path, "--student", "mobilenetv3_small_050",
        "--epochs", 1, "--batch-size", 8, "--image-size", 32, "--workers", 1, "--work-dir", tmp_path / "run",
        code=2,
    )  # fmt: skip
    (line,) = failed.strip().splitlines()
    assert line.startswith("error: 50 images in a row could not be read; the first: ")
    assert "not a whole picture" in line


def full_disk(path: Path) -> bool:
    """Mounts a small file system; False where that is not allowed."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(path)]
    return (
        os.geteuid() == 0
        and shutil.which("mount")
        and subprocess.run(mount, capture_output=True).returncode == 0
    )


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(run_tool, image_folder, tmp_path):
    disk = tmp_path / "disk"
    if not full_disk(disk):
        pytest.skip("mounting a small file system needs root")
    try:
        failed = run_tool(
            "distill.py", "--method", "simclr", "--data", image_folder, "--student", "mobilenetv3_small_050",
            "--epochs", "1", "--batch-size", "8", "--image-size", "32", "--workers", "0", "--work-dir", disk,
        )  # fmt: skip
        left = sorted(path.name for path in disk.rglob("*.p*") if path.suffix in (".pth", ".part"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert failed.returncode == 2
    assert failed.stderr.strip().splitlines()[-1].startswith("error: No space left on device")
    assert "Traceback" not in failed.stderr
    assert left == []


def by_torchrun(*arguments) -> subprocess.CompletedProcess:
    """``torchrun --nproc-per-node 2 tools/distill.py ARGUMENTS``."""
    tool = Path(__file__).resolve().parents[2] / "tools" / "distill.py"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *torchrun, tool, *arguments]
    return subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_several_processes_by_torchrun(image_folder, teacher_file, tmp_path):
    done = by_torchrun(
        "--method", "compress_2q", "--data", image_folder, "--teacher", teacher_file, "--student",
        "mobilenetv3_small_050", "--epochs", 1, "--batch-size", 22, "--image-size", 32, "--workers", 0,
        "--work-dir", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("batch 22 = 2 x 11") == 1, "the first process alone speaks"
    assert "2 of the epoch's first images come again" in done.stdout, "a last batch of 2 x 1 became 2 x 2"
    assert read_weights(tmp_path / "last.pth").arch == "mobilenetv3_small_050"


def test_unreadable_images_of_all_processes_count_and_are_named(image_folder, tmp_path):
    """Each of two processes meets one of 120: 0.8 % for either alone, above 1 % together."""
    root = tmp_path / "images"
    for copy in range(5):
        shutil.copytree(image_folder, root / str(copy))
    sampler = EpochSampler(range(120), seed=0)
    order = [index for _, index in sampler]  # the processes take turns: two neighbours are in both
    victims = [root / list_images(root)[index] for index in order[:2]]
    for victim in victims:
        victim.write_bytes(b"not an image")
    ended = by_torchrun(
        "--launcher", "pytorch", "--method", "simclr", "--data", root, "--student", "mobilenetv3_small_050",
        "--epochs", 1, "--batch-size", 40, "--image-size", 32, "--workers", 0, "--work-dir", tmp_path / "run",
    )  # fmt: skip
    assert ended.returncode != 0
    assert "2 of 120 images could not be read, more than 1 %" in ended.stderr
    (log,) = (tmp_path / "run").glob("*/*.log")
    for victim in victims:
        assert f"skipped, could not be read: {victim}" in log.read_text()


def test_help_is_quick(run_tool):
    run_tool("distill.py", "--help")  # compiles the bytecode
    started = time.perf_counter()
    shown = run_tool("distill.py", "--help")
    assert shown.returncode == 0 and "--cfg-options" in shown.stdout
    assert time.perf_counter() - started < 1.5

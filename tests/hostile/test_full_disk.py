"""A disk that is full, early or late, or read-only: one line that names the path; with room it goes on."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from distill.engine.config_text import config_text
from distill.engine.recipe import recipe
from tests import processes

SIZE = ("--batch-size", 8, "--image-size", 32, "--workers", 0)
STATES = ("--cfg-options", "default_hooks.checkpoint.by_epoch=False")
# tool: its arguments, and those with which it goes on
TOOLS = {
    "distill.py": (
        ("--method", "simclr", "--student", "test_resnet", "--data", "{data}", "--work-dir", "{out}/run",
         "--epochs", 2, *SIZE, *STATES),
        ("--resume",),
    ),
    "cache_teacher.py": (("--data", "{data}", "--teacher", "{teacher}", "--out", "{out}/cache", *SIZE), ()),
    "pack_images.py": (("{data}", "--out", "{out}/shards", "--shard-size", 0.05, "--workers", 0), ()),
    "evaluate.py": (
        ("{teacher}", "--train", "{data}", "--val", "{data}", "--features", "{out}/features", "--results",
         "{out}/rows.jsonl", *SIZE),
        (),
    ),
    "convert_backbone.py": (("{teacher}", "--to", "timm", "--out", "{out}/converted"), ()),
    "figures.py": (
        ("{teacher}", "--images", "{data}", "--figures", "feature_maps", "--out", "{out}/figures", *SIZE),
        (),
    ),
    "report.py": (("{rows}", "--out", "{out}/report"), ()),
}  # fmt: skip
# only what they say where there is no room at all: whole runs of the last three take long
NO_ROOM = {
    "distill.py": TOOLS["distill.py"][0],  # not even for its lock
    "sweep.py": (
        "--grid", "model.temperature=0.1", "--data", "{labelled}", "--out", "{out}/sweep", "--", "--method",
        "simclr", "--data", "{data}", "--student", "test_resnet",
    ),
    "compare_methods.py": (
        "--data", "{labelled}", "--teacher", "{teacher}", "--student", "test_resnet", "--epochs", 1,
        "--batch-size", 2, "--image-size", 32, "--workers", 0, "--only", "reg", "--out", "{out}/comparison",
    ),
    "prove.py": (
        "--data", "{labelled}", "--teacher", "{teacher}", "--student", "resnet18", "--distilled", "{teacher}",
        "--image-size", 32, "--workers", 0, "--allow-copies", "--out", "{out}/proof",
    ),
}  # fmt: skip
WORDS = r"error: (No space left on device: .+ \([\d.,]+ MB free there\)|.+: no room, .+ free)(; .+)?\n"


@pytest.fixture
def disk(tmp_path):
    """Gives a disk of its own that holds so many bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def holding(size: int, how: str = "") -> Path:
        options = f"{how}size={max(size, 4096)}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
        if done.returncode:
            pytest.skip("no right to mount a small disk")
        return folder

    yield holding
    subprocess.run(["umount", folder], capture_output=True)


def run(tool: str, given: list[str], errors: Path) -> tuple[int, str]:
    errors.unlink(missing_ok=True)
    process = processes.start_tool(tool, *given, errors=errors)
    process.join(60)
    return process.exitcode, errors.read_text() if errors.exists() else ""


@pytest.mark.skipif(os.geteuid() != 0, reason="no right to mount a small disk")
@pytest.mark.parametrize("share", [0, 0.35, 0.85])
@pytest.mark.parametrize("tool", TOOLS)
def test_is_one_line_and_with_room_it_goes_on(tool, share, needed, places, disk, tmp_path):
    arguments, more = TOOLS[tool]
    folder = disk(int(share * needed(tool)))
    given = [str(each).format(out=folder, **places) for each in arguments]
    code, said = run(tool, given, tmp_path / "errors")
    if code == 0:
        pytest.skip("it had room enough")
    assert code == 2 and re.fullmatch(WORDS, said), said
    assert not list(folder.rglob("*.part")), "something half written is left"
    disk(1 << 30, "remount,")
    assert run(tool, [*given, *more], tmp_path / "errors")[0] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="no right to mount a small disk")
@pytest.mark.parametrize("tool", NO_ROOM)
def test_no_room_at_all_is_one_line(tool, places, disk, tmp_path):
    folder = disk(4096)
    (folder / "full").write_bytes(bytes(4096))
    given = [str(each).format(out=folder, **places) for each in NO_ROOM[tool]]
    code, said = run(tool, given, tmp_path / "errors")
    assert code == 2 and re.fullmatch(WORDS, said), said


@pytest.mark.skipif(os.geteuid() != 0, reason="no right to mount a small disk")
def test_without_room_for_lists_of_images_the_work_goes_on(
    run_here, image_folder, disk, monkeypatch, tmp_path
):
    """``view_agreement.py`` writes nothing else."""
    folder = disk(4096)
    (folder / "full").write_bytes(bytes(4096))
    monkeypatch.setenv("DISTILL_CACHE", str(folder / "cache"))
    config, _ = recipe("simclr", str(image_folder), "test_resnet", image_size=32, batch_size=8)
    (tmp_path / "config.py").write_text(config_text(config))
    assert "two views of an image agree by" in run_here("view_agreement.py", tmp_path / "config.py")
    assert not [each for each in folder.rglob("*.index") if each.stat().st_size]


@pytest.mark.skipif(os.geteuid() != 0, reason="no right to mount a small disk")
@pytest.mark.parametrize("tool", TOOLS)
def test_a_read_only_disk_is_one_line(tool, places, disk, tmp_path):
    folder = disk(1 << 20, "ro,")
    given = [str(each).format(out=folder, **places) for each in TOOLS[tool][0]]
    code, said = run(tool, given, tmp_path / "errors")
    assert code == 2 and re.fullmatch(rf"error: Read-only file system: {folder}/.+\n", said), said


@pytest.fixture(scope="module")
def places(image_folder, teacher_file, tmp_path_factory):
    from distill import results

    labelled = tmp_path_factory.mktemp("labelled")
    for split in ("train", "val"):
        (labelled / split).symlink_to(image_folder)
    rows = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    results.append(rows, results.make_row("knn", "a", "random", "resnet18", 0, {"1nn": 1}, "", "", {}, 1))
    return dict(data=image_folder, teacher=teacher_file, rows=rows, labelled=labelled)


@pytest.fixture(scope="module")
def needed(places, tmp_path_factory):
    """The bytes that a tool's whole run leaves on the disk."""
    found = {}

    def of(tool: str) -> int:
        if tool not in found:
            folder = tmp_path_factory.mktemp("whole")
            given = [str(each).format(out=folder, **places) for each in TOOLS[tool][0]]
            code, said = run(tool, given, folder / "errors")
            assert code == 0, said
            found[tool] = 512 * sum(each.stat().st_blocks for each in folder.rglob("*"))
        return found[tool]

    return of

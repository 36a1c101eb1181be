"""tools/prove.py --benchmark: a segmenter from each start, and what that says."""

import shutil
from pathlib import Path

import pytest

from distill import results
from distill.backbones import create_backbone
from distill.checkpoints import save_student
from distill.demo.world import write_demo

SCENES = 6, 2


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=SCENES)


@pytest.fixture
def arguments(scenes, teacher_file, tmp_path):
    def arguments(*more, options=""):
        given = ["--data", scenes, "--benchmark", "voc12_seg", "--teacher", teacher_file, "--seeds", "0,3"]
        quick = f"--smoke --gpus 0 --max-steps 1 --image-size 32 --batch-size 2 {options}"
        given += ["--student", "test_resnet", "--transfer-options", quick, "--out", tmp_path / "out"]
        return list(map(str, [*given, "--image-size", "32", "--workers", "0", *more]))

    return arguments


def test_from_pictures_with_masks_to_a_sentence(arguments, run_here, tmp_path):
    pytest.importorskip("mmseg")
    out, vit = tmp_path / "out", tmp_path / "vit.pth"
    save_student(vit, create_backbone("test_vit"), "test_vit", (0.5,) * 3, (0.25,) * 3, 160)
    more = ("--teacher", vit, "--image-size", 160, "--method", "reg")
    given = arguments(*more, "--", "--epochs", "1", "--batch-size", "4")
    said = run_here("prove.py", *given)
    # Distilled on the pictures with training masks alone: those tested with lie in the same folder.
    linked = sorted((out / "pictures").iterdir())
    assert len(linked) == SCENES[0] and all(link.resolve().parent.name == "JPEGImages" for link in linked)
    rows = results.read(out / "transfer/results.jsonl")
    starts = ("distilled", "random")  # the teacher has no stages
    assert sorted((row["label"], row["seed"]) for row in rows) == [(s, n) for s in starts for n in (0, 3)]
    trained = {row["seed"]: row["checkpoint"] for row in rows if row["label"] == "distilled"}
    assert {seed: Path(file).parent.name for seed, file in trained.items()} == {0: "seed_0", 3: "seed_3"}
    (verdict,) = [line for line in said.splitlines() if ", against a random start: " in line]
    assert "100 % of the labels (voc12_seg mIoU: " in verdict and "on these 2 test pictures" in verdict
    text = (out / "proof.md").read_text()
    assert verdict in text and "fine-tuned whole on 6 of 6 labelled pictures, tested on 2" in text
    assert "The teacher is not measured: test_vit " in text
    assert "run_transfer.sh" in (out / "proof.html").read_text()
    assert verdict in run_here("prove.py", *given)  # nothing is made again
    assert len(results.read(out / "transfer/results.jsonl")) == len(rows)


def test_a_picture_of_the_test_among_the_unlabelled_is_refused(arguments, scenes, run_here, tmp_path):
    pytest.importorskip("mmseg")
    from transfer.datasets.find import find_data
    from transfer.datasets.pictures import pictures_of

    _, test = pictures_of(find_data("voc_masks", str(scenes), None, None, tmp_path))
    (tmp_path / "mine").mkdir()
    shutil.copy(test[0], tmp_path / "mine/a.jpg")
    said = run_here("prove.py", *arguments("--unlabelled", tmp_path / "mine"), code=2)
    assert "error: 1 of 2 test pictures are trained on as well (1 the same file, 0 near copies), as " in said
    assert not (tmp_path / "out/distilled").exists()


@pytest.mark.parametrize(
    ("more", "options", "line"),
    [
        (("--labels", "1%"), "", "--labels and --protocols are for classes: leave them out with --benchmark"),
        (("--benchmark", "nonsense"), "", "unknown benchmark 'nonsense'; valid: "),
        (("--benchmark", "all"), "", "--benchmark all: a proof is of one benchmark"),
        (("--data", "/no/where"), "", "--data-root /no/where: no such folder"),
        ((), "--label=a", "--transfer-options: --label=a is what this tool says itself"),
        ((), "--batch-size 0", "--batch-size is 0; valid: "),
    ],
)
def test_mistakes_are_one_line(more, options, line, arguments, run_here, tmp_path):
    pytest.importorskip("mmseg")
    said = run_here("prove.py", *arguments(*more, options=options), code=2)
    assert f"error: {line}" in said and "Traceback" not in said
    assert not (tmp_path / "out/distilled").exists()


def test_options_of_a_benchmark_need_one(teacher_file, run_here, tmp_path):
    given = ("--data", tmp_path, "--teacher", teacher_file, "--student", "test_resnet", "--out", tmp_path)
    said = run_here("prove.py", *map(str, given), "--transfer-options=--smoke", code=2)
    assert "error: --transfer-options needs --benchmark" in said

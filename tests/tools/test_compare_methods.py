"""tools/compare_methods.py: one table of several methods, filled by several calls."""

import pytest
from mmengine.config import Config

from distill import results
from tests.distill.evaluation.conftest import write_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_folder(root / "train", images=12)
    write_folder(root / "val", images=4, seed=1)
    return root


def test_rows_are_added_once_and_the_table_holds_all(data, teacher_file, run_here, tmp_path):
    command = [
        "compare_methods.py", "--data", data, "--teacher", teacher_file, "--student", "mobilenetv3_small_050",
        "--epochs", "1", "--batch-size", "8", "--image-size", "32", "--workers", "0", "--out", tmp_path,
    ]  # fmt: skip
    assert "| Reg |" in run_here(*command, "--only", "reg")
    file = tmp_path / "results.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))  # killed before the third row
    assert "== Reg" in run_here(*command, "--only", "reg")
    second = run_here(*command, "--only", "reg,oss_offline,moco_v2")
    assert "== Reg" not in second, "done before"
    labels = ("Reg", "OSS offline", "MoCo-v2")
    assert all(f"| {label} |" in second for label in labels)
    rows = results.read(file)
    assert [(row["label"], row["task"]) for row in rows] == [
        (label, task) for label in labels for task in ("knn", "linear", "cluster_alignment")
    ]
    settings = Config.fromfile(tmp_path / "moco-v2" / "config.py")
    assert settings.model.queue_length == 256
    assert settings.train_dataloader.dataset.augmentation.strength == 0.5
    assert [part.type for part in settings.param_scheduler] == ["LinearLR", "CosineAnnealingLR"]
    assert "unknown method 'rge'; did you mean 'reg'" in run_here(*command, "--only", "rge", code=2)

"""Benchmarks are found by their files, which say what they are."""

import subprocess
import sys

import pytest

from distill.errors import UserError
from transfer import benchmark
from transfer.benchmark import benchmarks, find_benchmark
from transfer.datasets.find import LAYOUTS
from transfer.frameworks import FRAMEWORKS


def test_every_benchmark_is_one_of_a_framework_and_of_a_layout_there_is():
    found = benchmarks()
    assert {"coco_lowshot_1k", "coco_lowshot_10k", "voc12_seg", "cityscapes_seg"} <= set(found)
    for one in found.values():
        assert FRAMEWORKS[one.framework].trains and one.data in LAYOUTS and one.smoke_config.is_file()
        assert one.seeds == 5 and one.title and one.source and one.headline
    assert len({one.title for one in found.values()}) == len(found), "no two rows read the same"


def test_smoke_changes_only_what_its_file_names():
    whole = find_benchmark("coco_lowshot_1k")
    quick = whole.for_smoke()
    assert (whole.split_size, whole.seeds) == (1_000, 5)
    assert (quick.split_size, quick.seeds, quick.headline) == (24, 1, whole.headline)
    assert find_benchmark("cityscapes_instance").for_smoke().split_size is None, (
        "it has no splits to begin with"
    )


def test_an_unknown_benchmark_names_the_valid_ones():
    with pytest.raises(UserError, match="did you mean 'voc12_seg'.*cityscapes_seg"):
        find_benchmark("voc12_sec")


ABOUT = dict(title="t", source="s", data="coco", seeds=1, headline="AP", smoke="smoke/quick.py")


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({**ABOUT, "split_szie": 5}, "unknown key of benchmark.* 'split_szie'; did you mean 'split_size'"),
        ({"title": "t", "seeds": 1}, r"lacks source, data, headline, smoke"),
    ],
)
def test_a_benchmark_that_does_not_say_what_it_is(about, said, tmp_path, monkeypatch):
    (tmp_path / "transfer/mmdet").mkdir(parents=True)
    arguments = ", ".join(f"{key}={value!r}" for key, value in about.items())
    (tmp_path / "transfer/mmdet/mine.py").write_text(f"benchmark = dict({arguments})")
    monkeypatch.setattr(benchmark, "config_root", lambda: tmp_path)
    with pytest.raises(UserError, match=said):
        find_benchmark("mine")


def test_no_framework_is_imported():
    code = (
        "import sys, transfer.run, transfer.matrix.plan, transfer.matrix.execute, transfer.benchmark as b\n"
        "b.benchmarks()\n"
        "heavy = {'torch', 'mmcv', 'mmengine', 'mmdet', 'mmseg', 'detectron2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

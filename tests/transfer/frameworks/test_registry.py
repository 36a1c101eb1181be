"""The frameworks that all tools find."""

import importlib.util
import re
from pathlib import Path

import pytest

from distill.errors import UserError
from transfer.frameworks import FRAMEWORKS, Framework

ROOT = Path(__file__).resolve().parents[3]
TRAINING = ("adapter", "fill", "trainer", "check", "export", "verify")
# command lines, as a user types them
SHOWN = {"tools/demo.py", "tools/convert_backbone.py"}


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_a_framework_is_a_folder_of_the_same_files(framework):
    for part in TRAINING if framework.trains else ("export", "verify"):
        assert importlib.util.find_spec(f"transfer.frameworks.{framework.name}.{part}"), part
    assert bool(framework.mend) != bool(framework.pip), "one way to install it"


def test_no_framework_is_named_outside_of_its_folder():
    named = re.compile("|".join(name for name, one in FRAMEWORKS.items() if one.trains))
    files = [path for part in ("distill", "tools", "transfer") for path in (ROOT / part).rglob("*.py")]
    outside = [path for path in files if ROOT / "transfer/frameworks" not in path.parents]
    assert {str(p.relative_to(ROOT)) for p in outside if named.search(p.read_text())} <= SHOWN


def test_what_is_missing_is_named_with_the_tool_that_says_how_to_mend_it():
    absent = Framework("no_such", "NoSuch", ("no_such.part", "json"))
    with pytest.raises(UserError, match="my_bench needs NoSuch: no_such is not installed; .*doctor.py"):
        absent.check_installed(wanted_by="my_bench")
    with pytest.raises(UserError, match="NoSuch does not import here .*No module named 'no_such'"):
        absent.check_imports()
    assert absent.versions() == {}

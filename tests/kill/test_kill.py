"""A small part of ``python -m tests.kill``."""

import random

import pytest

from tests.kill import chains, material
from tests.kill.kinds import kinds


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return kinds(material.make(tmp_path_factory.mktemp("kill") / "material"))


@pytest.mark.parametrize("name", ["distil compress_1q", "teacher cache", "pack"])
def test_a_chain_of_kills_ends_in_the_same_bits(name, every, tmp_path):
    chains.warm_up()
    expected = chains.whole(every[name], tmp_path / "whole")
    found = chains.chain(every[name], expected, tmp_path / "killed", 2, random.Random(name))
    assert not found.different
    assert len(found.kills) + found.late >= 1


def test_what_differs_is_named():
    one, other = {"a": [1, {"b": 2}], "c": 3}, {"a": [1, {"b": 2.5}], "d": 3}
    assert set(chains.differing(one, other)) == {"/a/1/b", "/c", "/d"}

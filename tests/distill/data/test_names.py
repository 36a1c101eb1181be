"""Names as arrays behave as a tuple of strings."""

import pickle

import numpy as np
import pytest

from distill.data.names import AT_ONCE, Names

HOSTILE = ("a b.jpg", "new\nline.jpg", "it's \"quoted\".jpg", "über/雪.jpg", "latin-\udce9.jpg", "")


def test_they_are_the_strings_that_they_were_made_of():
    names = Names.of(HOSTILE)
    assert len(names) == 6 and list(names) == list(HOSTILE) and names == HOSTILE
    assert [names[row] for row in range(6)] == list(HOSTILE) and names[-2] == HOSTILE[-2]
    assert names.index("über/雪.jpg") == 3 and "nowhere" not in names
    assert names[1:4] == HOSTILE[1:4] and names[::-2] == HOSTILE[::-2]
    assert names.take(np.array([3, 0, 3])) == [HOSTILE[3], HOSTILE[0], HOSTILE[3]]
    assert names != HOSTILE[:5] and names != (*HOSTILE[:5], "x") and names != "text"
    assert pickle.loads(pickle.dumps(names)) == names and Names.of(names) is names
    with pytest.raises(IndexError):
        names[6]
    assert len(Names.of(())) == 0 and list(Names.of(())) == []


def test_a_long_iteration_takes_several_parts():
    names = [f"n{number}" for number in range(2 * AT_ONCE + 7)]
    assert list(Names.of(names)) == names


@pytest.mark.parametrize("rows", [slice(None), slice(2, 5), slice(None, None, -1), [4, 1, 1], []])
def test_any_choice_of_them_can_be_written_as_text_and_offsets(rows):
    names = Names.of(HOSTILE)
    chosen = names[rows] if isinstance(rows, slice) else names.take(np.array(rows, int))
    text, offsets = chosen.to_offsets()
    assert offsets[0] == 0 and offsets[-1] == len(text) and len(offsets) == len(chosen) + 1
    assert Names.from_offsets(text, offsets) == chosen

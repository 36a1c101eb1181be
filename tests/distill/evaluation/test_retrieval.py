import pytest
import torch

from distill.errors import UserError
from distill.evaluation import Features, Retrieval


def test_recall_by_hand():
    """Angles 0, 10, 30, 70 degrees, classes a b a b.

    Nearest others in order: 0: b a b; 1: a a b (0, then 2); 2: b (1), a (0), b; 3: a (2), b (1), a.
    Recall at 1: none. At 2: images 0, 2, 3. At 3: all.
    """
    angles = torch.deg2rad(torch.tensor([0.0, 10.0, 30.0, 70.0]))
    val = Features(torch.stack([angles.cos(), angles.sin()], 1), torch.tensor([0, 1, 0, 1]), ("a", "b"))
    assert Retrieval(k=(1, 2, 3)).run(val, val) == {"recall@1": 0.0, "recall@2": 75.0, "recall@3": 100.0}


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_an_image_never_finds_itself_even_among_copies(backend):
    copies = Features(torch.ones(30, 4), torch.arange(30), tuple(map(str, range(30))))
    assert set(Retrieval(backend=backend).run(copies, copies).values()) == {0.0}


def test_separable_classes_are_all_found(separable):
    assert set(Retrieval().run(*separable).values()) == {100.0}


def test_one_image_is_an_error():
    one = Features(torch.ones(1, 4), torch.zeros(1, dtype=torch.int64), ("a",))
    with pytest.raises(UserError, match="two validation images"):
        Retrieval().run(one, one)

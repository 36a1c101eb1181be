"""Projection heads rebuilt from their keys."""

import pytest
import torch
from torch import nn

from distill.errors import UserError
from distill.modules.heads import head_from_state, head_width, mlp


@pytest.mark.parametrize(
    "head",
    [
        mlp(6, 5, 4),
        mlp(6, 5, 4, norm=True, last_norm=True),
        nn.Sequential(nn.Linear(6, 5, bias=False), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4, bias=False)),
        nn.Sequential(nn.Linear(6, 4, bias=False), nn.BatchNorm1d(4, affine=False)),
        nn.Sequential(nn.Linear(6, 4)),
    ],
)
def test_a_head_is_rebuilt_from_its_keys(head):
    again = head_from_state(head.state_dict())
    again.load_state_dict(head.state_dict())
    inputs = torch.randn(3, 6)
    assert torch.equal(again.eval()(inputs), head.eval()(inputs))
    assert head_width(again) == 4


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"1.weight": (3, 2)}, "0.weight is missing"),
        ({"0.weight": (3, 2), "0.bias": (3,), "4.weight": (2, 3)}, "2.weight is missing"),
        ({"0.bias": (3,)}, "0.weight is missing"),
        ({"0.weight": (3, 2), "1.weight": (3,), "1.bias": (3,)}, "1.running_mean is missing"),
        ({"0.weight": (3, 2), "2.weight": (2, 4)}, "layer 2 takes width 4, not the 3 before it"),
        ({"layers.0.weight": (3, 2)}, "unexpected layers.0.weight"),
    ],
)
def test_heads_that_are_no_chain_of_layers(state, message):
    with pytest.raises(UserError, match=message):
        head_from_state({key: torch.zeros(shape) for key, shape in state.items()})

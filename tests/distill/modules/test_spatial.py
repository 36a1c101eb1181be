"""Heads over maps: the average of what SpatialAdaptor gives is what the head gives for the average."""

import pytest
import torch
from torch import nn

from distill.errors import UserError
from distill.modules.spatial import SpatialAdaptor, pixel_mlp


def bare(inner, outer):
    return nn.Linear(inner, outer, bias=False)


def without_affine(width):
    return nn.BatchNorm1d(width, affine=False)


# the heads of the published teachers, narrower
HEADS = {
    "moco-v2": lambda: [nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 5)],
    "swav": lambda: [nn.Linear(12, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5)],
    "byol": lambda: [nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), bare(24, 5)],
    "barlow-twins": lambda: [
        *[bare(12, 24), nn.BatchNorm1d(24), nn.ReLU()],
        *[bare(24, 24), nn.BatchNorm1d(24), nn.ReLU()],
        bare(24, 24),
    ],
    "moco-v3-r50": lambda: [bare(12, 24), nn.BatchNorm1d(24), nn.ReLU(), bare(24, 5), without_affine(5)],
    "moco-v3-vit-b": lambda: [
        *[bare(12, 24), nn.BatchNorm1d(24), nn.ReLU()],
        *[bare(24, 24), nn.BatchNorm1d(24), nn.ReLU()],
        *[bare(24, 5), without_affine(5)],
    ],
}


def head_of(name, dtype=torch.float64):
    """A head with weights and statistics as after training."""
    torch.manual_seed(0)
    head = nn.Sequential(*HEADS[name]()).to(dtype)
    for layer in head:
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.2, 2)
            if layer.affine:
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias, std=0.3)
    return head.eval().requires_grad_(False)


def difference(adaptor, head, maps):
    return (adaptor(maps).mean((2, 3)) - head(maps.mean((2, 3)))).abs().max().item()


@pytest.mark.parametrize("grid", [(7, 7), (3, 5), (1, 1)])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("name", HEADS)
def test_the_average_of_the_map_is_the_head_of_the_average(name, dtype, tolerance, batch, grid):
    head = head_of(name, dtype)
    maps = torch.randn(batch, 12, *grid, dtype=dtype)
    assert difference(SpatialAdaptor(head), head, maps) < tolerance
    assert SpatialAdaptor(head)(maps).shape == (batch, head(maps.mean((2, 3))).shape[1], *grid)


@pytest.mark.parametrize("name", HEADS)
def test_a_plain_relu_would_break_it(name):
    head = head_of(name)
    convolutions = []
    for layer in head:
        if isinstance(layer, nn.Linear):
            outer, inner = layer.weight.shape
            convolution = nn.Conv2d(inner, outer, 1, bias=layer.bias is not None)
            state = {**layer.state_dict(), "weight": layer.weight[:, :, None, None]}
        elif isinstance(layer, nn.BatchNorm1d):
            convolution, state = nn.BatchNorm2d(layer.num_features, affine=layer.affine), layer.state_dict()
        else:
            convolution, state = nn.ReLU(), {}
        convolution.double().load_state_dict(state, strict=True)
        convolutions.append(convolution)
    assert difference(nn.Sequential(*convolutions).eval(), head, torch.randn(4, 12, 7, 7).double()) > 1e-2


@pytest.mark.parametrize("name", [name for name in HEADS if name != "moco-v2"])
def test_a_batch_norm_in_train_mode_would_break_it(name):
    head = head_of(name)
    maps = torch.randn(4, 12, 7, 7, dtype=torch.float64)
    expected = head(maps.mean((2, 3)))
    # the head's own train mode, in which a frozen teacher must never be
    assert (SpatialAdaptor(head.train())(maps).mean((2, 3)) - expected).abs().max() > 1e-2


def test_the_mask_is_one_for_each_sample_and_channel():
    maps = torch.tensor([[[[-1.0, 2.0]], [[-2.0, 1.0]]], [[[-3.0, 1.0]], [[0.5, 0.5]]]])  # (2, 2, 1, 2)
    expected = torch.tensor([[[[-1.0, 2.0]], [[0.0, 0.0]]], [[[0.0, 0.0]], [[0.5, 0.5]]]])
    torch.testing.assert_close(SpatialAdaptor(nn.Sequential(nn.ReLU()))(maps), expected)


def test_it_uses_the_heads_own_weights():
    head = head_of("swav")
    adaptor, maps = SpatialAdaptor(head), torch.randn(2, 12, 3, 3, dtype=torch.float64)
    assert {id(p) for p in adaptor.parameters()} == {id(p) for p in head.parameters()}
    before = {key: value.clone() for key, value in head.state_dict().items()}
    adaptor(maps)
    for key, value in head.state_dict().items():
        assert torch.equal(value, before[key]), key
    nn.init.zeros_(head[-1].weight)
    assert torch.equal(adaptor(maps), head[-1].bias[None, :, None, None].expand(2, -1, 3, 3))


def test_other_layers_are_refused():
    with pytest.raises(UserError, match="GELU; valid: Linear, BatchNorm1d, ReLU"):
        SpatialAdaptor(nn.Sequential(nn.Linear(4, 4), nn.GELU()))


def test_pixel_mlp_treats_every_pixel_alike():
    mlp = pixel_mlp(6, 8, 8, 3).eval()
    maps = torch.randn(2, 6, 2, 3)
    whole = mlp(maps)
    assert whole.shape == (2, 3, 2, 3)
    torch.testing.assert_close(mlp(maps[:, :, 1:, 2:]), whole[:, :, 1:, 2:])
    kinds = [type(layer).__name__ for layer in pixel_mlp(6, 8, 3)]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d"]

"""Agreement of views and effective rank: known answers."""

import copy

import numpy as np
import pytest
import torch

from distill.backbones import Backbone
from distill.data.unlabelled import UnlabelledImages
from distill.data.views import CentreCrop, CropFlip
from distill.errors import UserError
from distill.evaluation import view_agreement
from distill.evaluation.view_agreement import agreement, effective_rank
from tests.distill.evaluation.conftest import write_folder


def test_agreement_is_the_correlation_over_images_and_dimensions():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(9, 4, generator=g) + 3, torch.randn(9, 4, generator=g) - 1
    a, b = (z.double().numpy() - z.double().numpy().mean(0) for z in (x, y))
    assert agreement(x, y) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-6)
    assert agreement(x, 2 * x + 5) == pytest.approx(1)
    assert agreement(x, -x) == pytest.approx(-1)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_effective_rank_of_equal_variances_is_their_number(rank):
    orthogonal = torch.linalg.qr(torch.randn(40, 8, generator=torch.Generator().manual_seed(1)))[0]
    x = orthogonal - orthogonal.mean(0)
    x = torch.linalg.svd(x, full_matrices=False).U[:, :rank] @ torch.eye(rank, 16) + 7
    assert effective_rank(x) == pytest.approx(rank, rel=1e-4)


def test_unequal_variances_count_for_less():
    g = torch.Generator().manual_seed(2)
    x = torch.randn(50, 6, generator=g) * torch.tensor([5.0, 3.0, 1.0, 1.0, 0.5, 0.1])
    variances = np.linalg.eigvalsh(np.cov(x.double().numpy().T))
    shares = variances / variances.sum()
    assert effective_rank(x) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-4)


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("resnet10t").train()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("views"), images=12)


def images(folder, **crop) -> UnlabelledImages:
    return UnlabelledImages(str(folder), dict(type=CropFlip, size=32, **crop))


def test_milder_views_agree_more_and_the_network_stays_as_it_is(backbone, folder):
    before = copy.deepcopy(backbone.state_dict())
    wild = view_agreement(backbone, images(folder, views=2, scale=(0.08, 0.3)))
    mild = view_agreement(backbone, images(folder, views=2, scale=(0.8, 1.0)))
    assert wild.agreement < mild.agreement < 1
    assert 1 < mild.rank < mild.width == 512
    assert backbone.training
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_equal_views_agree_entirely(backbone, folder):
    class Twice(CentreCrop):
        def __init__(self, size):
            super().__init__(size)
            self.sizes *= 2

        def __call__(self, image):
            return super().__call__(image) * 2

    same = UnlabelledImages(str(folder), dict(type=Twice, size=32))
    assert view_agreement(backbone, same).agreement == pytest.approx(1)


def test_spread_is_what_unit_features_do_not_share(backbone, folder):
    found = view_agreement(backbone, images(folder, views=2))
    assert 0 < found.spread < 1
    collapsed = copy.deepcopy(backbone)
    for norm in collapsed.net.layer4.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.zeros_(norm.weight)
            torch.nn.init.ones_(norm.bias)
    assert view_agreement(collapsed, images(folder, views=2)).spread == pytest.approx(0, abs=1e-6)


def test_one_view_or_one_image_is_refused(backbone, folder):
    with pytest.raises(UserError, match="two views of an image"):
        view_agreement(backbone, images(folder, views=1))
    with pytest.raises(UserError, match="two images at least"):
        view_agreement(backbone, images(folder, views=2), count=1)

"""DINOv2, DINOv3 and SigLIP: transformers with class and register tokens or none, in their real shapes."""

import pytest
import torch

from distill.backbones import create_backbone
from distill.errors import UserError
from distill.targets import Teacher

SIZE = {14: 56, 16: 64}  # pixels: 4 x 4 patches
TRANSFORMERS = {  # architecture: (patch, tokens before the patches, width)
    "vit_small_patch14_dinov2": (14, 1, 384),
    "vit_small_patch14_reg4_dinov2": (14, 5, 384),
    "vit_small_patch16_dinov3": (16, 5, 384),
    "vit_base_patch16_siglip_224": (16, 0, 768),
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """Makes a teacher from a file of the network's keys; returns the plain network too."""
    folder, made = tmp_path_factory.mktemp("teachers"), {}

    def make(arch: str, pooling: str | None):
        if arch not in made:
            torch.manual_seed(0)
            any_size = {"dynamic_img_size": True} if arch in TRANSFORMERS else {}
            made[arch] = create_backbone(arch, **any_size).eval()
            torch.save(made[arch].state_dict(), folder / f"{arch}.pth")
        return Teacher(str(folder / f"{arch}.pth"), arch, pooling=pooling), made[arch]

    return make


@pytest.mark.parametrize("arch", TRANSFORMERS)
@torch.no_grad()
def test_tokens_are_pooled_as_asked(arch, teacher):
    patch, prefix, width = TRANSFORMERS[arch]
    view = torch.rand(2, 3, SIZE[patch], SIZE[patch])
    own, net = teacher(arch, None)
    images = (view - own.backbone.mean) / own.backbone.std
    tokens = net.forward_features(images)
    assert tokens.shape == (2, prefix + 16, width)
    torch.testing.assert_close(own(view), net(images))
    means = tokens[:, prefix:].mean(1)
    expected = {"mean": means}
    if prefix:
        expected |= {"token": tokens[:, 0], "both": torch.cat([tokens[:, 0], means], 1)}
    for pooling, value in expected.items():
        found, _ = teacher(arch, pooling)
        torch.testing.assert_close(found(view), value)
        assert found.width == value.shape[1]
        assert found.fingerprint() == own.fingerprint() | {"pooling": pooling, "width": found.width}
        assert found.describe()[-1].endswith(f"width {found.width}, pooling: {pooling}")


@pytest.mark.parametrize("arch", TRANSFORMERS)
@torch.no_grad()
def test_their_maps_have_the_patches_places(arch, teacher):
    """A patch's token stands where the patch is: a change within one patch changes that place most."""
    patch, _, width = TRANSFORMERS[arch]
    view = torch.rand(1, 3, SIZE[patch], SIZE[patch])
    changed = view.clone()
    changed[:, :, patch : 2 * patch, 2 * patch : 3 * patch] = 0  # row 1, column 2
    found, _ = teacher(arch, "mean")
    features, inner = found.backbone.features_and_inner_map(view)
    assert inner.shape == (1, width, 4, 4)
    torch.testing.assert_close(features, found(view))
    for given in (inner, found.backbone.feature_map(view)):
        other = found.backbone.features_and_inner_map(changed)[1]
        difference = (other - inner).square().sum(1)[0]
        assert difference.argmax() == 1 * 4 + 2
        torch.testing.assert_close(given, inner)


def test_a_convnext_has_no_tokens(teacher):
    found, net = teacher("convnext_tiny.dinov3_lvd1689m", None)
    view = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(found(view), net((view - found.backbone.mean) / found.backbone.std))
        assert found.backbone.features_and_inner_map(view)[1].shape == (1, 384, 4, 4)
    with pytest.raises(UserError, match="'mean': convnext_tiny.* has no tokens; leave it out"):
        teacher("convnext_tiny.dinov3_lvd1689m", "mean")


@pytest.mark.parametrize(
    ("arch", "pooling", "line"),
    [
        ("vit_small_patch14_dinov2", "cls", "unknown teacher.pooling 'cls'.*valid: both, mean, token"),
        ("vit_base_patch16_siglip_224", "token", "siglip_224 has no class token; valid: mean"),
        ("vit_base_patch16_siglip_224", "both", "siglip_224 has no class token; valid: mean"),
    ],
)
def test_a_pooling_that_there_is_not(arch, pooling, line, teacher):
    with pytest.raises(UserError, match=line):
        teacher(arch, pooling)

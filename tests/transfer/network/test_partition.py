"""Stages are cut where timm says, and the network does nothing else between them."""

import pytest
import torch

from distill.backbones import create_backbone
from distill.errors import UserError
from transfer.network.partition import STRIDES, StagedBackbone, plan_stages

ARCHITECTURES = (
    "resnet18", "resnet50", "resnet50d", "resnext50_32x4d", "seresnet18", "res2net50_26w_4s", "dla34",
    "regnety_006", "regnetx_002", "mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100",
    "mobilenetv4_conv_small", "efficientnet_b0", "efficientnet_lite0", "tinynet_e", "mnasnet_100",
    "semnasnet_100", "fbnetc_100", "hardcorenas_a", "lcnet_050", "ghostnet_100", "repvgg_a0", "mobileone_s0",
    "densenet121", "convnext_atto", "cspresnet50", "vovnet39a", "repvit_m0_9", "starnet_s1",
)  # fmt: skip


def images(size: int = 64) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def scrambled(net: torch.nn.Module) -> torch.nn.Module:
    """Norms as after training: at initialisation many residual branches end in a norm of weight 0."""
    generator = torch.Generator().manual_seed(1)
    for value in [*net.parameters(), *net.buffers()]:
        if value.dim() == 1 and value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return net


@torch.no_grad()
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_stages_give_exactly_timms_maps(arch):
    """A whole checkpoint loads by its own keys, and every map equals ``forward_intermediates``'."""
    net = scrambled(create_backbone(arch)).eval()
    staged = StagedBackbone(arch).eval()
    state = net.state_dict()
    staged.load_state_dict({key: state[key] for key in staged.state_dict()}, strict=True)
    assert state.keys() - staged.state_dict().keys() == staged.unused_keys

    maps = staged(images())
    strides = [entry["reduction"] for entry in net.feature_info]
    indices = [strides.index(stride) for stride in STRIDES.values()]
    wanted = net.forward_intermediates(images(), indices=indices, intermediates_only=True)
    for (stage, found), reference in zip(maps.items(), wanted, strict=True):
        assert torch.equal(found, reference), stage
        assert found.shape[1] == staged.channels[stage]
        assert found.shape[-1] == 64 // staged.strides[stage]


def test_mobilenetv3_large_is_pcds_table():
    """PCD appendix B.2 (index, module, total stride, partition): our general rule must give the same."""
    table = {
        "stem": [("conv", 2), ("IBN", 2)],
        "res2": [("IBN", 4)] * 2,
        "res3": [("IBN", 8)] * 3,
        "res4": [("IBN", 16)] * 6,
        "res5": [("IBN", 32)] * 3 + [("conv", 32)],
    }
    staged = StagedBackbone("mobilenetv3_large_100")
    found, stride = {}, 1
    for stage in staged.plan:
        found[stage] = []
        for part in staged.parts(stage):
            blocks = list(part) if isinstance(part, torch.nn.Sequential) else [part]
            for block in blocks:
                depthwise = [m for m in block.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1]
                convs = [m for m in block.modules() if isinstance(m, torch.nn.Conv2d)]
                for conv in convs:
                    stride *= conv.stride[0]
                if convs:
                    found[stage].append(("IBN" if depthwise else "conv", stride))
    assert found == table
    assert staged.channels["res5"] == 960, "the last convolution is in res5"
    assert staged.cut_off == ("conv_head",), "what comes after pooling is cut off, and said"


def test_stages_after_the_last_map_are_left_out():
    """A C4 backbone ends at res4: no unused parameters that would stop distributed training."""
    c4 = StagedBackbone("resnet18", ("res4",))
    assert list(c4(images())) == ["res4"]
    assert list(c4.plan) == ["stem", "res2", "res3", "res4"]
    assert not any(key.startswith("layer4") for key in c4.state_dict())
    assert any(key.startswith("layer4") for key in c4.unused_keys)


@pytest.mark.parametrize("arch", ["resnet18", "mobilenetv3_large_100", "convnext_atto"])
@torch.no_grad()
def test_one_stage_alone_runs_on_region_features(arch):
    """res5 as the box head of a C4 detector: regions of 14x14 become 7x7; its keys are the checkpoint's."""
    staged = StagedBackbone(arch).eval()
    res5 = staged.stage("res5")
    assert res5(torch.rand(3, staged.channels["res4"], 14, 14)).shape == (3, staged.channels["res5"], 7, 7)
    maps = staged(images())
    assert torch.equal(res5(maps["res4"]), maps["res5"])
    assert res5.state_dict().keys() <= create_backbone(arch).state_dict().keys()


@pytest.mark.parametrize("size", [(96, 160), (99, 133)])
@pytest.mark.parametrize("arch", ["resnet18", "convnext_atto", "mobilevitv2_050"])
@torch.no_grad()
def test_stages_give_timms_maps_of_any_size(arch, size):
    staged, net = StagedBackbone(arch).eval(), create_backbone(arch).eval()
    staged.load_state_dict({key: net.state_dict()[key] for key in staged.state_dict()})
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    wanted = net.forward_intermediates(image, indices=4, intermediates_only=True)
    assert all(torch.equal(a, b) for a, b in zip(staged(image).values(), wanted, strict=True))


@pytest.mark.parametrize("arch", ["tresnet_m", "lambda_resnet26t"])
@torch.no_grad()
def test_a_network_that_takes_multiples_of_32_alone_gets_a_padded_image(arch):
    """timm's own network fails on 99x133; here its maps are those of the zero-padded image, cut."""
    staged = StagedBackbone(arch).eval()
    image = torch.rand(1, 3, 99, 133, generator=torch.Generator().manual_seed(0))
    with pytest.raises(RuntimeError):
        create_backbone(arch).eval()(image)
    whole = torch.zeros(1, 3, 128, 160)
    whole[..., :99, :133] = image
    maps, padded = staged(image), staged(whole)
    sides = {"res2": (25, 34), "res3": (13, 17), "res4": (7, 9), "res5": (4, 5)}
    for stage, (height, width) in sides.items():
        assert torch.equal(maps[stage], padded[stage][..., :height, :width])
        assert maps[stage].shape[2:] == (height, width)
    assert staged.exact and staged.divisor == 32 and StagedBackbone("mobilenetv3_small_050").divisor == 1
    assert staged(image[..., :96, :128])["res5"].shape[2:] == (3, 4)


def test_maps_that_are_not_image_over_stride_are_named():
    """MobileViT-v2's maps of 128x128 images are image / stride, because its patches of 2x2 then fit."""
    staged = StagedBackbone("mobilevitv2_050")
    assert not staged.exact
    assert staged.why_not_exact == "res5 of 96x64 images is 4x2, not 3x2"


def test_alexnet_has_stages_but_its_maps_lose_a_border():
    alexnet = StagedBackbone("alexnet_compress").eval()
    assert alexnet.channels == {"stem": 64, "res2": 64, "res3": 192, "res4": 256, "res5": 256}
    assert alexnet.plan["res5"] == ("features.12",), "its res5 is the last pooling alone"
    assert alexnet.cut_off == ("feats",)
    assert not alexnet.exact
    assert StagedBackbone("resnet18").exact


@pytest.mark.parametrize(
    ("arch", "reason"),
    [
        ("vit_tiny_patch16_224", "no map for res2"),
        ("levit_128s", "no map for res2"),
        ("hrnet_w18_small", "not the output of a module"),
        ("selecsls42b", "from inside 'features', a SequentialList"),
        ("xception41", "from inside 'blocks.0', a XceptionModule"),
        ("swin_tiny_patch4_window7_224", "do not run in a row"),
        ("botnet26t_256", "it takes only 256x256 images"),
        ("halonet26t", "it needs `_assert.H % self.block_size == 0"),
        ("mambaout_femto", r"not \(B, C, H, W\)"),
    ],
)
def test_a_network_that_cannot_be_cut_says_why(arch, reason):
    with pytest.raises(UserError, match=f"{arch} cannot be cut into stages: .*{reason}"):
        StagedBackbone(arch)


class AddsBetween(torch.nn.Module):
    """Declares its maps as others do, but adds a constant between two of its modules."""

    feature_info = [{"module": f"s{n}", "num_chs": 3, "reduction": 2**n} for n in range(1, 6)]

    def __init__(self):
        super().__init__()
        for n in range(1, 6):
            self.add_module(f"s{n}", torch.nn.Conv2d(3, 3, 2, stride=2))

    def forward(self, x):
        x = self.s3(self.s2(self.s1(x)))
        return self.s5(self.s4(x + 1))


def test_what_happens_between_modules_is_noticed(monkeypatch):
    monkeypatch.setattr("transfer.network.partition.create_backbone", lambda arch: AddsBetween())
    plan, rest = plan_stages(AddsBetween(), "adds")
    assert plan["res4"] == ("s4",) and rest == ()
    with pytest.raises(UserError, match="res4 differs from the whole network's"):
        StagedBackbone("adds")


@pytest.mark.parametrize("stages", [(), ("res3", "res2"), ("res2", "res2"), ("res6",), ("stem",)])
def test_wrong_stages(stages):
    with pytest.raises(UserError, match="res2"):
        StagedBackbone("resnet18", stages)

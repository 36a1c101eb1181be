"""Layouts of published self-supervised checkpoints: where each keeps its encoder and projection head.

Where a file has two encoders (one trained, one its moving average), the one whose embeddings were the
method's targets is read. MoCo-v2 is an exception: its authors evaluate the query encoder, others distil it.
"""

import re
from dataclasses import dataclass

from distill.backbones.weights import IMAGENET_MEAN, IMAGENET_STD, State
from distill.errors import UserError

SWAV_STD = (0.228, 0.224, 0.225)  # what SwAV was trained with
# (blocks in each stage, whether they are bottlenecks) -> name
RESNETS = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
    ((3, 8, 36, 3), True): "resnet152",
}
VITS = {(192, 12): "tiny", (384, 12): "small", (768, 12): "base", (1024, 24): "large"}  # (width, depth)


@dataclass(frozen=True)
class Layout:
    """Prefixes of keys, without a leading ``module.``.

    ``heads`` are the places where the projection head may be, a ``Sequential`` of linear layers, batch norms
    and ReLUs; ``sign`` begins another key that must be there, where other files share the encoder's prefix.
    """

    source: str
    encoder: str
    heads: tuple[str, ...] = ()
    sign: str = ""


LAYOUTS = (
    # facebookresearch/moco, v1 and v2
    Layout("moco-v2", "encoder_q.", ("encoder_q.fc.",)),
    # facebookresearch/moco-v3: `fc` in ResNets, `head` in ViTs
    Layout("moco-v3", "momentum_encoder.", ("momentum_encoder.fc.", "momentum_encoder.head.")),
    # megvii-research/revisitAIRL (Huang et al., ECCV 2022), BYOL and its MoCo-v2 variants
    Layout("byol", "target_encoder.", ("target_encoder.fc.",)),
    # OpenSelfSup
    Layout("byol", "target_net.0.", ("target_net.1.mlp.",)),
    # lightly's ImageNet benchmark
    Layout("byol", "teacher_backbone.", ("teacher_projection_head.layers.",)),
    # facebookresearch/barlowtwins, whole training state; `bn` belongs to the loss
    Layout("barlow-twins", "backbone.", ("projector.",), sign="bn.running_mean"),
    # facebookresearch/dino, whole training state; its head (GELU, weight norm) is not rebuilt
    Layout("dino", "backbone.", sign="head.last_layer."),
)


def self_supervised(state: State, arch: str | None) -> dict | None:
    """The parts of a checkpoint in one of ``LAYOUTS``, or None."""
    inner = without_module(state)
    for layout in LAYOUTS:
        encoder = under(inner, layout.encoder)
        if encoder and any(key.startswith(layout.sign) for key in inner):
            return _take(inner, encoder, layout, arch)
    return None


def _take(inner: State, encoder: State, layout: Layout, arch: str | None) -> dict:
    place = next((place for place in layout.heads if under(inner, place)), None)
    head = under(inner, place) if place else {}
    within = place.removeprefix(layout.encoder) if place else None  # as `fc.` in `encoder_q.fc.`
    backbone = {key: value for key, value in encoder.items() if not (within and key.startswith(within))}
    if layout.source == "moco-v3" and (vit_name(backbone) or "").startswith("vit_small"):
        raise UserError("MoCo-v3's ViT-S has 12 attention heads, timm's has 6: use its ViT-B or ResNet-50")
    used = (layout.encoder, *((place,) if place else ()))
    # one name for each unused part; OpenSelfSup's `head.predictor` in full, as it is no projection head
    others = {re.match(r"head\.predictor|[^.]+", key).group() for key in inner if not key.startswith(used)}
    return found(backbone, arch, layout.source, _one_layer(head), dropped=sorted(others))


def swav(state: State, arch: str | None) -> dict | None:
    """SwAV: ``module.*`` (or bare) with ``projection_head.*`` and ``prototypes.*``."""
    inner = without_module(state)
    if not any(re.match(r"projection_head\.(\d+|weight|bias)", key) for key in inner):
        return None
    head = _one_layer(under(inner, "projection_head."))
    backbone = {k: v for k, v in inner.items() if not k.startswith(("projection_head.", "prototypes."))}
    parts = found(backbone, arch, "swav", head, std=SWAV_STD)
    # several sets of prototypes (``prototypes.prototypes0.weight``) are not used here
    several = sorted({key.split(".")[1] for key in inner if key.startswith("prototypes.prototypes")})
    dropped = tuple(f"prototypes.{name}" for name in several)
    return {**parts, "prototypes": inner.get("prototypes.weight"), "dropped": dropped}


def simclr(state: State, arch: str | None) -> dict | None:
    """SimCLR's ResNet-50x4 with TensorFlow's flat names, as CompRess converted it.

    ``conv2d_N`` and ``batch_normalization_N`` are numbered through the whole network; in the first block of
    a stage the shortcut comes before the block's own layers.
    """
    inner = without_module(state)
    if "conv2d.weight" not in inner or "batch_normalization.weight" not in inner:
        return None
    names = [("conv1", "bn1")]
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            at = f"layer{stage}.{block}"
            if block == 0:
                names.append((f"{at}.downsample.0", f"{at}.downsample.1"))
            names.extend((f"{at}.conv{number}", f"{at}.bn{number}") for number in (1, 2, 3))
    new = {}
    for number, (conv, norm) in enumerate(names):
        tail = f"_{number}" if number else ""
        new |= {f"conv2d{tail}": conv, f"batch_normalization{tail}": norm}
    backbone = {}
    for key, value in inner.items():
        layer, _, leaf = key.rpartition(".")
        if layer != "fc":
            backbone[f"{new.get(layer, layer)}.{leaf}"] = value
    return found(backbone, arch, "simclr", dropped=("fc",) if "fc.weight" in inner else ())


def resnet_name(state: State) -> str | None:
    """``resnet18`` ... ``resnet152`` or ``resnet50x4``, told by the number and shape of the blocks."""
    blocks = tuple(
        len({match.group(1) for key in state if (match := re.match(rf"layer{stage}\.(\d+)\.", key))})
        for stage in (1, 2, 3, 4)
    )
    name = RESNETS.get((blocks, "layer1.0.conv3.weight" in state))
    stem = state.get("conv1.weight")
    if stem is None or tuple(stem.shape[2:]) != (7, 7):
        return None
    return {64: name, 256: "resnet50x4" if name == "resnet50" else None}.get(stem.shape[0])


def vit_name(state: State) -> str | None:
    """timm's name of a plain ViT for 224 pixels, told by its width, depth, patches and positions."""
    patches, positions = state.get("patch_embed.proj.weight"), state.get("pos_embed")
    if patches is None or positions is None:
        return None
    depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    width, patch = patches.shape[0], patches.shape[-1]
    size = VITS.get((width, depth))
    fits = positions.shape[-2] == (224 // patch) ** 2 + 1  # and the class token
    return f"vit_{size}_patch{patch}_224" if size and fits else None


def found(
    backbone: State, arch: str | None, source: str, head: State | None = None, std=IMAGENET_STD, dropped=()
) -> dict:
    """The fields of ``Weights``, with the architecture that the keys tell or ``arch`` names.

    Raises:
        UserError: neither tells it, or the two differ.
    """
    told = resnet_name(backbone) or vit_name(backbone)
    if told is None and arch is None:
        raise UserError(f"{source} checkpoint of an unknown architecture; give one (--arch NAME)")
    if told is not None and arch is not None and told != arch.split(".")[0]:  # a timm tag changes no keys
        raise UserError(f"{source} checkpoint holds a {told}, not a {arch}")
    mean = IMAGENET_MEAN
    if told == "resnet50x4":  # SimCLR's: images in [0, 1], not normalised
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return dict(
        arch=arch or told,
        backbone=backbone,
        head=head,
        mean=mean,
        std=std,
        source=source,
        dropped=tuple(dropped),
        pixels_from=f"{source}'s, which the file does not tell",
    )


def _one_layer(head: State) -> State | None:
    """A head that is one linear layer (``fc.weight``) becomes a ``Sequential`` of one; none is None."""
    if "weight" in head:
        return {f"0.{key}": value for key, value in head.items()}
    return head or None


def under(state: State, prefix: str) -> State:
    """The part of a state dict below a prefix."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def without_module(state: State) -> State:
    """The state dict without the ``module.`` that ``DataParallel`` puts before its keys.

    Raises:
        UserError: a key with and without it, which are two networks.
    """
    bare = {key.removeprefix("module."): value for key, value in state.items()}
    if len(bare) < len(state):
        twice = next(key for key in state if f"module.{key}" in state)
        raise UserError(f"two networks in one state dict: it has {twice} and module.{twice}; save one alone")
    return bare

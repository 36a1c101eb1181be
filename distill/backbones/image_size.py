"""Image sizes that a network can take."""

from timm.layers import PatchEmbed

from distill.backbones.backbone import Backbone
from distill.errors import UserError


def check_image_size(backbone: Backbone, height: int, width: int) -> None:
    """Refuses images (in pixels) that a transformer cannot cut into patches, or that a hybrid does not take.

    Convolutional networks take all.

    Raises:
        UserError: a size that is not a multiple of the patch, or not the only one that the network takes.
    """
    net = backbone.net
    embed = getattr(net, "patch_embed", None)
    if not isinstance(embed, PatchEmbed) or embed.img_size is None:
        config = getattr(net, "pretrained_cfg", None) or {}
        if config.get("fixed_input_size") and not backbone.takes(height, width):
            made_for = backbone.measured_at
            raise UserError(
                f"{backbone.arch} does not take images of {height} x {width} pixels; it is made for "
                f"{made_for} x {made_for}"
            )
        return
    if embed.strict_img_size and (height, width) != tuple(embed.img_size):
        only = " x ".join(map(str, embed.img_size))
        raise UserError(f"{backbone.arch} takes images of {only} pixels only, not {height} x {width}")
    if not embed.dynamic_img_pad and (height % embed.patch_size[0] or width % embed.patch_size[1]):
        patch = embed.patch_size[0]
        raise UserError(
            f"{backbone.arch} takes image sizes that are multiples of its patch, {patch}, not "
            f"{height} x {width}; nearest: {height // patch * patch} or {(height // patch + 1) * patch}"
        )

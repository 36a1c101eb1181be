"""Self-attention over the pixels of a map."""

import math

from torch import Tensor, nn
from torch.nn import functional as F


class PixelAttention(nn.Module):
    """Every pixel attends to its whole map: ``x + W_o attention(W_q x, W_k x, W_v x)``, (B, C, h, w).

    It widens a small network's field of view while it is being distilled (PCD: Huang and Guo, ICCV 2023;
    not in the released code). One layer with several heads, with no feed-forward part, no position code, no
    norm and no biases. The output projection starts at zero, so that the map is unchanged at first.

    Args:
        width: C.
        head_width: channels of a head. The number of heads is C / head_width rounded up, so that the inner
            width may exceed C.
    """

    def __init__(self, width: int, head_width: int = 64):
        super().__init__()
        self.heads = math.ceil(width / head_width)
        inner = self.heads * head_width
        self.qkv = nn.Conv2d(width, 3 * inner, kernel_size=1, bias=False)
        self.output = nn.Conv2d(inner, width, kernel_size=1, bias=False)
        nn.init.zeros_(self.output.weight)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        # (3, B, heads, pixels, head_width)
        qkv = self.qkv(x).reshape(batch, 3, self.heads, -1, height * width).permute(1, 0, 2, 4, 3)
        attended = F.scaled_dot_product_attention(*qkv)
        return x + self.output(attended.transpose(2, 3).reshape(batch, -1, height, width))

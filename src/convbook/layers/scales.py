"""Maps carried between scales: doubled by repetition or by zeros, halved by a strided convolution."""

import torch.nn.functional as F
from torch import Tensor


def enlarge(x: Tensor, like: Tensor) -> Tensor:
    """Repeat the nearest pixel until the map is as large as ``like``: (N, C, h, w) -> (N, C, H, W)."""
    return F.interpolate(x, size=like.shape[-2:], mode="nearest")


def spread(x: Tensor, like: Tensor) -> Tensor:
    """Put a zero behind every pixel, rightwards and downwards, and crop to the size of ``like``.

    (N, C, ceil(H / 2), ceil(W / 2)) -> (N, C, H, W). A 3x3 convolution of the result can learn any
    interpolation between neighbours, the bilinear one among them.
    """
    height, width = like.shape[-2:]
    x = F.pad(x.unsqueeze(-1), (0, 1)).flatten(-2)  # (N, C, h, 2 w)
    x = F.pad(x.unsqueeze(-2), (0, 0, 0, 1)).flatten(-3, -2)  # (N, C, 2 h, 2 w)
    return x[..., :height, :width]

"""TensorFlow's padding: as many outputs as strides fit, the odd zero on the right and at the bottom."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def pad_same(x: Tensor, kernel_size: int, stride: int, value: float = 0.0) -> Tensor:
    """Pad so that a window of ``kernel_size`` has ceil(H / stride) by ceil(W / stride) places.

    Unlike padding on both sides, where windows sit depends on whether the side is even.
    """
    height, width = (max((-(-side // stride) - 1) * stride + kernel_size - side, 0) for side in x.shape[-2:])
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2), value=value)


class PadSame(nn.Module):
    """:func:`pad_same` as a layer, in front of a convolution without padding."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pad with zeros."""
        return pad_same(x, self.kernel_size, self.stride)


class MaxPoolSame(nn.Module):
    """The maximum of each window; padding never wins. (N, C, H, W) -> (N, C, ceil(H / stride), ...)."""

    def __init__(self, kernel_size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pad, then pool."""
        padded = pad_same(x, self.kernel_size, self.stride, float("-inf"))
        return F.max_pool2d(padded, self.kernel_size, self.stride)


class AvgPoolSame(nn.Module):
    """The mean of each window. (N, C, H, W) -> (N, C, ceil(H / stride), ...).

    Args:
        kernel_size: side of the window.
        stride: distance between windows.
        count_padding: False takes the mean over the pixels inside the map, as TensorFlow does; True takes
            the padding's zeros for pixels.
    """

    def __init__(self, kernel_size: int = 3, stride: int = 1, count_padding: bool = False) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.count_padding = kernel_size, stride, count_padding

    def forward(self, x: Tensor) -> Tensor:
        """Pad, pool, and take the padding out of the mean."""
        mean = F.avg_pool2d(pad_same(x, self.kernel_size, self.stride), self.kernel_size, self.stride)
        if self.count_padding:
            return mean
        inside = pad_same(torch.ones_like(x[:1, :1]), self.kernel_size, self.stride)
        return mean / F.avg_pool2d(inside, self.kernel_size, self.stride)

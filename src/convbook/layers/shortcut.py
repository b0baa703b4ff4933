"""Shortcuts around a residual block (He et al. 2016, section 3.3)."""

import torch.nn.functional as F
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm

SHORTCUTS = ("A", "B", "C")


class PadShortcut(nn.Module):
    """Option A: keep every ``stride``-th position and fill the new channels with zeros. No parameters.

    (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        if out_channels < in_channels:
            raise ValueError(f'shortcut="A" cannot narrow {in_channels} channels to {out_channels}: take "B"')
        self.new_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Subsample, then pad."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


def make_shortcut(option: str, in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """The layer on a block's shortcut; None where it is the identity.

    Option A pads, B projects where the shape changes, C projects everywhere.

    Raises:
        ValueError: if the option is unknown.
    """
    if option not in SHORTCUTS:
        raise ValueError(f"shortcut={option!r} is unknown: take one of {', '.join(SHORTCUTS)}")
    same_shape = stride == 1 and in_channels == out_channels
    if same_shape and option != "C":
        return None
    if option == "A":
        return PadShortcut(in_channels, out_channels, stride)
    return ConvNorm(in_channels, out_channels, 1, stride, activation=None)

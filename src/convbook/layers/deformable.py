"""Deformable convolution: taps that move to where the image tells them to."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import register_flop_formula
from torchvision.ops import deform_conv2d


class DeformableConv2d(nn.Module):
    """A convolution that reads each of its taps beside its place, by an offset computed from the image.

    **What it computes.** An ordinary convolution of the same kernel, stride and padding predicts 2 k**2
    numbers for each output position: how far down and to the right each tap is to move. Offsets are
    fractions of pixels, so that the input is read by bilinear interpolation, zero outside; through it the
    gradient reaches the offsets, and no label says where to look. The offsets' convolution starts at zero,
    so that training begins with an ordinary convolution. Channels share their offsets.

    **Output size.** (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)), for odd k.

    **Cost.** in * out * k**2 parameters, and in * 2 k**2 * k**2 + 2 k**2 for the offsets: for k = 3 and
    256 to 256 channels 41,490 beside 589,824. MACs are the weights of both, once for every output position;
    interpolation, four reads a tap and channel, is not counted, as normalisation is not.

    **Receptive field.** Not fixed: it follows the image. :func:`convbook.profile.profile` gives none from
    here on.

    **Where it came from.** Dai et al. 2017, section 2.1, in the last layers of ResNet-101 for detection and
    segmentation. Jaderberg et al. 2015 transform a whole map by one set of parameters; here every position
    has its own.

    **Good for** objects that change in scale, pose and shape, in late layers, where a position stands for an
    object. **Bad for** where no object is: nothing keeps an offset from running off to what does not belong
    (Zhu et al. 2019 add a gate a tap for that). It needs a kernel of its own on each device, and more reads
    than its MACs tell.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: k, odd.
        stride: 2 halves height and width.
        bias: add a number a channel.

    Raises:
        ValueError: if the kernel is even.

    >>> layer = DeformableConv2d(1, 1)
    >>> _ = nn.init.zeros_(layer.weight)
    >>> layer.weight.data[..., 1, 1] = 1  # copy the centre ...
    >>> layer.offset.bias.data[9] = 1.0  # ... which reads one to the right: offsets are (down, right) a tap
    >>> layer(torch.tensor([[[[1.0, 2.0, 3.0]]]])).flatten().tolist()
    [2.0, 3.0, 0.0]
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, bias: bool = False
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} has no centre to pad around: take an odd one")
        self.kernel_size, self.stride, self.padding = kernel_size, stride, kernel_size // 2
        self.offset = nn.Conv2d(in_channels, 2 * kernel_size**2, kernel_size, stride, self.padding)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # as PyTorch starts a convolution

    def forward(self, x: Tensor) -> Tensor:
        """Say where to read, then convolve what is there."""
        kind = self.weight.dtype  # places want more digits than autocast's half precision has
        offset = self.offset(x).to(kind)
        return deform_conv2d(x.to(kind), offset, self.weight, self.bias, self.stride, self.padding)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        out, into = self.weight.shape[:2]
        return f"{into}, {out}, kernel_size={self.kernel_size}, stride={self.stride}"


@register_flop_formula(torch.ops.torchvision.deform_conv2d)
def _flops(x: Any, weight: Any, *args: Any, out_shape: Any, **kwargs: Any) -> int:
    """Two a multiply-accumulate, as PyTorch counts its own operations."""
    batch, _, height, width = out_shape
    return 2 * batch * height * width * math.prod(weight)

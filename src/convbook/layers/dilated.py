"""Dilated convolution: a kernel with holes, wide without weights."""

from torch import nn


class DilatedConv2d(nn.Conv2d):
    """A convolution whose taps stand ``dilation`` pixels apart, padded so that only stride shrinks.

    **What it computes.** Output (i, j) is the sum of weight[a, b] times input (i + a d, j + b d), counted
    from the kernel's centre; d = 1 is the ordinary convolution. It is the convolution with the larger kernel
    of side d (k - 1) + 1 that has zeros between its k x k weights, without the multiplications by zero.

    **Output size.** (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)): d (k - 1) / 2 zeros are
    padded on each side.

    **Cost.** in * out * k**2 parameters (and ``out`` biases), each used once for every output position: what
    k costs, whatever d is.

    **Receptive field.** One layer widens it by d (k - 1) input steps. Layers of k = 3 with d = 1, 2, 4, ...,
    2**(n - 1) see squares of side 2**(n + 1) - 1, where n ordinary ones see 2 n + 1: the field grows
    exponentially with depth, parameters linearly, and the map keeps its size.

    **Where it came from.** The *algorithme à trous* of wavelet analysis; in networks to keep resolution for
    dense prediction, in Yu and Koltun 2016 as a context module of dilations 1, 1, 2, 4, 8, 16, 1, which sees
    67 x 67.

    **Good for** labelling every pixel with much context at full resolution. **Bad for** where dilations with
    a common factor follow one another: with d = 2 throughout, an output sees every other pixel only, and a
    grid shows in the result (Yu et al. 2017; Wang et al. 2018). It also saves no memory: the map stays large.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: k, odd.
        dilation: d, the distance between taps.
        stride: 2 halves height and width.
        bias: add a number a channel.

    Raises:
        ValueError: if the kernel is even or ``dilation`` is below 1.

    >>> import torch
    >>> layer = DilatedConv2d(1, 1, dilation=2, bias=False)
    >>> _ = nn.init.ones_(layer.weight)
    >>> spot = torch.zeros(1, 1, 1, 5)
    >>> spot[..., 2] = 1
    >>> layer(spot).flatten().tolist()  # seen from itself and from two pixels to either side
    [1.0, 0.0, 1.0, 0.0, 1.0]
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        dilation: int = 2,
        stride: int = 1,
        bias: bool = False,
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} has no centre to pad around: take an odd one")
        if dilation < 1:
            raise ValueError(f"dilation={dilation} puts taps nowhere: take 1 or more")
        padding = dilation * (kernel_size - 1) // 2
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias)

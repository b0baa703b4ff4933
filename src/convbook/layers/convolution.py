"""Convolution, batch normalisation and activation as one layer; the depthwise separable pair."""

from torch import Tensor, nn

Activation = type[nn.Module]


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A bias-free 3x3 convolution that keeps the image's size at stride 1."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, groups=groups, bias=False)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A bias-free 1x1 convolution: one linear layer, shared by all positions."""
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch normalisation, activation.

    (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)), padded with zeros; ``padding=0`` keeps
    only the places where the whole kernel fits.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: k, or (height, width) of an asymmetric kernel.
        stride: 2 halves height and width.
        groups: parts into which the channels are split; each output sees one part.
        dilation: distance between the kernel's taps.
        activation: a class such as nn.ReLU; None leaves it out.
        padding: zeros around the image; None takes as many as keep its size at stride 1.
        eps: what batch normalisation adds to the variance.

    Raises:
        ValueError: if a kernel to be padded is even, or ``groups`` does not divide both channel counts.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        activation: Activation | None = nn.ReLU,
        padding: int | None = None,
        eps: float = 1e-5,
    ) -> None:
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        if padding is None and not all(k % 2 for k in kernel):
            raise ValueError(f"kernel_size={kernel_size} has no centre to pad around: take an odd one")
        check_groups(groups, in_channels, out_channels)
        height, width = (dilation * (k - 1) // 2 if padding is None else padding for k in kernel)
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, kernel, stride, (height, width), dilation, groups, bias=False
            ),
            nn.BatchNorm2d(out_channels, eps=eps),  # its shift makes a bias in the convolution idle
        )
        if activation is not None:
            self.append(activation(inplace=True))


def check_groups(groups: int, *channels: int) -> None:
    """Refuse groups that do not divide every channel count.

    Raises:
        ValueError: naming the argument and the counts.
    """
    if groups < 1 or any(count % groups for count in channels):
        counts = " and ".join(map(str, channels))
        raise ValueError(f"groups={groups} does not divide {counts} channels: take a common divisor")


class DepthwiseSeparable(nn.Module):
    """A 3x3 filter a channel, then a 1x1 that mixes channels (Howard et al. 2017, section 3.1).

    **What it computes.** Each channel is filtered by itself, then every output channel is a weighted sum of
    the filtered ones at the same position. Without normalisation and activation between the two it would be
    a 3x3 convolution in which the kernels of all outputs on one input channel are multiples of one filter.

    **Output size.** (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)).

    **Cost.** ``9 * in + in * out`` weights, and as many multiply-accumulates for every output position, where
    a standard 3x3 convolution takes ``9 * in * out``: a share of 1 / out + 1 / 9. Nearly all of it is in the
    1x1. Two batch normalisations add ``2 * in + 2 * out`` parameters.

    **Receptive field.** 3x3, as the standard convolution's: the 1x1 adds nothing.

    **Where it came from.** Sifre 2014; in Xception (Chollet 2017) mixing comes first and nothing stands
    between the two, in MobileNet (Howard et al. 2017) filtering comes first.

    **Good for** small networks: it takes an eighth to a ninth of the MACs. **Bad for** speed to match: the
    filters do few MACs for each value they read, so that memory sets their pace, not arithmetic.

    >>> import torch
    >>> layer = DepthwiseSeparable(32, 64, stride=2)
    >>> layer(torch.zeros(1, 32, 56, 56)).shape
    torch.Size([1, 64, 28, 28])
    >>> sum(p.numel() for p in layer.parameters() if p.ndim == 4) == 9 * 32 + 32 * 64
    True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        activation: Activation | None = nn.ReLU,
    ) -> None:
        super().__init__()
        self.depthwise = ConvNorm(
            in_channels, in_channels, 3, stride, groups=in_channels, activation=activation
        )
        self.pointwise = ConvNorm(in_channels, out_channels, 1, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Filter, then mix."""
        return self.pointwise(self.depthwise(x))

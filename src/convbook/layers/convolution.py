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

    (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)), padded with zeros.

    Raises:
        ValueError: if ``kernel_size`` is even, or ``groups`` does not divide both channel counts.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        activation: Activation | None = nn.ReLU,
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} has no centre to pad around: take an odd one")
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"groups={groups} does not divide {in_channels} and {out_channels} channels: change one"
            )
        padding = dilation * (kernel_size - 1) // 2
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=False),
            nn.BatchNorm2d(out_channels),  # its shift makes a bias in the convolution idle
        )
        if activation is not None:
            self.append(activation(inplace=True))


class DepthwiseSeparable(nn.Module):
    """A 3x3 filter a channel, then a 1x1 that mixes channels (Howard et al. 2017, section 3.1).

    (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)). Per position it takes
    ``9 * in + in * out`` multiply-accumulates where a standard 3x3 convolution takes ``9 * in * out``.
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

"""Grouped convolution: channels that keep to themselves."""

from torch import nn

from convbook.layers.convolution import check_groups


def is_depthwise(module: nn.Module) -> bool:
    """Whether each of the module's kernels reads one channel of several."""
    return isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels


class GroupedConv2d(nn.Conv2d):
    """A convolution in which each of ``groups`` equal parts of the output sees one part of the input.

    **What it computes.** The channels are cut into g parts; g small convolutions, each with its own kernels,
    run side by side, and their outputs are put one behind the other. As a matrix over channels it is block
    diagonal: the ordinary convolution with all weights between different parts at zero. g = 1 is the
    ordinary convolution, g = ``in_channels`` the depthwise one.

    **Output size.** (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)), for odd k.

    **Cost.** in * out * k**2 / g parameters (and ``out`` biases), each used once for every output position:
    g times fewer weights and MACs. At equal cost the layer may be wider by the square root of g.

    **Receptive field.** In space as the ordinary one's. In channels 1 / g of the input, and it stays so
    however many grouped layers follow one another: something must mix the parts, a 1 x 1 convolution or a
    channel shuffle.

    **Where it came from.** AlexNet (Krizhevsky et al. 2012, section 3.5) cut layers 2, 4 and 5 in two to fit
    two graphics cards. ResNeXt (Xie et al. 2017) made the number of parts a dimension of design: 32 paths
    that are summed are one grouped convolution between two 1 x 1 ones.

    **Good for** more channels at the same cost, if mixing follows. **Bad for** speed at large g: memory
    traffic does not fall with the MACs, so that at equal MACs more groups take longer (Ma et al. 2018,
    section 2, guideline 2).

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: k, odd.
        groups: g, a divisor of both channel counts.
        stride: 2 halves height and width.
        bias: add a number a channel.

    Raises:
        ValueError: if the kernel is even, or ``groups`` does not divide both channel counts.

    >>> import torch
    >>> layer = GroupedConv2d(4, 4, groups=2)
    >>> layer.weight.shape  # each output map has kernels for two of the four input maps
    torch.Size([4, 2, 3, 3])
    >>> x = torch.zeros(1, 4, 5, 5)
    >>> x[:, 3] = 1
    >>> layer(x)[0].abs().sum((1, 2)).bool().tolist()  # the second half alone sees map 3
    [False, False, True, True]
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        groups: int = 2,
        stride: int = 1,
        bias: bool = False,
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} has no centre to pad around: take an odd one")
        check_groups(groups, in_channels, out_channels)
        padding = kernel_size // 2
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias)

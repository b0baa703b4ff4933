"""Asymmetric convolution: a square kernel in two strokes."""

from torch import nn


class AsymmetricConv2d(nn.Sequential):
    """A 1 x n convolution, then an n x 1 one: a square kernel made of a row and a column.

    **What it computes.** For one channel, the two together are the n x n kernel that is the outer product
    of column and row: rank one, so that its rows are multiples of one another. With several channels in
    between, the pair makes sums of as many such products as there are channels; a trained n x n kernel is
    approximated, not reproduced. Normalisation or an activation may stand between the two (``between``), and
    then it is no longer one kernel.

    **Output size.** (N, in, H, W) -> (N, out, H, W), padded with (n - 1) / 2 zeros along each stroke.

    **Cost.** With ``out`` channels between the two, out * n * (in + out) parameters (and ``out`` biases)
    where the square takes in * out * n**2; for in = out the ratio is 2 / n: two thirds for n = 3, two
    sevenths for n = 7. MACs go with the parameters.

    **Receptive field.** n x n, as the square's; each stroke alone widens one axis only.

    **Where it came from.** Separable filters of image processing, such as Gauss's and Sobel's; learnt in
    networks by factorising trained kernels, and in Szegedy et al. 2016, section 3.2, built in from the start.
    ENet (Paszke et al. 2016) takes n = 5 between 1 x 1 projections.

    **Good for** large kernels on maps of middle size: the larger n, the more it saves. **Bad for** early
    layers, where Szegedy et al. found it not to work well; for n = 3 the saving is small and one layer more
    has to be started on the device; oblique edges have no rank-one kernel.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: n, odd.
        bias: add a number a channel, after the second stroke.
        between: what stands between the strokes, for instance a normalisation; None leaves it out.

    Raises:
        ValueError: if the kernel is even.

    >>> import torch
    >>> layer = AsymmetricConv2d(1, 1, kernel_size=3)
    >>> _ = layer[0].weight.data.copy_(torch.tensor([1.0, 0.0, -1.0]).view(1, 1, 1, 3))  # a difference ...
    >>> _ = layer[1].weight.data.copy_(torch.tensor([1.0, 2.0, 1.0]).view(1, 1, 3, 1))  # ... smoothed
    >>> spot = torch.zeros(1, 1, 3, 3)
    >>> spot[..., 1, 1] = 1
    >>> layer(spot)[0, 0].flip(0, 1).tolist()  # Sobel's kernel
    [[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        bias: bool = False,
        between: nn.Module | None = None,
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} has no centre to pad around: take an odd one")
        pad = kernel_size // 2
        row = nn.Conv2d(in_channels, out_channels, (1, kernel_size), padding=(0, pad), bias=False)
        column = nn.Conv2d(out_channels, out_channels, (kernel_size, 1), padding=(pad, 0), bias=bias)
        super().__init__(*([row, column] if between is None else [row, between, column]))

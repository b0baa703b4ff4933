"""Transposed convolution: upsampling that is learnt."""

from torch import nn


class TransposedConv2d(nn.ConvTranspose2d):
    """The linear map that carries gradients back through a strided convolution, used to enlarge a map.

    **What it computes.** Every input value stamps the k x k kernel, times itself, onto the output; stamps
    stand ``stride`` pixels apart, and where they overlap they add up. Written as matrices, a convolution is
    y = W x and this is x = W' y with the transpose of such a W. The same comes out of an ordinary
    convolution with the kernel turned by 180 degrees, over the input with stride - 1 zeros put between its
    pixels. It is no deconvolution: W' does not undo W, only its change of shape.

    **Output size.** (N, in, H, W) -> (N, out, stride * H, stride * W). Since a strided convolution rounds
    down, several sizes lead to the same small map: the formula stride (H - 1) + k - 2 padding leaves up to
    stride - 1 rows open, and ``output_padding`` fixes them. Called with ``output_size``, it gives any of the
    sizes that lead to H; for k = 3 at stride 2 these are 2 H - 1 and 2 H.

    **Cost.** in * out * k**2 parameters (and ``out`` biases). MACs are in * out * k**2 for every *input*
    position: stride**2 times fewer than counted at the output, for most taps would meet an inserted zero.

    **Receptive field.** An output sees ceil(k / stride) or floor(k / stride) inputs each way, by its place:
    it is not the same everywhere, so that :func:`convbook.profile.profile` gives none from here on.

    **Where it came from.** It is the backward pass of every convolution. Zeiler and Fergus 2014 project
    activations back to pixels with it and call that deconvolution, after an older model that is another;
    Long et al. 2015 learn upsampling with it for dense prediction. It is also called full, fractionally
    strided, backward strided or up-convolution.

    **Good for** decoders: it inverts a known change of shape and learns how to fill in. **Bad for** smooth
    results: where ``stride`` does not divide k, stamps overlap unevenly and a chequerboard shows; k a
    multiple of the stride, or resizing followed by a convolution, avoids it (Odena et al. 2016).

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: k.
        stride: how many times larger the output is.
        bias: add a number a channel.

    Raises:
        ValueError: if the kernel is smaller than the stride, which leaves outputs that no stamp reaches, or
            even at stride 1.

    >>> import torch
    >>> layer = TransposedConv2d(1, 1, kernel_size=3, stride=2, bias=False)
    >>> _ = nn.init.ones_(layer.weight)
    >>> layer(torch.ones(1, 1, 3, 3))[0, 0, 2].tolist()  # each odd place lies under two stamps a row
    [1.0, 2.0, 1.0, 2.0, 1.0, 1.0]
    >>> layer(torch.ones(1, 1, 3, 3), output_size=(5, 5)).shape
    torch.Size([1, 1, 5, 5])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 2, bias: bool = False
    ) -> None:
        if kernel_size < stride:
            raise ValueError(
                f"kernel_size={kernel_size} leaves gaps at stride={stride}: take at least {stride}"
            )
        if stride == 1 and kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} cannot keep the size at stride=1: take an odd one")
        padding = (kernel_size - stride + 1) // 2
        rest = stride - kernel_size + 2 * padding  # 0 or 1
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, rest, bias=bias)

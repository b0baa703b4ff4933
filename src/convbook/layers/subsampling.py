"""Layers that only LeNet-5 has (LeCun et al. 1998, section II.B)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def scaled_tanh(x: Tensor) -> Tensor:
    """LeCun's squashing, 1.7159 tanh(2x/3): it maps 1 to 1 and -1 to -1 (appendix A)."""
    return 1.7159 * torch.tanh(x * (2 / 3))


class Subsample(nn.Module):
    """Add up each 2x2 square, times a trainable coefficient a map, plus a trainable bias.

    (N, C, H, W) -> (N, C, H // 2, W // 2). Two parameters a map; squashing is left to the network.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.coefficient = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        bound = 2.4 / 4  # four inputs a unit
        nn.init.uniform_(self.coefficient, -bound, bound)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Sum, scale, shift."""
        total = 4 * F.avg_pool2d(x, 2)
        return total * self.coefficient.view(-1, 1, 1) + self.bias.view(-1, 1, 1)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{self.channels}"


class TableConv2d(nn.Module):
    """A convolution in which each output map reads only the input maps that a table gives it.

    (N, in, H, W) -> (N, len(table), H - k + 1, W - k + 1). One k x k kernel a connection and one bias an
    output map. It runs as a dense convolution whose missing kernels are zeros, which is several times
    faster than visiting the connections one by one; a FLOP counter therefore sees the zeros as well.

    Args:
        in_channels: input maps.
        table: for each output map, the input maps that it reads.
        kernel_size: k.

    Raises:
        ValueError: if the table names an input map that does not exist.
    """

    source: Tensor
    target: Tensor

    def __init__(self, in_channels: int, table: Sequence[Sequence[int]], kernel_size: int) -> None:
        super().__init__()
        wires = [(read, out) for out, reads in enumerate(table) for read in reads]
        if any(not 0 <= read < in_channels for read, _ in wires):
            raise ValueError(f"table names an input map outside 0..{in_channels - 1}: correct its entries")
        self.in_channels = in_channels
        self.out_channels = len(table)
        self.kernel_size = kernel_size
        self.register_buffer("source", torch.tensor([read for read, _ in wires]))
        self.register_buffer("target", torch.tensor([out for _, out in wires]))
        fan_in = torch.tensor([len(table[out]) * kernel_size**2 for _, out in wires]).view(-1, 1, 1)
        kernels = torch.empty(len(wires), kernel_size, kernel_size).uniform_(-2.4, 2.4)
        self.weight = nn.Parameter(kernels / fan_in)
        self.bias = nn.Parameter(torch.zeros(self.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Lay the kernels into a dense one, then convolve."""
        k = self.kernel_size
        dense = self.weight.new_zeros(self.out_channels, self.in_channels, k, k)
        return F.conv2d(x, dense.index_put((self.target, self.source), self.weight), self.bias)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{self.in_channels}, {self.out_channels}, {self.kernel_size}, connections={len(self.weight)}"

"""Halving the grid while widening it (Szegedy et al. 2016, section 5)."""

import torch
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm


class Reduction(nn.Module):
    """Strided convolutions beside strided pooling, concatenated: the efficient grid-size reduction.

    (N, C, H, W) -> (N, C + channels of the convolutions, H', W') with about half the side.

    To go from d x d x k to d/2 x d/2 x 2k, one can pool and then widen by a convolution, or widen and then
    pool. Per tap of the kernel the first costs 2 (d/2)^2 k^2 multiply-accumulates, but squeezes everything
    through d/2 x d/2 x k on its way: a representational bottleneck. The second keeps all there is, but its
    convolution runs on the large grid: 2 d^2 k^2, four times as much. Here a convolution at stride 2 gives
    k of the new channels and pooling the other k. That takes (d/2)^2 k^2, half of the cheaper one, and
    neither half is computed from less than the whole input. :func:`pool_then_widen` and
    :func:`widen_then_pool` build the other two for comparison.

    Args:
        convolutions: branches that end at stride 2.
        pool: the pooling beside them; by default the 3x3 maximum without padding.
    """

    def __init__(self, *convolutions: nn.Module, pool: nn.Module | None = None) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)
        self.pool = nn.MaxPool2d(3, 2) if pool is None else pool

    def forward(self, x: Tensor) -> Tensor:
        """Convolved maps first, pooled ones last."""
        return torch.cat([*(branch(x) for branch in self.convolutions), self.pool(x)], dim=1)


def parallel_reduction(channels: int, kernel_size: int = 3) -> Reduction:
    """(N, k, d, d) -> (N, 2k, d/2, d/2): figure 10 in its plainest form, one convolution beside pooling."""
    return Reduction(ConvNorm(channels, channels, kernel_size, 2), pool=nn.MaxPool2d(3, 2, padding=1))


def pool_then_widen(channels: int, kernel_size: int = 3) -> nn.Sequential:
    """(N, k, d, d) -> (N, 2k, d/2, d/2): cheap, through a bottleneck (figure 9, left)."""
    return nn.Sequential(nn.MaxPool2d(3, 2, padding=1), ConvNorm(channels, 2 * channels, kernel_size))


def widen_then_pool(channels: int, kernel_size: int = 3) -> nn.Sequential:
    """(N, k, d, d) -> (N, 2k, d/2, d/2): no bottleneck, four times the cost (figure 9, right)."""
    return nn.Sequential(ConvNorm(channels, 2 * channels, kernel_size), nn.MaxPool2d(3, 2, padding=1))

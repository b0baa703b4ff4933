"""FractalNet: depth from a rule of expansion, without shortcuts (Larsson et al. 2017)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm
from convbook.layers.drop import check_rate
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import CIFAR, register


class Joins:
    """Which of its inputs each join averages, drawn anew for every mini-batch (section 3).

    Inputs are ordered from the deepest column on. In evaluation all have the same weight. In training one
    coin picks the regime: *local*, where each join drops each input with probability ``drop_path`` but keeps
    at least one, or *global*, where one column is all that runs through the whole network. ``column`` asks
    for one column for certain.
    """

    def __init__(
        self, columns: int, drop_path: float, global_share: float, like: Tensor, column: int | None = None
    ) -> None:
        self.drop_path, self.like = drop_path, like
        self.all_global = (
            like.new_ones(()) if column is not None else like.new_empty(()).bernoulli_(global_share)
        )
        drawn = like.new_empty(()).uniform_(0, columns).floor()
        self.column = drawn if column is None else like.new_full((), columns - 1 - column)

    def local(self, inputs: int) -> Tensor:
        """Weights (inputs,) that sum to 1, some of them 0."""
        kept = self.like.new_empty(inputs).bernoulli_(1 - self.drop_path)
        chances = self.like.new_empty(inputs).uniform_()
        survivor = (chances == chances.max()).to(kept)  # takes the place of all if none was kept
        kept = torch.where(kept.sum() > 0, kept, survivor)
        return kept / kept.sum()

    def weights(self, inputs: int) -> Tensor:
        """Weights (inputs,) by the regime; a join that the column never meets stays local."""
        local = self.local(inputs)
        one = (torch.arange(inputs, device=self.like.device) == self.column).to(local)
        return torch.where(self.all_global * one.sum() > 0, one, local)


def join(paths: list[Tensor], joins: Joins | None) -> Tensor:
    """The mean of the paths, or of those that drop-path leaves."""
    if joins is None:
        return sum(paths[1:], paths[0]) / len(paths)
    weighted = [w * path for w, path in zip(joins.weights(len(paths)), paths, strict=True)]
    return sum(weighted[1:], weighted[0])


class Fractal(nn.Module):
    """f_C: beside one convolution, f_{C-1} twice in a row (equations 1 and 2).

    (N, in, H, W) -> a list of ``columns`` tensors (N, out, H, W), the deepest first, not yet joined: a join
    averages all columns that end there at once.
    """

    def __init__(self, in_channels: int, out_channels: int, columns: int, dropout: float) -> None:
        super().__init__()
        self.conv = ConvNorm(in_channels, out_channels, 3)
        self.drop = nn.Dropout(dropout)
        self.twice = nn.ModuleList()
        if columns > 1:
            self.twice.append(Fractal(in_channels, out_channels, columns - 1, dropout))
            self.twice.append(Fractal(out_channels, out_channels, columns - 1, dropout))

    def forward(self, x: Tensor, joins: Joins | None) -> list[Tensor]:
        """Every column's output."""
        deeper = [x]
        for half in self.twice:
            deeper = half(join(deeper, joins), joins)
        return [*(deeper if self.twice else []), self.drop(self.conv(x))]


class FractalNet(nn.Module):
    """Fractal blocks with maximum pooling behind each, then one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes). The deepest path crosses
    ``len(widths) * 2**(columns - 1)`` convolutions: 20 with the paper's five blocks of three columns.

    Huang et al. 2017 print 38.6 million parameters for it; blocks of the stated widths make 33.7 million. The
    same rule gives all six counts of the paper's table 3, so that what the rest should be is open. The paper
    gives a rate of dropout for each block, not its place: here it is behind each convolution's ReLU.

    Args:
        widths: channels of each block.
        columns: the paper's C.
        drop_path: probability that a join drops an input in local drop-path.
        global_share: share of mini-batches that train a single column, global drop-path.
        dropout: rate in the last block; the others' grow to it linearly from 0.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        columns: int = 3,
        drop_path: float = 0.15,
        global_share: float = 0.5,
        dropout: float = 0.4,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if columns < 1:
            raise ValueError(f"columns={columns} leaves no convolution: take at least 1")
        if not 0 <= global_share <= 1:
            raise ValueError(f"global_share={global_share} is no share: take one from 0 to 1")
        check_rate("drop_path", drop_path)
        check_rate("dropout", dropout)
        self.in_channels, self.least = in_channels, 2 ** len(widths)
        self.columns, self.drop_path, self.global_share = columns, drop_path, global_share
        channels = in_channels
        self.blocks = nn.ModuleList()
        for i, width in enumerate(widths):
            rate = dropout * i / max(1, len(widths) - 1)
            self.blocks.append(Fractal(channels, width, columns, rate))
            channels = width
        self.pool = nn.MaxPool2d(2)
        self.classifier = nn.Linear(channels, num_classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them, or take fewer widths")
        chance = self.training and (self.drop_path > 0 or self.global_share > 0)
        return self._classify(x, self._joins(x) if chance else None)

    def column(self, x: Tensor, index: int) -> Tensor:
        """Logits of one column alone, 0 the shallowest and ``columns - 1`` the deepest (section 4.4).

        Raises:
            ValueError: if there is no such column.
        """
        if not 0 <= index < self.columns:
            raise ValueError(f"index={index} is no column: take one from 0 to {self.columns - 1}")
        require_image(x, self.in_channels, self.least)
        return self._classify(x, self._joins(x, index))

    def _joins(self, x: Tensor, column: int | None = None) -> Joins:
        return Joins(self.columns, self.drop_path, self.global_share, x, column)

    def _classify(self, x: Tensor, joins: Joins | None) -> Tensor:
        for block in self.blocks:
            x = self.pool(join(block(x, joins), joins))  # 32: 16, 8, 4, 2, 1
        return self.classifier(x.mean(dim=(2, 3)))


VARIANTS: dict[str, dict[str, Any]] = {"fractalnet20_cifar": {}}

register(FractalNet, VARIANTS, family="fractalnet", paper="larsson2017fractalnet", year=2017, **CIFAR)

"""Learned group convolution: a 1x1 convolution that finds its groups while it trains (Huang et al. 2018)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convbook.layers.convolution import check_groups


class LearnedGroupConv(nn.Conv2d):
    """A dense 1x1 convolution whose groups of filters give up inputs bit by bit (section 3.1 and figure 3).

    (N, in, H, W) -> (N, out, H, W). The outputs form ``filter_groups`` equal runs. A group reads an input
    with all its filters or with none; all groups read equally many, so that in the end a standard group
    convolution behind an index layer computes the same (:meth:`to_indexed`).

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        filter_groups: the paper's G.
        condense_factor: the paper's C: in the end a group reads one input in C.

    Raises:
        ValueError: if G does not divide the outputs or C does not divide the inputs.
    """

    mask: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, filter_groups: int = 4, condense_factor: int = 4
    ) -> None:
        check_groups(filter_groups, out_channels)
        check_condense_factor(condense_factor, in_channels)
        super().__init__(in_channels, out_channels, 1, bias=False)
        self.filter_groups, self.condense_factor = filter_groups, condense_factor
        self.register_buffer("mask", torch.ones(filter_groups, 1, in_channels))  # 1 where a group reads

    def by_group(self) -> Tensor:
        """The weights in use, (groups, filters of a group, in)."""
        return self.weight.view(self.filter_groups, -1, self.in_channels) * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with what is not pruned."""
        return F.conv2d(x, self.by_group().view_as(self.weight))

    @torch.no_grad()
    def prune(self, stage: int) -> None:
        """Leave each group without its ``stage / condense_factor`` least important inputs, for good.

        An input matters to a group as much as the mean magnitude of the weights between them.
        """
        importance = self.by_group().abs().mean(dim=1).masked_fill(self.mask[:, 0] == 0, -1.0)
        count = stage * self.in_channels // self.condense_factor
        self.mask[:, 0].scatter_(1, importance.argsort(dim=1)[:, :count], 0.0)

    def group_lasso(self) -> Tensor:
        """Sum of the norms of each group's weights on each input: it drives whole rows to zero (3.1)."""
        return torch.linalg.vector_norm(self.by_group(), dim=1).sum()

    @torch.no_grad()
    def to_indexed(self) -> "IndexedGroupConv":
        """The same function as an index layer and a standard group convolution; shares no memory."""
        read = [row.nonzero().flatten() for row in self.mask[:, 0]]
        other = IndexedGroupConv(self.in_channels, self.out_channels, self.filter_groups, len(read[0]))
        shares = [group[:, inputs] for group, inputs in zip(self.by_group(), read, strict=True)]
        state = {"index": torch.cat(read), "conv.weight": torch.cat(shares)[:, :, None, None]}
        other.to(self.weight).load_state_dict(state)
        return other.train(self.training)


class IndexedGroupConv(nn.Module):
    """An index layer that hands each group its inputs, then a standard 1x1 group convolution.

    (N, in, H, W) -> (N, out, H, W). An input may serve several groups, or none. Groups read their inputs in
    turn until :meth:`LearnedGroupConv.to_indexed` says which.
    """

    index: Tensor

    def __init__(self, in_channels: int, out_channels: int, groups: int, inputs_per_group: int) -> None:
        super().__init__()
        wide = groups * inputs_per_group
        self.register_buffer("index", torch.arange(wide) % in_channels)
        self.conv = nn.Conv2d(wide, out_channels, 1, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Look up, then convolve."""
        return self.conv(x.index_select(1, self.index))


def check_condense_factor(condense_factor: int, in_channels: int) -> None:
    """Refuse a factor that leaves no whole number of inputs.

    Raises:
        ValueError: naming the argument and the channels.
    """
    if condense_factor < 1 or in_channels % condense_factor:
        raise ValueError(
            f"condense_factor={condense_factor} does not divide {in_channels} channels: take a divisor"
        )

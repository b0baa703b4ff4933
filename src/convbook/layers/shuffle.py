"""Channels rearranged between grouped layers: shuffle (Zhang et al. 2018) and split (Ma et al. 2018)."""

from torch import Tensor, nn


class ChannelShuffle(nn.Module):
    """Deal the channels of each group out to all groups (Zhang et al. 2018, section 3.1).

    (N, C, H, W) -> (N, C, H, W), without parameters. Channel ``i`` of group ``j`` becomes channel ``j`` of
    neighbourhood ``i``, so that a grouped layer behind it reads from every group before it.

    Raises:
        ValueError: on images whose channels do not divide into the groups.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        if groups < 1:
            raise ValueError(f"groups={groups} shuffles nothing: take 1 or more")
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Write channels as a table of groups, and read it column by column."""
        if x.shape[1] % self.groups:
            raise ValueError(f"groups={self.groups} does not divide {x.shape[1]} channels: take a divisor")
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"groups={self.groups}"


class ChannelSplit(nn.Module):
    """Cut the channels in two (Ma et al. 2018, section 3.2).

    (N, C, H, W) -> (N, left, H, W) and (N, C - left, H, W), both without a copy.

    Raises:
        ValueError: on images with no channel left for the right side.
    """

    def __init__(self, left: int) -> None:
        super().__init__()
        if left < 1:
            raise ValueError(f"left={left} leaves that side empty: take 1 or more")
        self.left = left

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first ``left`` channels, and the others."""
        if x.shape[1] <= self.left:
            raise ValueError(f"left={self.left} leaves nothing of {x.shape[1]} channels: take fewer")
        return x[:, : self.left], x[:, self.left :]

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"left={self.left}"

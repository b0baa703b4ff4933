"""Gates that tell a network what and where to attend.

Every layer here keeps its gate in a submodule, so that a forward hook can read the weights
it gave: (N, C, 1, 1) for a gate a channel, (N, 1, H, W) for a gate a position.
"""

import torch
from torch import Tensor, nn


def hidden_width(channels: int, reduction: int) -> int:
    """Width of a gate's bottleneck.

    Raises:
        ValueError: if the reduction leaves nothing.
    """
    hidden = channels // reduction
    if hidden < 1:
        raise ValueError(
            f"reduction={reduction} leaves no unit of {channels} channels: take reduction <= {channels}"
        )
    return hidden


def _bottleneck(channels: int, reduction: int) -> nn.Sequential:
    """Two fully connected layers on (N, C, 1, 1), written as 1x1 convolutions."""
    hidden = hidden_width(channels, reduction)
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, channels, 1)
    )


class SqueezeExcite(nn.Module):
    """Reweight channels by a gate computed from their global averages (Hu et al. 2018, section 3).

    (N, C, H, W) -> (N, C, H, W). Adds ``2 * C**2 / reduction`` weights and its two biases.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),  # squeeze:  (N, C, 1, 1)
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),  # excite: a weight in (0, 1) a channel
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel by its gate."""
        return x * self.gate(x)


class ChannelGate(nn.Module):
    """CBAM's 'what': a gate from each channel's average and maximum (Woo et al. 2018, section 3).

    (N, C, H, W) -> a gate (N, C, 1, 1). The two descriptions share the bottleneck, whose layers carry
    biases as in the authors' code; the paper's equation 2 writes none.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.mlp = _bottleneck(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        """The gate, in (0, 1)."""
        average = x.mean(dim=(2, 3), keepdim=True)
        maximum = x.amax(dim=(2, 3), keepdim=True)
        return torch.sigmoid(self.mlp(average) + self.mlp(maximum))


class SpatialGate(nn.Module):
    """CBAM's 'where': a gate from each position's average and maximum (Woo et al. 2018, section 3).

    (N, C, H, W) -> a gate (N, 1, H, W). The convolution has no bias and is batch-normalised as in the
    authors' code; the paper's equation 3 does not show the normalisation.
    """

    def __init__(self, kernel_size: int = 7) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} has no centre: take an odd one")
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.bn = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """The gate, in (0, 1)."""
        described = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.bn(self.conv(described)))


class CBAM(nn.Module):
    """First what, then where: a channel gate followed by a spatial gate (Woo et al. 2018, equation 1).

    (N, C, H, W) -> (N, C, H, W).
    """

    def __init__(self, channels: int, reduction: int = 16, kernel_size: int = 7) -> None:
        super().__init__()
        self.channel_gate = ChannelGate(channels, reduction)
        self.spatial_gate = SpatialGate(kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """Scale channels, then positions of the result."""
        x = x * self.channel_gate(x)
        return x * self.spatial_gate(x)


class SpatialSqueezeExcite(nn.Module):
    """sSE: squeeze the channels, excite the positions (Roy et al. 2018, section 3.2).

    (N, C, H, W) -> (N, C, H, W). Adds C weights and a bias.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.Sigmoid())  # (N, 1, H, W)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each position by its gate."""
        return x * self.gate(x)


class ConcurrentSqueezeExcite(nn.Module):
    """scSE: channel and spatial squeeze-and-excitation side by side (Roy et al. 2018, section 3.3).

    (N, C, H, W) -> (N, C, H, W). ``merge="max"`` keeps the larger of the two results at every element,
    which the journal version found best (Roy et al. 2019); ``"add"`` sums them, as the first version did.
    """

    def __init__(self, channels: int, reduction: int = 2, merge: str = "max") -> None:
        super().__init__()
        if merge not in ("max", "add"):
            raise ValueError(f'merge={merge!r} is unknown: take "max" or "add"')
        self.merge = merge
        self.channel = SqueezeExcite(channels, reduction)
        self.spatial = SpatialSqueezeExcite(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Recalibrate twice, then merge."""
        by_channel, by_position = self.channel(x), self.spatial(x)
        if self.merge == "max":
            return torch.maximum(by_channel, by_position)
        return by_channel + by_position


class CompetitiveSqueezeExcite(nn.Module):
    """CMPE-SE, double-FC form: residual and identity compete for the gate (Hu Y. et al. 2018).

    Two (N, C, H, W), residual and identity -> the reweighted residual, which the caller adds to the
    identity. Each branch has its own squeezing layer; the exciting one reads both.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = hidden_width(channels, reduction)
        self.squeeze_residual = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, hidden, 1))
        self.squeeze_identity = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, hidden, 1))
        self.gate = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(2 * hidden, channels, 1), nn.Sigmoid())

    def forward(self, residual: Tensor, identity: Tensor) -> Tensor:
        """Scale the residual's channels by a gate over which both branches compete."""
        squeezed = torch.cat([self.squeeze_residual(residual), self.squeeze_identity(identity)], dim=1)
        return residual * self.gate(squeezed)

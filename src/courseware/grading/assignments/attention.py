"""Lab 5: squeeze-and-excitation, CBAM, and a fair comparison."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.grading.assignment import Draw, Exercise
from courseware.grading.trials import Build, Call, Trial

FINISHED = ("convbook", "torchvision")  # packages that have these modules ready-made
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # 97.5 % points for 1, 2, ... degrees


class Excitation(nn.Module):
    """Two layers with a ReLU between them: (N, C) -> (N, C)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(channels, channels // reduction)
        self.wide = nn.Linear(channels // reduction, channels)

    def forward(self, z: Tensor) -> Tensor:
        """What the sigmoid is taken of."""
        return self.wide(F.relu(self.narrow(z)))


class Squeezed(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2018, section 3)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.excitation = Excitation(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return x * torch.sigmoid(self.excitation(x.mean(dim=(2, 3))))[:, :, None, None]


class ByChannel(nn.Module):
    """The first half of CBAM (Woo et al. 2018, equation 2, with biases)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.excitation = Excitation(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        described = self.excitation(x.mean(dim=(2, 3))) + self.excitation(x.amax(dim=(2, 3)))
        return x * torch.sigmoid(described)[:, :, None, None]


class ByPlace(nn.Module):
    """The second half of CBAM (Woo et al. 2018, equation 3)."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        described = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.conv(described))


class Gated(nn.Module):
    """A residual block whose branch alone passes a gate."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            Squeezed(channels, reduction),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return F.relu(x + self.branch(x))


def sizes(draw: Draw) -> tuple[int, int]:
    """Channels, and a reduction that divides them and leaves two hidden units or more."""
    reduction = draw.choice([2, 3, 4])
    return reduction * draw.integer(2, 4), reduction


def squeeze_excite(draw: Draw) -> list[Trial]:
    """Gates by hand, on drawn maps and matrices."""
    trials: list[Trial] = []
    for _ in range(3):
        channels, reduction = sizes(draw)
        hidden = channels // reduction
        x = draw.tensor(draw.integer(1, 3), channels, draw.integer(3, 6), draw.integer(7, 9))
        w1, b1 = draw.tensor(hidden, channels), draw.tensor(hidden)
        w2, b2 = draw.tensor(channels, hidden), draw.tensor(channels)
        inner = F.relu(F.linear(x.mean(dim=(2, 3)), w1, b1))
        expected = x * torch.sigmoid(F.linear(inner, w2, b2))[:, :, None, None]
        hint = "Mean of each channel, first matrix and bias, ReLU, second matrix and bias, sigmoid, product"
        trials.append(Call(x, w1, b1, w2, b2, expected=expected, hint=hint))
    return trials


def se_parameters(draw: Draw) -> list[Trial]:
    """Counts for drawn sizes, from layers that are built."""
    hint = "Two layers, there and back: a weight for each pair of input and output, a bias for each output"
    trials: list[Trial] = []
    for reduction in (1, draw.choice([2, 4]), draw.choice([8, 16])):
        channels = reduction * draw.integer(3, 20)
        expected = sum(each.numel() for each in Excitation(channels, reduction).parameters())
        trials.append(Call(channels, reduction, expected=expected, hint=hint))
    return trials


def squeeze_excite_module(draw: Draw) -> list[Trial]:
    """The module, on maps that are not square."""
    channels, reduction = sizes(draw)
    hint = "Mean of each channel, narrow layer, ReLU, wide layer, sigmoid; the maps times their gates"
    inputs = [draw.tensor(2, channels, 5, 6), draw.tensor(1, channels, 3, 3)]
    return [Build(channels, reduction, reference=Squeezed(channels, reduction), inputs=inputs, hint=hint)]


def channel_gate(draw: Draw) -> list[Trial]:
    """CBAM's channel gate."""
    channels, reduction = sizes(draw)
    hint = "The same two layers read means and maxima; their results are added, then one sigmoid"
    inputs = [draw.tensor(2, channels, 5, 6), draw.tensor(1, channels, 3, 3)]
    return [Build(channels, reduction, reference=ByChannel(channels, reduction), inputs=inputs, hint=hint)]


def spatial_gate(draw: Draw) -> list[Trial]:
    """CBAM's spatial gate at two kernel sizes."""
    hint = "Mean and maximum over the channels, in this order; one convolution without bias; a sigmoid"
    return [
        Build(size, reference=ByPlace(size), inputs=[draw.tensor(2, draw.integer(3, 6), 9, 8)], hint=hint)
        for size in (7, draw.choice([3, 5]))
    ]


def gated_block(draw: Draw) -> list[Trial]:
    """The block, in evaluation and in training mode."""
    channels, reduction = sizes(draw)
    hint = "Conv, norm, ReLU, conv, norm, gate; then the sum with the input; then the last ReLU"
    inputs = [draw.tensor(2, channels, 6, 7)]
    return [
        Build(
            channels, reduction, reference=Gated(channels, reduction), inputs=inputs, train=train, hint=hint
        )
        for train in (False, True)
    ]


def paired_interval(draw: Draw) -> list[Trial]:
    """Intervals over drawn results in per cent, for few pairs and for more."""
    hint = "The mean of the differences a - b; t at n - 1 degrees times their standard deviation / root of n"
    trials: list[Trial] = []
    for n in (2, draw.integer(3, 5), draw.integer(6, 10)):
        b = 80 + draw.tensor(n, scale=3.0).double()
        a = b + 1 + draw.tensor(n).double()
        gaps = a - b
        half = T[n - 2] * gaps.std(correction=1).item() / math.sqrt(n)
        expected = (gaps.mean().item(), half)
        trials.append(Call(a.tolist(), b.tolist(), expected=expected, hint=hint, tolerance=1e-3))
    return trials


EXERCISES = (
    Exercise("squeeze_excite", 15, squeeze_excite, without=FINISHED),
    Exercise("se_parameters", 10, se_parameters),
    Exercise("SqueezeExcite", 15, squeeze_excite_module, without=FINISHED),
    Exercise("ChannelGate", 15, channel_gate, without=FINISHED),
    Exercise("SpatialGate", 15, spatial_gate, without=FINISHED),
    Exercise("GatedBlock", 15, gated_block, without=FINISHED),
    Exercise("paired_interval", 15, paired_interval, without=FINISHED),
)

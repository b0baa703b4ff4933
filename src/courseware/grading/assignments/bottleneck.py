"""Lab 3: residuals, bottlenecks and cardinality."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.grading.assignment import Draw, Exercise
from courseware.grading.trials import Build, Call, Trial


def conv_weights(draw: Draw) -> list[Trial]:
    """Weights of grouped convolutions of drawn sizes."""
    trials: list[Trial] = []
    for groups in (1, draw.choice([2, 4]), draw.choice([8, 16])):
        channels_in, channels_out = groups * draw.integer(2, 9), groups * draw.integer(2, 9)
        kernel_size = draw.choice([1, 3, 5, 7])
        expected = torch.empty(channels_out, channels_in // groups, kernel_size, kernel_size).numel()
        hint = "Each filter sees the input channels of its own group, and has one weight a kernel position"
        trials.append(Call(channels_in, channels_out, kernel_size, groups, expected=expected, hint=hint))
    return trials


def grouped_conv(draw: Draw) -> list[Trial]:
    """Grouped convolutions of drawn images."""
    trials: list[Trial] = []
    for groups in (1, draw.choice([2, 3]), 4):
        x = draw.tensor(2, groups * draw.integer(1, 3), 7, 9)
        weight = draw.tensor(groups * draw.integer(1, 3), x.shape[1] // groups, 3, 3)
        expected = F.conv2d(x, weight, padding=1, groups=groups)
        trials.append(Call(x, weight, groups, expected=expected, hint="Which filters see which channels?"))
    return trials


class Residual(nn.Module):
    """A branch beside a shortcut, a ReLU after their sum."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return F.relu(self.branch(x) + self.shortcut(x))


def conv_norm(
    channels_in: int, channels_out: int, kernel_size: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution that keeps the size at stride 1, and its norm."""
    padding = kernel_size // 2
    conv = nn.Conv2d(channels_in, channels_out, kernel_size, stride, padding, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(channels_out)]


def shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Nothing where shapes agree, else a projection."""
    if channels_in == channels_out and stride == 1:
        return nn.Identity()
    return nn.Sequential(*conv_norm(channels_in, channels_out, 1, stride))


def residual_block(draw: Draw) -> list[Trial]:
    """A plain residual block, in evaluation and in training mode."""
    channels = draw.integer(5, 12)
    branch = nn.Sequential(*conv_norm(channels, channels, 3), nn.ReLU(), *conv_norm(channels, channels, 3))
    inputs = [draw.tensor(2, channels, 6, 6)]
    hint = "Conv, norm, ReLU, conv, norm; then the sum with the input; then the last ReLU"
    return [
        Build(channels, reference=Residual(branch), inputs=inputs, train=train, hint=hint)
        for train in (False, True)
    ]


def make_shortcut(draw: Draw) -> list[Trial]:
    """The identity, and projections that widen, stride, or both."""
    channels, wider = draw.integer(4, 8), draw.integer(9, 16)
    hint = (
        "An identity where shapes agree; else a strided 1x1 convolution without bias, and its norm; no ReLU"
    )
    return [
        Build(
            channels, out, stride, reference=shortcut(channels, out, stride),
            inputs=[draw.tensor(2, channels, 6, 6)], hint=hint,
        )
        for out, stride in ((channels, 1), (wider, 1), (wider, 2), (channels, 2))
    ]  # fmt: skip


def bottlenecks(draw: Draw, cardinality: int | None) -> list[Trial]:
    """Blocks that keep and that change the shape."""
    groups = cardinality or 1
    hint = "1x1 down, norm, ReLU; 3x3 with the stride" + (" and the groups" if cardinality else "")
    hint += ", norm, ReLU; 1x1 up, norm; the sum with the shortcut; the last ReLU"
    trials: list[Trial] = []
    for stride in (1, 2):
        channels, width = draw.integer(8, 16), groups * draw.integer(2, 5)
        out = channels if stride == 1 else channels + draw.integer(1, 9)
        branch = nn.Sequential(
            *conv_norm(channels, width, 1), nn.ReLU(),
            *conv_norm(width, width, 3, stride, groups), nn.ReLU(),
            *conv_norm(width, out, 1),
        )  # fmt: skip
        args = (channels, width, out, stride) + ((cardinality,) if cardinality else ())
        reference = Residual(branch, shortcut(channels, out, stride))
        trials.append(Build(*args, reference=reference, inputs=[draw.tensor(2, channels, 8, 8)], hint=hint))
    return trials


def bottleneck(draw: Draw) -> list[Trial]:
    """Without groups."""
    return bottlenecks(draw, None)


def aggregated_bottleneck(draw: Draw) -> list[Trial]:
    """With a drawn number of groups."""
    return bottlenecks(draw, draw.choice([2, 3, 4]))


def matched_width(draw: Draw) -> list[Trial]:
    """The column d of Table 2 of Xie et al. (2017)."""
    hint = "Count all three convolutions of the block; the nearest count, above or below, decides"
    return [Call(c, expected=d, hint=hint) for c, d in ((1, 64), (2, 40), (4, 24), (8, 14), (32, 4))]


EXERCISES = (
    Exercise("conv_weights", 10, conv_weights),
    Exercise("grouped_conv", 15, grouped_conv, without=("groups=", "Conv2d")),
    Exercise("ResidualBlock", 15, residual_block),
    Exercise("make_shortcut", 15, make_shortcut),
    Exercise("Bottleneck", 15, bottleneck),
    Exercise("AggregatedBottleneck", 15, aggregated_bottleneck),
    Exercise("matched_width", 15, matched_width),
)

"""Lab 7: fair pairs of networks, and a verdict from their runs."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from courseware.grading.assignment import Draw, Exercise
from courseware.grading.trials import Build, Call, Trial

# 97.5 % points of Student's t for 1, 2, ... 29 degrees of freedom
T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045,
)  # fmt: skip


def half_width(n: int, spread: float) -> float:
    """Of the 95 % interval of the mean of n values."""
    return T[n - 2] * spread / n**0.5


def verdict(draw: Draw) -> list[Trial]:
    """Differences with known intervals, on top of what the pairs share."""
    hint = "The interval of the differences, pair by pair: does it hold zero, and on which side does it lie?"
    sign = draw.choice([-1, 1])
    cases = [  # pairs, mean of the differences in half widths, what follows
        (draw.integer(3, 8), 1.5, "first"),
        (draw.integer(3, 8), -1.5, "second"),
        (3, sign * 0.7, "undecided"),
        (draw.integer(6, 9), -sign * 0.5, "undecided"),
        (2, sign * 3.0, "undecided"),
    ]
    trials: list[Trial] = []
    for n, share, expected in cases:
        noise = draw.tensor(n).double()
        spread = draw.integer(5, 20) / 10
        gaps = (noise - noise.mean()) / noise.std() * spread + share * half_width(n, spread)
        second = 60 + 4 * torch.arange(n).double() + draw.tensor(n).double()
        trials.append(Call((second + gaps).tolist(), second.tolist(), expected=expected, hint=hint))
    return trials


def needed_seeds(draw: Draw) -> list[Trial]:
    """Effects between the half widths of two numbers of pairs, near to either, and one beyond all."""
    hint = "The smallest n, from 3 to 30, with t at n - 1 degrees times spread / root of n at most the effect"
    trials: list[Trial] = []
    for n, share in ((3, 0.5), (draw.integer(4, 6), 0.8), (draw.integer(7, 11), 0.2), (30, -9)):
        spread = draw.integer(2, 40) / 10
        narrow, wide = half_width(n, spread), half_width(n - 1, spread)
        effect = narrow + share * (wide - narrow)
        trials.append(Call(spread, effect, expected=n, hint=hint))
    return trials


def halving(draw: Draw) -> list[Trial]:
    """Both ways to halve, on even and on odd sides."""
    hint = "Conv, norm, ReLU; the pool behind them, or the stride in the convolution; a side of 7 becomes 4"
    trials: list[Trial] = []
    for how, stride in (("max", 1), ("stride", 2)):
        channels, out = draw.integer(3, 6), draw.integer(7, 10)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        ]
        if how == "max":
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        inputs = [draw.tensor(2, channels, 8, 8), draw.tensor(2, channels, 7, 9)]
        trials.append(Build(channels, out, how, reference=nn.Sequential(*layers), inputs=inputs, hint=hint))
    return trials


class Row(nn.Module):
    """Convolutions in a row, pools at given places, the mean of each map, one linear layer."""

    def __init__(self, widths: list[int], halve_after: list[int], in_channels: int) -> None:
        super().__init__()
        ends = [in_channels, *widths]
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(ends[i], width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
            for i, width in enumerate(widths)
        )
        self.halve_after, self.head = halve_after, nn.Linear(ends[-1], 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, 10)."""
        for number, step in enumerate(self.steps, start=1):
            x = F.relu(step(x))
            x = F.max_pool2d(x, 2) if number in self.halve_after else x
        return self.head(x.mean(dim=(2, 3)))


def rows(draw: Draw) -> list[tuple[list[int], list[int], int]]:
    """Widths of which no two agree, places to halve, channels of the images."""
    found = []
    for halve_after in ([], [draw.integer(1, 3)], [1, draw.integer(3, 4)]):
        low = draw.integer(3, 6)
        widths = [low, low + draw.integer(1, 3), low + draw.integer(4, 6), low + draw.integer(7, 9)]
        found.append((widths, halve_after, draw.choice([1, 3])))
    return found


def row_net(draw: Draw) -> list[Trial]:
    """Rows with pools nowhere, at one place and at two; in training mode once."""
    hint = "Conv, norm, ReLU, a pool behind the layers named, counted from 1; the mean of each map; linear"
    return [
        Build(
            *case,
            reference=Row(*case),
            inputs=[draw.tensor(2, case[2], 13, 12)],
            train=not case[1],
            hint=hint,
        )
        for case in rows(draw)
    ]


def row_macs(draw: Draw) -> list[Trial]:
    """Work of drawn rows, from weights and positions."""
    hint = "Each weight of a convolution once a position of what it puts out, before the pool; then the head"
    trials: list[Trial] = []
    for widths, halve_after, channels in rows(draw):
        size = side = draw.integer(9, 33)
        expected, before = 10 * widths[-1], channels
        for number, width in enumerate(widths, start=1):
            expected += nn.Conv2d(before, width, 3, bias=False).weight.numel() * side * side
            side = side // 2 if number in halve_after else side
            before = width
        trials.append(Call(widths, halve_after, size, channels, expected=expected, hint=hint))
    return trials


def matched_width(draw: Draw) -> list[Trial]:
    """Budgets a little below and a little above what one width takes."""
    hint = "Count convolutions, norms and the linear layer with its bias; the nearest count, above or below"
    trials: list[Trial] = []
    depths = (1, draw.integer(2, 4), draw.integer(5, 9), draw.integer(10, 16))
    for depth, side in zip(depths, (-1, 1, -1, 1), strict=True):
        channels, width = draw.choice([1, 3]), draw.integer(9, 40)
        exact, next_to_it = (row_parameters(depth, each, channels) for each in (width, width + side))
        budget = exact + (next_to_it - exact) * draw.integer(10, 40) // 100
        trials.append(Call(depth, budget, channels, expected=width, hint=hint))
    return trials


def row_parameters(depth: int, width: int, channels: int) -> int:
    """Trained numbers of a row of equal widths."""
    row = Row([width] * depth, [], channels)
    return sum(each.numel() for each in row.parameters())


def variance_ratio(draw: Draw) -> list[Trial]:
    """Means at zero and away from it."""
    hint = "The mean square of what is kept grows by 1 / (1 - p); the mean, and so its square, stays"
    trials: list[Trial] = []
    for mean in (0.0, draw.integer(5, 30) / 10, -draw.integer(5, 30) / 10):
        std, p = draw.integer(5, 20) / 10, draw.integer(1, 6) / 10
        # Var[xm] = Var[x] Var[m] + Var[x] E[m]² + E[x]² Var[m], with the mask m at 0 or 1 / (1 - p)
        mask = p / (1 - p)
        expected = (std**2 * mask + std**2 + mean**2 * mask) / std**2
        trials.append(Call(mean, std, p, expected=expected, hint=hint))
    return trials


EXERCISES = (
    Exercise("verdict", 15, verdict),
    Exercise("needed_seeds", 15, needed_seeds),
    Exercise("halving", 15, halving),
    Exercise("RowNet", 15, row_net),
    Exercise("row_macs", 15, row_macs, without=("convbook",)),
    Exercise("matched_width", 15, matched_width, without=("convbook",)),
    Exercise("variance_ratio", 10, variance_ratio),
)

"""Checks of the lab "Folklore on trial"."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.lab.checking import (
    Check,
    kernels,
    parts,
    require,
    require_close,
    require_module,
    require_tensor,
    unsettle,
)


def verdict(function: Callable) -> None:
    """Paired differences, an interval, a word."""
    shared = [60.0, 75.0, 90.0]  # what a pair has in common, and what must drop out
    cases = [  # differences whose intervals are known from the table of t, and what follows
        (
            [2.0, 2.2, 2.4],
            "first",
            "the pairs agree, though accuracies spread: take differences",
        ),
        ([-2.0, -2.2, -2.4], "second", "the second is the better one here"),
        ([1.0, 2.0, 0.2], "undecided", "this interval holds zero"),
        ([-0.1, 0.1, 0.0], "undecided", "this interval holds zero"),
        ([5.0, 5.01], "undecided", "two pairs decide nothing"),
    ]
    for gaps, expected, hint in cases:
        second = shared[: len(gaps)]
        answer = function([a + gap for a, gap in zip(second, gaps, strict=True)], list(second))
        words = ("first", "second", "undecided")
        require(answer in words, f"verdict should return one of {', '.join(words)}, not {answer!r}")
        require(answer == expected, f"with differences {gaps} {answer!r} is not right: {hint}")


def needed_seeds(function: Callable) -> None:
    """The smallest number of pairs, found by trial."""
    cases = {(1.0, 1.0): 7, (1.0, 2.0): 4, (0.1, 5.0): 3, (1.0, 0.5): 18, (3.0, 3.0): 7, (9.0, 0.1): 30}
    for (spread, effect), expected in cases.items():
        answer = function(spread, effect)
        call = f"needed_seeds({spread}, {effect})"
        require(type(answer) is int, f"{call} should return an int, not {type(answer).__name__}")
        require(answer >= 3, f"{call} is {answer}, but less than three pairs decide nothing")
        require(answer <= 30, f"{call} is {answer}, but the table ends: 30 stands for all that is more")
        direction = "few" if answer < expected else "many"
        require(
            answer == expected,
            f"{call} gives too {direction}: t has n - 1 degrees of freedom, and the half width is divided by "
            "the root of n",
        )


def halving(function: Callable) -> None:
    """A maximum pool or a stride, around the same layers with weights."""
    for how, stride in (("max", 1), ("stride", 2)):
        call = f"halving(4, 6, {how!r})"
        module = require_module(function(4, 6, how), call)
        conv, norm = _conv_and_norm(module, call)
        require(
            conv.stride == (stride, stride),
            f"{call}: its convolution has stride {conv.stride[0]}; who does the halving here?",
        )
        for side in (8, 7):
            x = _normal(2, 4, side, side)
            y = require_tensor(
                unsettle(module)(x), (2, 6, 4, 4), f"For a side of {side} the result of {call}"
            )
            plain = F.relu(norm(conv(x)))
            expected = F.max_pool2d(plain, 2, ceil_mode=True) if how == "max" else plain
            require_close(y, expected, f"{call}: the numbers differ: conv, norm, ReLU, and only then a pool")


def row_net(make: Callable) -> None:
    """A row of convolutions with pools at the places asked for."""
    for widths, halve_after, channels in [([4, 6, 8], [1, 3], 3), ([5, 7, 9, 6], [2], 1)]:
        call = f"RowNet({widths}, {halve_after}, {channels})"
        net = require_module(make(widths, halve_after, channels), call)
        convs, norms = parts(net, nn.Conv2d), parts(net, nn.BatchNorm2d)
        require(
            [conv.out_channels for conv in convs] == widths and {*kernels(net)} == {(3, 3)},
            f"{call} has one 3x3 convolution a width; found {[conv.out_channels for conv in convs]}",
        )
        require(len(norms) == len(convs), f"{call}: each convolution is followed by a batch norm of its own")
        biased = any(conv.bias is not None for conv in convs)
        require(
            not biased, f"{call}: the batch norm after a convolution takes its bias away: pass bias=False"
        )
        heads = parts(net, nn.Linear)
        require(
            [(head.in_features, head.out_features) for head in heads] == [(widths[-1], 10)],
            f"{call} ends in one linear layer from the last width to 10 logits",
        )
        x = _normal(2, channels, 13, 12)
        y = require_tensor(unsettle(net)(x), (2, 10), f"{call}'s result")
        numbers = range(1, len(widths) + 1)
        shifted = [number + 1 for number in halve_after]
        if torch.allclose(y, _run_row(x, convs, norms, heads[0], shifted), atol=1e-4):
            require(False, f"{call}: the pools stand one layer late: layers are counted from 1")
        if torch.allclose(y, _run_row(x, convs, norms, heads[0], ()), atol=1e-4):
            require(False, f"{call}: no pool stands anywhere")
        if torch.allclose(y, _run_row(x, convs, norms, heads[0], numbers), atol=1e-4):
            require(False, f"{call}: a pool stands behind every layer")
        require_close(
            y,
            _run_row(x, convs, norms, heads[0], halve_after),
            f"{call}: the numbers differ: conv, norm, ReLU, a pool where asked; the mean of each map; linear",
        )


def row_macs(function: Callable) -> None:
    """Multiply-accumulates, against a count of weights at positions."""
    cases: list[tuple[list[int], list[int], int, int]] = [
        ([4], [], 8, 3),
        ([4, 6], [], 8, 1),
        ([4, 6], [1], 8, 3),
        ([4, 6, 5], [1, 2], 13, 3),
    ]
    hints = (
        "a convolution spends each of its weights at each position, and the linear layer each weight once",
        "the second convolution reads what the first puts out",
        "the pool stands behind the layer: which size do its own convolution and the next one see?",
        "an odd side loses its last row and column",
    )
    for (widths, halve_after, size, channels), hint in zip(cases, hints, strict=True):
        answer = function(list(widths), list(halve_after), size, channels)
        call = f"row_macs({widths}, {halve_after}, {size}, {channels})"
        require(type(answer) is int, f"{call} should return an int, not {type(answer).__name__}")
        x, expected, ends = torch.empty(1, channels, size, size), 0, [channels, *widths]
        for number, (before, after) in enumerate(pairwise(ends), start=1):
            conv = nn.Conv2d(before, after, 3, padding=1)
            x = conv(x)
            expected += conv.weight.numel() * x.shape[2] * x.shape[3]
            x = F.max_pool2d(x, 2) if number in halve_after else x
        head = 10 * widths[-1]
        require(answer != expected, f"{call}: the linear layer is missing")
        require(answer == expected + head, f"{call} is not right: {hint}")


def matched_width(function: Callable) -> None:
    """The width that spends a budget, against layers that are counted."""
    for depth, budget, channels in [(1, 2_000, 3), (2, 10_400, 3), (5, 61_000, 1), (8, 60_000, 3)]:
        answer = function(depth, budget, channels)
        call = f"matched_width({depth}, {budget}, {channels})"
        require(type(answer) is int and answer > 0, f"{call} should be a positive int, not {answer!r}")
        gaps = {width: abs(_row_parameters(depth, width, channels) - budget) for width in range(1, 200)}
        best = min(gaps, key=lambda width: gaps[width])
        direction = "too wide" if answer > best else "too narrow"
        require(
            answer == best,
            f"{call} is {direction}: count the first layer, the {depth - 1} others, two numbers a channel in "
            "each norm, and the linear layer with its bias; the nearest count decides, above or below",
        )


def variance_ratio(function: Callable) -> None:
    """The formula, against the moments of a value that takes few values."""
    for mean, std, p, hint in [
        (0.0, 1.0, 0.5, "begin with mean 0: what is the mean square of the values that are kept?"),
        (0.0, 3.0, 0.2, "the ratio does not depend on the scale of the values"),
        (2.0, 1.0, 0.0, "without dropout nothing changes"),
        (1.0, 2.0, 0.5, "the mean adds to the mean square, and its own square is taken off again"),
        (-3.0, 0.5, 0.3, "the mean adds to the mean square, and its own square is taken off again"),
    ]:
        answer = function(mean, std, p)
        call = f"variance_ratio({mean}, {std}, {p})"
        require(
            isinstance(answer, int | float), f"{call} should return a number, not {type(answer).__name__}"
        )
        # Two values, each kept or dropped: four outcomes with known probabilities.
        values = torch.tensor([mean - std, mean + std, 0.0, 0.0], dtype=torch.float64)
        values[:2] /= 1 - p
        chances = torch.tensor([1 - p, 1 - p, p, p], dtype=torch.float64) / 2
        variance = (chances * values**2).sum() - (chances * values).sum() ** 2
        expected = variance.item() / std**2
        require(abs(answer - expected) <= 1e-4 * max(1.0, expected), f"{call} is not right: {hint}")


def _normal(*shape: int) -> Tensor:
    """Normal numbers, the same for a shape each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _conv_and_norm(module: nn.Module, call: str) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """The one convolution, and the one norm behind it."""
    convs, norms = parts(module, nn.Conv2d), parts(module, nn.BatchNorm2d)
    require(kernels(module) == [(3, 3)], f"{call} has one 3x3 convolution; found kernels {kernels(module)}")
    require(len(norms) == 1, f"{call} has one batch norm; found {len(norms)}")
    require(
        convs[0].bias is None, f"{call}: the batch norm takes the convolution's bias away: pass bias=False"
    )
    return convs[0], norms[0]


def _run_row(
    x: Tensor,
    convs: Sequence[nn.Conv2d],
    norms: Sequence[nn.BatchNorm2d],
    head: nn.Linear,
    halve_after: Sequence[int],
) -> Tensor:
    for number, (conv, norm) in enumerate(zip(convs, norms, strict=True), start=1):
        x = F.relu(norm(conv(x)))
        x = F.max_pool2d(x, 2) if number in halve_after and min(x.shape[2:]) > 1 else x
    return head(x.mean(dim=(2, 3)))


def _row_parameters(depth: int, width: int, channels: int) -> int:
    """Trained numbers of a row: convolutions, norms, the linear layer."""
    convolutions = 9 * channels * width + (depth - 1) * 9 * width * width
    return convolutions + depth * 2 * width + (width + 1) * 10


CHECKS: dict[str, Check] = {
    "verdict": verdict,
    "needed_seeds": needed_seeds,
    "halving": halving,
    "RowNet": row_net,
    "row_macs": row_macs,
    "matched_width": matched_width,
    "variance_ratio": variance_ratio,
}

"""Checks of the lab "A network under a budget"."""

from collections.abc import Callable, Sequence
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.lab import race
from convbook.lab.checking import (
    Check,
    kernels,
    parts,
    require,
    require_close,
    require_module,
    require_tensor,
    require_traceable,
    require_without,
    unsettle,
)

CONVOLUTIONS = ("conv2d", "Conv2d", "conv_transpose2d", "ConvTranspose2d", "unfold", "Unfold", "as_strided")


def separable_cost(function: Callable) -> None:
    """Weights and multiply-accumulates of a depthwise and a pointwise convolution."""
    for channels_in, channels_out, kernel_size, size in [(3, 8, 5, 7), (64, 128, 3, 14), (16, 16, 1, 9)]:
        call = f"separable_cost({channels_in}, {channels_out}, {kernel_size}, {size})"
        answer = function(channels_in, channels_out, kernel_size, size)
        pair = isinstance(answer, tuple) and len(answer) == 2 and all(type(each) is int for each in answer)
        require(pair, f"{call} should return two ints, (weights, multiply-accumulates), not {answer!r}")
        depthwise = nn.Conv2d(channels_in, channels_in, kernel_size, groups=channels_in, bias=False)
        pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        weights = depthwise.weight.numel() + pointwise.weight.numel()
        require(
            answer[0] == weights,
            f"{call}: the number of weights is not that of PyTorch's two layers: one small filter for each "
            "input channel, then one number for each pair of input and output channel",
        )
        require(
            answer[1] == weights * size * size,
            f"{call}: weights are right, multiply-accumulates are not: how often is each weight used?",
        )


def affordable_width(function: Callable) -> None:
    """The widest separable layer for the price of a full one."""
    for channels, kernel_size in [(16, 3), (64, 3), (10, 5), (1, 3)]:
        call = f"affordable_width({channels}, {kernel_size})"
        answer = function(channels, kernel_size)
        require(type(answer) is int, f"{call} should return an int, not {answer!r}")
        full, area = kernel_size**2 * channels**2, kernel_size**2
        cost, next_cost = (area * width + width**2 for width in (answer, answer + 1))
        require(cost <= full, f"{call} is too wide: the separable layer costs more than the full one")
        require(next_cost > full, f"{call} is too narrow: one channel more would still be affordable")


def depthwise_conv(function: Callable) -> None:
    """A depthwise convolution from shifted slices, against PyTorch's."""
    require_without(function, CONVOLUTIONS)
    generator = torch.Generator().manual_seed(1)
    for channels, kernel_size, stride in [(4, 3, 1), (3, 5, 1), (5, 3, 2)]:
        x = torch.randn(2, channels, 8, 11, generator=generator)
        weight = torch.randn(channels, kernel_size, kernel_size, generator=generator)
        expected = F.conv2d(x, weight[:, None], stride=stride, padding=kernel_size // 2, groups=channels)
        case = f"With a {kernel_size}×{kernel_size} kernel and stride {stride}"
        y = require_tensor(function(x.clone(), weight, stride), tuple(expected.shape), f"{case} the result")
        hint = "is the kernel applied as it is, not turned around, and each channel by its own filter?"
        require_close(y, expected, f"{case} the numbers differ: {hint}")


def separable_conv(make: Callable) -> None:
    """Depthwise, norm, ReLU; pointwise, norm, ReLU."""
    for channels_in, channels_out, stride in [(6, 10, 1), (8, 8, 2)]:
        call = f"SeparableConv({channels_in}, {channels_out}, {stride})"
        block = require_module(make(channels_in, channels_out, stride), call)
        depthwise, pointwise = _convolutions(block, [3, 1], call)
        _require_depthwise(depthwise, stride, call)
        hint = "depthwise, norm, ReLU; pointwise, norm, ReLU"
        _compare(block, [(depthwise, True), (pointwise, True)], False, f"{call}: the numbers differ: {hint}")


def scaled_channels(function: Callable) -> None:
    """A width in multiples of eight."""
    for channels, width_mult, expected in [
        (32, 1.0, 32), (32, 0.35, 16), (64, 0.35, 24), (24, 0.5, 16), (16, 0.25, 8), (96, 0.35, 32),
        (174, 0.5, 88), (12, 1.0, 16),
    ]:  # fmt: skip
        call = f"scaled_channels({channels}, {width_mult})"
        answer = function(channels, width_mult)
        require(type(answer) is int, f"{call} should return an int, not {answer!r}")
        require(answer % 8 == 0, f"{call} gives {answer}, which is no multiple of 8")
        require(answer >= 8, f"{call} gives {answer}: a layer needs at least 8 channels")
        exact = channels * width_mult
        require(answer >= 0.9 * exact, f"{call} gives {answer}, more than a tenth below {exact:g}")
        require(answer == expected, f"{call} gives {answer}: not the multiple of 8 nearest to {exact:g}")


def inverted_residual(make: Callable) -> None:
    """Widen, filter, narrow without an activation; a shortcut where shapes agree."""
    for channels_in, channels_out, stride in [(6, 6, 1), (6, 10, 1), (6, 6, 2)]:
        call = f"InvertedResidual({channels_in}, {channels_out}, {stride}, 3)"
        block = require_module(make(channels_in, channels_out, stride, 3), call)
        widen, depthwise, narrow = _convolutions(block, [1, 3, 1], call)
        if widen.out_channels == channels_out:  # made in another order
            widen, narrow = narrow, widen
        require(
            (widen.out_channels, narrow.in_channels) == (3 * channels_in, 3 * channels_in),
            f"{call}: with an expansion of 3 the middle has three times as many channels as the input",
        )
        _require_depthwise(depthwise, stride, call)
        shortcut = stride == 1 and channels_in == channels_out
        hint = "1×1, norm, ReLU; depthwise, norm, ReLU; 1×1, norm and no ReLU; " + (
            "then the sum with the input" if shortcut else "no shortcut where the shape changes"
        )
        steps = [(widen, True), (depthwise, True), (narrow, False)]
        _compare(block, steps, shortcut, f"{call}: the numbers differ: {hint}")


def budget_net(make: Callable) -> None:
    """The student's own network: within the budget, and good enough in the race for all points."""
    network = require_module(make(), "BudgetNet()")
    require_traceable(network, "BudgetNet()")
    problem = race.over_budget(network)
    require(not problem, problem)
    accuracy = race.race(network)
    share = race.share(accuracy)
    require(
        share == 1,
        f"it is within the budget and reaches {accuracy:.1%} on held-out images, which earns {share:.0%} of "
        f"the points; {race.LADDER[0][0]:.0%} earn all. Try it with `race` and change the design",
    )


def _convolutions(block: nn.Module, expected: Sequence[int], call: str) -> list[nn.Conv2d]:
    """The block's convolutions, in the order of ``expected`` kernel sizes."""
    found = parts(block, nn.Conv2d)
    wanted = sorted((k, k) for k in expected)
    sides = ", ".join(f"{k}×{k}" for k in expected)
    require(sorted(kernels(block)) == wanted, f"{call} needs kernels {sides}; found {kernels(block)}")
    biases = any(conv.bias is not None for conv in found)
    require(not biases, f"{call}: the norm after a convolution takes its bias away: pass bias=False")
    norms = len(parts(block, nn.BatchNorm2d))
    require(norms == len(found), f"{call}: a batch norm after each convolution, not {norms} in all")
    by_size = {k: [conv for conv in found if conv.kernel_size == (k, k)] for k in expected}
    return [by_size[k].pop(0) for k in expected]


def _require_depthwise(conv: nn.Conv2d, stride: int, call: str) -> None:
    require(
        conv.groups == conv.in_channels == conv.out_channels,
        f"{call}: the 3×3 convolution should be depthwise: as many groups as channels, not {conv.groups}",
    )
    require(conv.stride == (stride, stride), f"{call}: let the 3×3 convolution do the striding")


def _compare(block: nn.Module, steps: list[tuple[nn.Conv2d, bool]], shortcut: bool, hint: str) -> None:
    """Compare a block with its layers in order: convolution, norm, and a ReLU where a step says so.

    Norms of equal width cannot be told from each other, so each order is tried.
    """
    generator = torch.Generator().manual_seed(4)
    x = 5 * torch.randn(2, min(conv.in_channels for conv, _ in steps), 8, 8, generator=generator)
    norms = parts(unsettle(block), nn.BatchNorm2d)
    expected = []
    for order in permutations(norms):
        if any(norm.num_features != conv.out_channels for norm, (conv, _) in zip(order, steps, strict=True)):
            continue
        y = x
        for norm, (conv, activated) in zip(order, steps, strict=True):
            y = norm(F.conv2d(y, conv.weight, None, conv.stride, conv.kernel_size[0] // 2, 1, conv.groups))
            y = F.relu(y) if activated else y
        expected.append(x + y if shortcut else y)
    require(bool(expected), "each batch norm should have as many channels as the convolution before it")
    result = require_tensor(block(x.clone()), tuple(expected[0].shape), "The block's result")
    nearest: Tensor = min(expected, key=lambda y: (result - y).abs().max().item())
    require_close(result, nearest, hint)


CHECKS: dict[str, Check] = {
    "separable_cost": separable_cost,
    "affordable_width": affordable_width,
    "depthwise_conv": depthwise_conv,
    "SeparableConv": separable_conv,
    "scaled_channels": scaled_channels,
    "InvertedResidual": inverted_residual,
    "BudgetNet": budget_net,
}

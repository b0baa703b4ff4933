"""Checks of the lab "From a plain block to a bottleneck with cardinality"."""

from collections.abc import Callable

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
    silence,
    unsettle,
)


def conv_weights(function: Callable) -> None:
    """Weights of a grouped convolution, against PyTorch's own layers."""
    for channels_in, channels_out, kernel_size, groups in [(3, 8, 5, 1), (64, 256, 1, 1), (128, 128, 3, 32)]:
        answer = function(channels_in, channels_out, kernel_size, groups)
        layer = nn.Conv2d(channels_in, channels_out, kernel_size, groups=groups, bias=False)
        call = f"conv_weights({channels_in}, {channels_out}, {kernel_size}, {groups})"
        require(isinstance(answer, int), f"{call} should return an int, not {type(answer).__name__}")
        if answer != layer.weight.numel():
            hint = (
                "each filter sees only its own group's channels"
                if groups > 1
                else "count every input channel"
            )
            require(False, f"{call} is not the size of nn.Conv2d's weight: {hint}")


def grouped_conv(function: Callable) -> None:
    """A grouped convolution by hand, against PyTorch's."""
    generator = torch.Generator().manual_seed(1)
    for channels, filters, groups in [(6, 6, 1), (6, 12, 3), (8, 4, 4)]:
        x = torch.randn(2, channels, 7, 9, generator=generator)
        weight = torch.randn(filters, channels // groups, 3, 3, generator=generator)
        expected = F.conv2d(x, weight, padding=1, groups=groups)
        y = require_tensor(
            function(x, weight, groups), tuple(expected.shape), f"With groups={groups} the result"
        )
        require_close(
            y, expected, f"With groups={groups} the numbers differ: which filters see which channels?"
        )


def residual_block(make: Callable) -> None:
    """A block of two 3x3 convolutions with an identity shortcut."""
    block = require_module(make(8), "ResidualBlock(8)")
    require(
        kernels(block) == [(3, 3), (3, 3)], f"expected two 3x3 convolutions, found kernels {kernels(block)}"
    )
    require(len(parts(block, nn.BatchNorm2d)) == 2, "each convolution is followed by a batch norm of its own")
    biases = any(conv.bias is not None for conv in parts(block, nn.Conv2d))
    require(not biases, "the batch norm after a convolution takes its bias away: pass bias=False")
    _compare_branch(block, torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(2)), 8)


def make_shortcut(function: Callable) -> None:
    """The identity where shapes agree, a strided 1x1 projection where they don't."""
    x = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(3))
    same = require_module(function(8, 8, 1), "make_shortcut(8, 8, 1)")
    require(not list(same.parameters()), "where the shape stays the same the shortcut needs no parameters")
    require_close(
        require_tensor(same(x), (2, 8, 6, 6), "The identity's result"), x, "the identity changes its input"
    )
    for channels, stride in [(16, 1), (16, 2), (8, 2)]:
        call = f"make_shortcut(8, {channels}, {stride})"
        module = unsettle(require_module(function(8, channels, stride), call))
        size = 6 // stride
        y = require_tensor(module(x), (2, channels, size, size), f"{call}'s result")
        require(
            kernels(module) == [(1, 1)], f"{call}: one 1x1 convolution is enough; found {kernels(module)}"
        )
        require(len(parts(module, nn.BatchNorm2d)) == 1, f"{call}: a batch norm follows the projection")
        (conv,), (norm,) = parts(module, nn.Conv2d), parts(module, nn.BatchNorm2d)
        require_close(
            y, norm(conv(x)), f"{call}: nothing but the projection and its norm belongs here (no ReLU)"
        )


def bottleneck(make: Callable) -> None:
    """1x1 down, 3x3, 1x1 up, around a shortcut."""
    _check_bottleneck(make, groups=1)


def aggregated_bottleneck(make: Callable) -> None:
    """The same with a grouped 3x3 convolution."""
    _check_bottleneck(lambda *shape: make(*shape, 4), groups=4)


def matched_width(function: Callable) -> None:
    """Width a group that keeps the weights of the 256-64-256 bottleneck: Table 2 of the ResNeXt paper."""
    for cardinality, expected in [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)]:
        answer = function(cardinality)
        require(isinstance(answer, int), f"matched_width({cardinality}) should be an int, not {answer!r}")
        direction = "too wide" if answer > expected else "too narrow"
        require(
            answer == expected,
            f"matched_width({cardinality}) is {direction}: count all three convolutions of the block, "
            "and take the width whose count comes nearest to the bottleneck's, above or below",
        )


def _check_bottleneck(make: Callable, groups: int) -> None:
    for channels_in, width, channels_out, stride in [(16, 8, 16, 1), (16, 8, 32, 2)]:
        call = f"a block from {channels_in} to {channels_out} channels with width {width} and stride {stride}"
        block = require_module(make(channels_in, width, channels_out, stride), call)
        main = [conv for conv in parts(block, nn.Conv2d) if conv.kernel_size == (3, 3)]
        require(len(main) == 1, f"{call} has one 3x3 convolution; found kernels {kernels(block)}")
        require(
            (main[0].in_channels, main[0].out_channels) == (width, width),
            f"{call}: the 3x3 convolution works at the narrow width, before the last 1x1 widens again",
        )
        require(
            main[0].groups == groups, f"{call}: the 3x3 convolution has {main[0].groups} groups, not {groups}"
        )
        strided = channels_in != channels_out
        require(
            len(parts(block, nn.Conv2d)) == 3 + strided,
            f"{call}: three convolutions, and a projection where the shape changes; found {kernels(block)}",
        )
        require(
            main[0].stride == (stride, stride),
            f"{call}: let the 3x3 convolution do the striding (and the projection on the shortcut)",
        )
        x = torch.randn(2, channels_in, 8, 8, generator=torch.Generator().manual_seed(4))
        _compare_branch(block, x, channels_out, stride)


def _compare_branch(block: nn.Module, x: Tensor, channels: int, stride: int = 1) -> None:
    """Compare a block with the plain reading of its layers, in the order in which they were made."""
    shape = (x.shape[0], channels, x.shape[2] // stride, x.shape[3] // stride)
    y = require_tensor(unsettle(block)(x), shape, "The block's result")
    require(bool((y >= 0).all()), "the last step is a ReLU, after the sum")
    layers = list(zip(parts(block, nn.Conv2d), parts(block, nn.BatchNorm2d), strict=False))
    if shape[1:] == tuple(x.shape[1:]):
        expected = [_sum(x, x, layers)]
    else:
        ends = (x.shape[1], channels)
        projections = [
            i for i, (conv, _) in enumerate(layers) if (conv.in_channels, conv.out_channels) == ends
        ]
        expected = [
            _sum(x, layers[i][1](layers[i][0](x)), layers[:i] + layers[i + 1 :])
            for i in projections
            if layers[i][0].kernel_size == (1, 1)
        ]
    gaps = [(y - each).abs().max().item() for each in expected]
    if gaps and min(gaps) <= 1e-4 * max(1.0, y.abs().max().item()):
        return
    if shape[1:] == tuple(x.shape[1:]):
        require_close(
            silence(block)(x), F.relu(x), "with a silent branch the input should come through; is it added?"
        )
    require(False, "the numbers differ: conv, norm, ReLU; ...; conv, norm; then the sum, then the last ReLU")


def _sum(x: Tensor, shortcut: Tensor, branch: list[tuple[nn.Conv2d, nn.BatchNorm2d]]) -> Tensor:
    """ReLU of shortcut plus branch, with a ReLU after each step of the branch but the last."""
    for i, (conv, norm) in enumerate(branch):
        x = norm(conv(x))
        if i < len(branch) - 1:
            x = F.relu(x)
    return F.relu(x + shortcut)


CHECKS: dict[str, Check] = {
    "conv_weights": conv_weights,
    "grouped_conv": grouped_conv,
    "ResidualBlock": residual_block,
    "make_shortcut": make_shortcut,
    "Bottleneck": bottleneck,
    "AggregatedBottleneck": aggregated_bottleneck,
    "matched_width": matched_width,
}

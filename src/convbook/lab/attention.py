"""Checks of the lab "What attention adds to a network"."""

import statistics
from collections.abc import Callable
from itertools import permutations

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

Layer = nn.Conv2d | nn.Linear
HELD = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)  # the layers that these exercises need


def squeeze_excite(function: Callable) -> None:
    """A channel gate in tensor operations."""
    for n, channels, hidden, side in [(2, 6, 3, 5), (3, 8, 2, 4), (1, 4, 4, 7)]:
        x = _normal(n, channels, side, side + 1)
        first = (_normal(hidden, channels), _normal(hidden))
        second = (_normal(channels, hidden), _normal(channels))
        y = require_tensor(function(x.clone(), *first, *second), tuple(x.shape), "The result")
        _require_gates(y, x)
        require_close(
            y,
            _gated(x, _excite(x.mean(dim=(2, 3)), first, second)),
            "the gates differ: the mean of each channel, first matrix and bias, ReLU, second matrix and "
            "bias, sigmoid",
        )


def se_parameters(function: Callable) -> None:
    """Weights and biases of a gate, against PyTorch's own layers."""
    for channels, reduction in [(16, 4), (64, 16), (96, 2), (8, 8)]:
        answer = function(channels, reduction)
        call = f"se_parameters({channels}, {reduction})"
        require(type(answer) is int, f"{call} should return an int, not {type(answer).__name__}")
        hidden = channels // reduction
        layers = nn.ModuleList([nn.Linear(channels, hidden), nn.Linear(hidden, channels)])
        expected = sum(each.numel() for each in layers.parameters())
        weights = 2 * channels * hidden
        hint = (
            "the biases are missing: each of the two layers has some"
            if answer == weights
            else "each layer has a weight for each pair of input and output, and a bias for each output"
        )
        require(answer == expected, f"{call} is not what two layers of PyTorch hold: {hint}")


def squeeze_excite_module(make: Callable) -> None:
    """The same as a module."""
    for channels, reduction in [(8, 2), (12, 4)]:
        call = f"SqueezeExcite({channels}, {reduction})"
        module = require_module(make(channels, reduction), call)
        first, second = _excitation(module, channels, channels // reduction, call)
        _require_only(module, 2, call)
        x = _normal(2, channels, 5, 6)
        y = require_tensor(unsettle(module)(x.clone()), tuple(x.shape), f"{call}'s result")
        _require_gates(y, x)
        require_close(
            y,
            _gated(x, _excite(x.mean(dim=(2, 3)), first, second)),
            f"{call}: the gates differ: mean of each channel, narrow layer, ReLU, wide layer, sigmoid",
        )


def channel_gate(make: Callable) -> None:
    """CBAM's gate a channel: one pair of layers reads means and maxima."""
    for channels, reduction in [(8, 2), (12, 4)]:
        call = f"ChannelGate({channels}, {reduction})"
        module = require_module(make(channels, reduction), call)
        layers = len(_dense(module))
        require(layers <= 2, f"{call} has {layers} layers: the same two read the means and the maxima")
        first, second = _excitation(module, channels, channels // reduction, call)
        _require_only(module, 2, call)
        x = _normal(2, channels, 5, 6)
        y = require_tensor(unsettle(module)(x.clone()), tuple(x.shape), f"{call}'s result")
        mean, high = (_excite(each, first, second) for each in (x.mean(dim=(2, 3)), x.amax(dim=(2, 3))))
        late = x * (mean.sigmoid() + high.sigmoid())[:, :, None, None]
        require(
            not torch.allclose(y, late, atol=1e-4), f"{call}: add first, then take one sigmoid of the sum"
        )
        _require_gates(y, x)
        alone = any(torch.allclose(y, _gated(x, z), atol=1e-4) for z in (mean, high))
        require(not alone, f"{call}: only one of the two descriptions, mean and maximum, is used")
        require_close(
            y,
            _gated(x, mean + high),
            f"{call}: the gates differ: both descriptions go through both layers, biases included, and are "
            "added before the sigmoid",
        )


def spatial_gate(make: Callable) -> None:
    """CBAM's gate a position."""
    for kernel_size in (7, 3):
        call = f"SpatialGate({kernel_size})"
        module = require_module(make(kernel_size), call)
        convs = parts(module, nn.Conv2d)
        require(
            len(convs) == 1 and kernels(module) == [(kernel_size, kernel_size)],
            f"{call} has one convolution of that kernel size; found kernels {kernels(module)}",
        )
        ends = (convs[0].in_channels, convs[0].out_channels)
        require(ends == (2, 1), f"{call}: its convolution makes one gate of two maps; it goes from {ends}")
        require(convs[0].bias is None, f"{call}: the convolution has no bias here")
        _require_only(module, 1, call)
        x = _normal(2, 5, 9, 8)
        y = require_tensor(unsettle(module)(x.clone()), tuple(x.shape), f"{call}'s result")
        ratio = y / x
        require(
            bool(((ratio > 0) & (ratio < 1)).all()),
            f"{call}: each value should be multiplied by a gate between 0 and 1",
        )
        require_close(
            ratio,
            ratio[:, :1].expand_as(ratio),
            f"{call}: all channels of a position share one gate; over which dimension do you average?",
            tolerance=1e-3,
        )
        described = torch.stack([x.mean(dim=1), x.amax(dim=1)], dim=1)
        expected = x * torch.sigmoid(F.conv2d(described, convs[0].weight, padding=kernel_size // 2))
        require_close(y, expected, f"{call}: the gates differ: mean, then maximum; convolution; sigmoid")


def gated_block(make: Callable) -> None:
    """A residual block whose branch passes a gate."""
    call = "GatedBlock(8, 2)"
    block = require_module(make(8, 2), call)
    big = [conv for conv in parts(block, nn.Conv2d) if conv.kernel_size == (3, 3)]
    norms = parts(block, nn.BatchNorm2d)
    require(len(big) == 2, f"{call} has two 3x3 convolutions; found kernels {kernels(block)}")
    require(len(norms) == 2, f"{call}: each 3x3 convolution is followed by a batch norm of its own")
    biased = any(conv.bias is not None for conv in big)
    require(not biased, f"{call}: the batch norm after a convolution takes its bias away: pass bias=False")
    first, second = _excitation(block, 8, 4, call)
    _require_only(block, 6, call)
    x = _normal(2, 8, 6, 7)
    y = require_tensor(unsettle(block)(x.clone()), tuple(x.shape), f"{call}'s result")

    def close(value: Tensor) -> bool:
        return torch.allclose(y, value, atol=1e-4)

    def gated(z: Tensor) -> Tensor:
        return _gated(z, _excite(z.mean(dim=(2, 3)), first, second))

    branches = [
        norm_b(conv_b(F.relu(norm_a(conv_a(x)))))
        for conv_a, conv_b in permutations(big)
        for norm_a, norm_b in permutations(norms)
    ]
    if any(close(F.relu(x + gated(z))) for z in branches):
        return
    require(not any(close(F.relu(x + z)) for z in branches), f"{call}: the gate is made but never used")
    require(not any(close(x + gated(z)) for z in branches), f"{call}: the ReLU at the very end is missing")
    require(not any(close(F.relu(gated(z))) for z in branches), f"{call}: the input is never added")
    late = any(close(F.relu(gated(x + z))) or close(gated(F.relu(x + z))) for z in branches)
    require(not late, f"{call}: the shortcut passes the gate too; it should stay free")
    order = "conv, norm, ReLU, conv, norm, gate; then the sum, then the last ReLU"
    require(False, f"{call}: the numbers differ: {order}. What does the gate look at?")


def paired_interval(function: Callable) -> None:
    """Mean difference and half width, against the standard library and printed tables of t."""
    cases = [
        ([91.0, 93.5, 92.0], [90.0, 91.0, 92.5], 4.303),
        ([70.1, 64.0, 68.2, 69.9, 66.0], [71.0, 66.5, 67.1, 72.0, 69.0], 2.776),
        ([10.0, 14.0], [9.0, 10.0], 12.706),
    ]
    for a, b, t in cases:
        answer = function(list(a), list(b))
        pair = isinstance(answer, tuple | list) and len(answer) == 2
        require(pair, f"paired_interval should return two numbers, not {type(answer).__name__}")
        mean, half = (float(each) for each in answer)
        gaps = [first - second for first, second in zip(a, b, strict=True)]
        n, expected = len(gaps), statistics.mean(gaps)
        require(abs(mean + expected) > 1e-3, "the sign of the mean is turned round: first minus second")
        require(abs(mean - expected) <= 1e-3, f"with {n} pairs the mean difference is not right")
        right = t * statistics.stdev(gaps) / n**0.5
        slips = {
            ((n - 1) / n) ** 0.5: "the variance of a sample has n - 1 in its denominator",
            n**0.5: "a mean of n values spreads less than one value, by the root of n",
            2.0: "it goes from the mean to one end",
        }
        here = f"with {n} pairs the half width is not right: "
        for factor, hint in slips.items():
            require(abs(half - factor * right) > 1e-3 * right, here + hint)
        hint = "the spread is that of the differences, and t has n - 1 degrees of freedom"
        require(abs(half - right) <= 1e-3 * max(1.0, right), here + hint)


def _normal(*shape: int) -> Tensor:
    """Normal numbers, the same for a shape each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _dense(module: nn.Module) -> list[Layer]:
    """Its layers that mix channels at one position: linear ones and 1x1 convolutions."""
    return [
        each
        for each in module.modules()
        if isinstance(each, nn.Linear) or (isinstance(each, nn.Conv2d) and each.kernel_size == (1, 1))
    ]


Weights = tuple[Tensor, Tensor]


def _excitation(module: nn.Module, channels: int, hidden: int, call: str) -> tuple[Weights, Weights]:
    """Weight and bias of the narrow layer and of the wide one, told apart by their shapes."""
    found = _dense(module)
    shapes = [tuple(each.weight.shape[:2]) for each in found]
    wanted = [(hidden, channels), (channels, hidden)]
    require(
        sorted(shapes) == sorted(wanted),
        f"{call}: the gate has two layers, from all channels to the reduced number and back; "
        f"found (outputs, inputs) {shapes}",
    )
    require(all(each.bias is not None for each in found), f"{call}: both layers of the gate have biases")
    ordered = sorted(found, key=lambda layer: shapes[found.index(layer)] != wanted[0])
    (w1, b1), (w2, b2) = ((layer.weight.flatten(1), layer.bias) for layer in ordered)
    assert b1 is not None and b2 is not None
    return (w1, b1), (w2, b2)


def _require_only(module: nn.Module, count: int, call: str) -> None:
    """No layers with weights but the ones asked for."""
    holders = [each for each in module.modules() if list(each.parameters(recurse=False))]
    require(
        len(holders) == count and all(isinstance(each, HELD) for each in holders),
        f"{call} needs {count} layers with weights, all of them PyTorch's own; found {len(holders)}",
    )


def _excite(z: Tensor, first: Weights, second: Weights) -> Tensor:
    """What the sigmoid is taken of: (N, C) -> (N, C)."""
    return F.relu(z @ first[0].T + first[1]) @ second[0].T + second[1]


def _gated(x: Tensor, z: Tensor) -> Tensor:
    """Maps times the sigmoid of one number a channel."""
    return x * torch.sigmoid(z)[:, :, None, None]


def _require_gates(y: Tensor, x: Tensor) -> None:
    """Each channel was multiplied by one number between 0 and 1."""
    ratio = y / x
    require_close(
        ratio,
        ratio[:, :, :1, :1].expand_as(ratio),
        "all positions of a channel share one gate, and the result is the maps times their gates",
        tolerance=1e-3,
    )
    require(
        bool(((ratio > 0) & (ratio < 1)).all()), "a gate lies between 0 and 1: is the sigmoid the last step?"
    )


CHECKS: dict[str, Check] = {
    "squeeze_excite": squeeze_excite,
    "se_parameters": se_parameters,
    "SqueezeExcite": squeeze_excite_module,
    "ChannelGate": channel_gate,
    "SpatialGate": spatial_gate,
    "GatedBlock": gated_block,
    "paired_interval": paired_interval,
}

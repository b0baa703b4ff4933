"""Checks of the lab "A convolution by hand"."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.lab.checking import (
    Check,
    is_close,
    kernels,
    parts,
    require,
    require_close,
    require_module,
    require_tensor,
    require_without,
)

CONVOLUTIONS = (
    *("conv1d", "conv2d", "conv3d", "Conv1d", "Conv2d", "Conv3d", "LazyConv2d", "convolution"),
    *("conv_transpose2d", "conv_transpose3d", "ConvTranspose2d", "ConvTranspose3d"),
    *("unfold", "Unfold", "fold", "Fold", "ops", "_C"),
    *("convolve", "convolve2d", "correlate", "correlate2d", "fftconvolve"),
)  # fmt: skip
DERIVATIVES = (
    *("autograd", "backward", "requires_grad", "requires_grad_", "conv2d_weight", "conv2d_input"),
    *("func", "vjp", "jacrev", "jacfwd", "jacobian"),
)  # fmt: skip
POOLS = (
    *("max_pool1d", "max_pool2d", "max_pool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d", "LazyMaxPool2d"),
    *("adaptive_max_pool2d", "AdaptiveMaxPool2d", "max_pool2d_with_indices", "maximum_filter", "ops", "_C"),
)  # fmt: skip
# What the code of an exercise must not name. Grading reads the same lists.
WITHOUT = {
    "conv_by_hand": CONVOLUTIONS,
    "max_pool": POOLS,
    "gradient_for_weight": CONVOLUTIONS + DERIVATIVES,
    "gradient_for_input": CONVOLUTIONS + DERIVATIVES,
}
# Images (N, C, H, W), filters, kernel, stride, padding: each adds one difficulty to the one before.
CASES = [
    ((2, 3, 7, 7), 4, 3, 1, 0, "stride 1 and no padding"),
    ((1, 2, 6, 9), 3, 3, 1, 0, "images that are not square"),
    ((2, 2, 7, 6), 3, 5, 1, 2, "padding 2"),
    ((2, 3, 8, 11), 2, 3, 2, 1, "stride 2 and padding 1"),
]


def output_size(function: Callable) -> None:
    """Sizes against PyTorch's own convolution of nothing."""
    for case in [(32, 5, 1, 0), (28, 3, 1, 1), (8, 2, 2, 0), (14, 3, 2, 0), (224, 7, 2, 3)]:
        size, kernel, stride, padding = case
        call = f"output_size({size}, {kernel}, {stride}, {padding})"
        answer = function(size, kernel, stride, padding)
        require(isinstance(answer, int), f"{call} should return an int, not {type(answer).__name__}")
        image, window = torch.zeros(1, 1, size, 1), torch.zeros(1, 1, kernel, 1)
        expected = F.conv2d(image, window, stride=(stride, 1), padding=(padding, 0)).shape[2]
        hint = "draw a short row of pixels and count the places of the window"
        if padding:
            hint = "zeros are added at both ends"
        elif (size - kernel) % stride:
            hint = "a window that sticks out at the end gives no output"
        require(answer == expected, f"{call} is too {'large' if answer > expected else 'small'}: {hint}")


def conv_by_hand(function: Callable) -> None:
    """A convolution by array operations, against PyTorch's."""
    require_without(function, WITHOUT["conv_by_hand"])
    for shape, filters, kernel, stride, padding, case in CASES:
        x, weight = _numbers(*shape), _numbers(filters, shape[1], kernel, kernel, seed=2)
        bias = _numbers(filters, seed=3)
        expected = F.conv2d(x, weight, bias, stride, padding)
        y = function(x, weight, bias, stride, padding)
        y = require_tensor(y, tuple(expected.shape), f"With {case} the result")
        if is_close(y, expected):
            continue
        plain = expected - bias.view(1, -1, 1, 1)
        require(not is_close(y, plain), f"with {case} only the bias is missing: one for each output map")
        mirrored = F.conv2d(x, weight.flip(2, 3), bias, stride, padding)
        require(
            not is_close(y, mirrored),
            "your kernel is mirrored: the window's first pixel meets its first weight",
        )
        turned = F.conv2d(x, weight.mT, bias, stride, padding)
        require(not is_close(y, turned), "rows and columns of the kernel are exchanged")
        require_close(y, expected, f"with {case} the numbers differ: which pixels does each weight meet?")


def max_pool(function: Callable) -> None:
    """Maximum pooling by array operations, against PyTorch's."""
    require_without(function, WITHOUT["max_pool"])
    for shape, kernel, stride, case in [
        ((2, 3, 6, 6), 2, 2, "windows side by side"),
        ((1, 2, 7, 9), 3, 2, "overlapping windows"),
        ((1, 2, 7, 8), 2, 3, "windows with gaps between them"),
    ]:
        x = _numbers(*shape)
        for images in (x, -1 - x.abs()):
            expected = F.max_pool2d(images, kernel, stride)
            y = function(images, kernel, stride)
            y = require_tensor(y, tuple(expected.shape), f"With {case} the result")
            zero = expected.min() < 0 and is_close(y, expected.clamp(min=0))
            require(not zero, "where all values are negative, so is the largest: what do you start from?")
            require_close(y, expected, f"with {case} these are not the largest values in each window")


def subsample(function: Callable) -> None:
    """LeNet-5's trainable subsampling, against the paper's formula."""
    x, coefficient, bias = _numbers(2, 3, 6, 4), _numbers(3, seed=2), _numbers(3, seed=3)
    mean = F.avg_pool2d(x, 2)
    y = require_tensor(function(x, coefficient, bias), (2, 3, 3, 2), "The result")
    each, shift = coefficient.view(-1, 1, 1), bias.view(-1, 1, 1)
    require(
        bool((y.abs() <= 1.7159).all()), "squashed values lie between -1.7159 and 1.7159; yours go beyond"
    )
    require(
        not is_close(y, 1.7159 * torch.tanh(2 / 3 * (each * mean + shift))),
        "the four inputs are added, not averaged",
    )
    require(
        not is_close(y, torch.tanh(4 * each * mean + shift)),
        "the squashing is not a plain tanh: it has two constants",
    )
    hint = "the numbers differ: sum of four, times the coefficient, plus the bias, and only then squashed"
    require_close(y, 1.7159 * torch.tanh(2 / 3 * (4 * each * mean + shift)), hint)


def gradient_for_weight(function: Callable) -> None:
    """The weight's gradient, against automatic differentiation."""
    require_without(function, WITHOUT["gradient_for_weight"])
    for x, weight, stride, padding, case in _layers():
        expected, _, upstream = _gradients(x, weight, stride, padding)
        answer = function(x, upstream, weight.shape[-1], stride, padding)
        answer = require_tensor(answer, tuple(expected.shape), f"With {case} the result")
        if is_close(answer, expected):
            continue
        require(
            not is_close(answer, expected / len(x)),
            "add over the images, do not average: the loss has divided by their number already",
        )
        hint = f"with {case} the numbers differ: which pixel was each weight multiplied with, at each place?"
        require_close(answer, expected, hint)


def gradient_for_input(function: Callable) -> None:
    """The input's gradient, against automatic differentiation."""
    require_without(function, WITHOUT["gradient_for_input"])
    for x, weight, stride, padding, case in _layers():
        _, expected, upstream = _gradients(x, weight, stride, padding)
        answer = function(weight, upstream, tuple(x.shape[2:]), stride, padding)
        answer = require_tensor(answer, tuple(expected.shape), f"With {case} the result")
        hint = (
            f"with {case} the numbers differ: several windows read the same pixel, and all of them send back"
        )
        require_close(answer, expected, hint)


def conv_counts(function: Callable) -> None:
    """Parameters and connections, the latter counted by a convolution of ones."""
    for size, kernel, pairs, maps_out in [(32, 5, 6, 6), (14, 5, 60, 16), (9, 3, 5, 4), (5, 5, 8, 2)]:
        call = f"conv_counts({size}, {kernel}, {pairs}, {maps_out})"
        answer = function(size, kernel, pairs, maps_out)
        require(
            isinstance(answer, tuple | list)
            and len(answer) == 2
            and all(isinstance(each, int) for each in answer),
            f"{call} should return a tuple of two ints, not {answer!r}",
        )
        places = F.conv2d(torch.zeros(1, 1, size, size), torch.zeros(1, 1, kernel, kernel)).numel()
        parameters = torch.zeros(pairs, kernel, kernel).numel() + maps_out
        require(
            answer[0] == parameters,
            f"{call}: the parameters are not right: a kernel for each pair, and one bias for each output map",
        )
        require(
            answer[1] == parameters * places,
            f"{call}: the connections are not right: at how many places is each parameter used?",
        )


def lenet5(make: Callable) -> None:
    """LeNet-5 of today, against its layers put in a row."""
    for channels, classes in [(1, 10), (3, 7)]:
        call = f"LeNet5({channels}, {classes})"
        network = require_module(make(channels, classes), call).eval()
        linears = parts(network, nn.Linear)
        layers: list[nn.Conv2d | nn.Linear] = [*parts(network, nn.Conv2d), *linears]
        require(
            kernels(network) == [(5, 5), (5, 5)],
            f"{call} has two 5x5 convolutions; found kernels {kernels(network)}",
        )
        require(len(linears) == 3, f"{call} has three linear layers; found {len(linears)}")
        unbiased = any(layer.bias is None for layer in layers)
        require(not unbiased, f"{call}: every convolution and linear layer has a bias")
        wanted = [
            torch.Size(s) for s in ((6, channels, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (classes, 84))
        ]
        found = [layer.weight.shape for layer in layers]
        for layer, shape in zip(layers, wanted, strict=True):
            require(
                shape in found,
                f"{call}: {layer} does not fit the table: follow the shapes from (N, {channels}, 32, 32) on",
            )
        x = _numbers(2, channels, 32, 32)
        y = require_tensor(network(x), (2, classes), f"{call}'s result")
        by_shape = {layer.weight.shape: layer for layer in layers}
        first, second, *rest = (by_shape[shape] for shape in wanted)
        expected = F.max_pool2d(F.relu(first(x)), 2)
        expected = F.max_pool2d(F.relu(second(expected)), 2).flatten(1)
        for layer in rest[:-1]:
            expected = F.relu(layer(expected))
        hint = f"{call}: a ReLU follows every layer but the last, and pooling takes the maximum"
        require_close(y, rest[-1](expected), hint, tolerance=1e-5)


def _numbers(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _layers() -> list[tuple[Tensor, Tensor, int, int, str]]:
    """Images, weight, stride, padding and a word for each case."""
    return [
        (_numbers(*shape), _numbers(filters, shape[1], kernel, kernel, seed=2), stride, padding, case)
        for shape, filters, kernel, stride, padding, case in CASES
    ]


def _gradients(x: Tensor, weight: Tensor, stride: int, padding: int) -> tuple[Tensor, Tensor, Tensor]:
    """Automatic differentiation's gradients for weight and input, and the upstream gradient drawn."""
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = F.conv2d(x, weight, None, stride, padding)
    upstream = _numbers(*y.shape, seed=4)
    for_weight, for_input = torch.autograd.grad((y * upstream).sum(), (weight, x))
    return for_weight, for_input, upstream


CHECKS: dict[str, Check] = {
    "output_size": output_size,
    "conv_by_hand": conv_by_hand,
    "max_pool": max_pool,
    "subsample": subsample,
    "gradient_for_weight": gradient_for_weight,
    "gradient_for_input": gradient_for_input,
    "conv_counts": conv_counts,
    "LeNet5": lenet5,
}

"""Checks of the lab "What a unit sees, and VGG's stacks of 3 x 3"."""

from collections.abc import Callable
from itertools import pairwise

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
)
from convbook.receptive import Span

Layer = tuple[int, int, int, int]  # kernel, stride, padding, dilation
# Each adds one difficulty to the ones before, which the hint names.
STACKS: list[tuple[list[Layer], str]] = [
    ([(3, 1, 1, 1)], "a window of 3 adds the pixels beyond the one that was there already"),
    ([(3, 1, 1, 1), (5, 1, 2, 1), (3, 1, 0, 1)], "each layer adds to the field of those before it"),
    ([(3, 1, 1, 1), (3, 1, 4, 4)], "a dilated window spans more inputs than it reads"),
    ([(3, 2, 1, 1)], "a layer's own stride moves whole windows, not the inputs within one window"),
    ([(7, 2, 3, 1), (2, 2, 0, 1), (3, 1, 1, 1)], "after strides, neighbouring inputs lie a jump apart"),
    ([(3, 2, 1, 1), (3, 1, 2, 2), (2, 3, 0, 1), (3, 1, 1, 1)], "strides and dilation work together"),
]  # fmt: skip


def receptive_field(function: Callable) -> None:
    """Field and jump, against the rule that the book's profiler follows."""
    for layers, hint in STACKS:
        call, span = f"receptive_field({layers})", _span(layers)
        field, jump = _two_ints(function(list(layers)), call)
        require(field == span.size, f"{call}: the field is too {_side(field, span.size)}: {hint}")
        require(
            jump == span.jump, f"{call}: the jump is too {_side(jump, span.jump)}: only strides change it"
        )


def input_box(function: Callable) -> None:
    """First and last pixel, against the same rule."""
    for layers, hint in STACKS:
        for position in (0, 3):
            call, span = f"input_box({layers}, {position})", _span(layers)
            first, last = _two_ints(function(list(layers), position), call)
            begin, end = span.first + position * span.jump, span.last + position * span.jump
            kept = begin >= 0 or first != 0
            require(kept, f"{call}: pixels below 0 lie in the padding, and stay as they are")
            require(
                first == begin,
                f"{call} begins too far {'right' if first > begin else 'left'}: go back from the last layer "
                "to the first; padding counts inputs of its own layer",
            )
            require(last == end, f"{call} ends too far {'right' if last > end else 'left'}: {hint}")


def stack_for(function: Callable) -> None:
    """VGG's count, with the weights counted by tensors."""
    for kernel, channels in [(3, 8), (5, 4), (7, 16), (11, 3)]:
        call = f"stack_for({kernel}, {channels})"
        answer = function(kernel, channels)
        require(
            isinstance(answer, tuple | list)
            and len(answer) == 3
            and all(isinstance(each, int) for each in answer),
            f"{call} should return a tuple of three ints, not {answer!r}",
        )
        depth = next(n for n in range(9) if _span([(3, 1, 1, 1)] * n).size == kernel)
        small = torch.empty(channels, channels, 3, 3).numel()
        require(
            answer[0] == depth,
            f"{call}: the stack does not see {kernel} pixels: how many does each layer add?",
        )
        require(
            answer[1] == depth * small,
            f"{call}: the stack's weights are not right: every layer has C x C kernels",
        )
        large = torch.empty(channels, channels, kernel, kernel).numel()
        require(answer[2] == large, f"{call}: the single convolution's weights are not right")


def influence(function: Callable) -> None:
    """The gradient map of one place, against automatic differentiation."""
    generator = torch.Generator().manual_seed(1)
    for sizes, kernel_sizes, case in [
        ((2, 3), (3,), "one convolution"),
        ((1, 4, 2), (3, 3), "two convolutions"),
        ((3, 4, 4, 2), (3, 5, 1), "kernels of different sizes"),
    ]:
        weights = [
            torch.randn(after, before, kernel, kernel, generator=generator)
            for before, after, kernel in zip(sizes[:-1], sizes[1:], kernel_sizes, strict=True)
        ]
        images = torch.randn(3, sizes[0], 9, 11, generator=generator)
        y = function([weight.clone() for weight in weights], images.clone(), 3, 6)
        y = require_tensor(y, (9, 11), f"With {case} the map")
        gradient = _gradient(weights, images, 3, 6, last=False)
        expected = gradient.abs().sum(dim=1).mean(dim=0)
        require(
            bool((y >= 0).all()), "influence is never negative: absolute values before anything is added up"
        )
        if is_close(y, expected):
            continue
        require(not is_close(y, len(images) * expected), "average over the images")
        turned = _gradient(weights, images, 6, 3, last=False).abs().sum(dim=1).mean(dim=0)
        require(not is_close(y, turned), "row and column are exchanged")
        clipped = _gradient(weights, images, 3, 6, last=True).abs().sum(dim=1).mean(dim=0)
        require(not is_close(y, clipped), "the last convolution has no ReLU: a unit at 0 would hear nothing")
        signed = [gradient.sum(dim=1).abs().mean(dim=0), gradient.mean(dim=0).abs().sum(dim=0)]
        cancelled = any(is_close(y, each) for each in signed)
        require(
            not cancelled, "gradients of opposite sign cancelled: absolute values before anything is added up"
        )
        require_close(
            y, expected, f"with {case} the numbers differ: padding, ReLUs, and all channels of one place"
        )


def vgg_stage(make: Callable) -> None:
    """Convolutions with ReLUs, then pooling, against their layers put in a row."""
    for channels_in, channels_out, depth in [(3, 8, 1), (4, 6, 3)]:
        call = f"vgg_stage({channels_in}, {channels_out}, {depth})"
        _check_vgg(make(channels_in, channels_out, depth), call, [*[channels_out] * depth, "M"], channels_in)


def vgg(make: Callable) -> None:
    """Networks from lists of letters, against their layers put in a row."""
    configs: list[list[int | str]] = [[8, "M"], [4, "M", 6, 6, "M", 5], ["M", 7, 7]]
    for config in configs:
        call = f"VGG({config}, 2, 5)"
        given = list(config)
        network = make(given, 2, 5)
        require(given == config, "the list that was given should stay as it was: it may be used again")
        _check_vgg(network, call, config, 2, classes=5)


def hidden_width(function: Callable) -> None:
    """The width whose count comes nearest, found by trying all."""
    for kernel, channels in [(7, 12), (5, 8), (9, 10), (11, 16), (5, 9)]:
        call = f"hidden_width({kernel}, {channels})"
        answer = function(kernel, channels)
        require(isinstance(answer, int), f"{call} should return an int, not {answer!r}")
        depth, single = kernel // 2, kernel**2 * channels**2
        gaps = {}
        for width in range(4 * channels, 0, -1):  # downwards, so that the smaller of two replaces the other
            ends = [channels, *[width] * (depth - 1), channels]
            stack = sum(9 * before * after for before, after in pairwise(ends))
            gaps[abs(stack - single)] = width
        best = gaps[min(gaps)]
        require(
            answer == best,
            f"{call} is too {'wide' if answer > best else 'narrow'}: the first layer reads c channels, the "
            "last one writes c; take the nearest count, above or below, and the smaller width of two",
        )


def _check_vgg(value: object, call: str, config: list[int | str], channels: int, classes: int = 0) -> None:
    """Compare a network with a plain reading of its layers, in the order in which they run."""
    network = require_module(value, call).eval()
    wanted = [each for each in config if isinstance(each, int)]
    convs = parts(network, nn.Conv2d)
    require(
        kernels(network) == [(3, 3)] * len(wanted),
        f"{call} has {len(wanted)} convolutions of 3x3; found kernels {kernels(network)}",
    )
    require(all(conv.bias is not None for conv in convs), f"{call}: its convolutions have biases")
    require(not parts(network, nn.BatchNorm2d), f"{call}: VGG was built before batch norm")
    ran: list[nn.Conv2d] = []
    hooks = [conv.register_forward_hook(lambda conv, *_: ran.append(conv)) for conv in convs]
    x = torch.randn(2, channels, 8, 12, generator=torch.Generator().manual_seed(2))
    y = network(x)
    for hook in hooks:
        hook.remove()
    require(
        len(ran) == len(wanted), f"{call}: each convolution is used once; {len(ran)} of {len(wanted)} ran"
    )
    shapes = [(conv.in_channels, conv.out_channels) for conv in ran]
    expected = list(pairwise([channels, *wanted]))
    require(
        shapes == expected, f"{call}: channels (in, out) should be {expected}, layer by layer, not {shapes}"
    )
    order = iter(ran)
    for each in config:
        x = F.max_pool2d(x, 2) if each == "M" else F.relu(next(order)(x))
    if classes:
        linears = parts(network, nn.Linear)
        require(len(linears) == 1, f"{call} has one linear layer; found {len(linears)}")
        x = linears[0](x.mean(dim=(2, 3)))
    y = require_tensor(y, tuple(x.shape), f"{call}'s result")
    hint = "a ReLU after each convolution; pooling takes the maximum"
    hint += "; the head reads the mean of each map" if classes else ", last of all"
    require_close(y, x, f"{call}: the numbers differ: {hint}", tolerance=1e-5)


def _span(layers: list[Layer]) -> Span:
    span = Span(extent=1000)
    for layer in layers:
        span = span.window(*layer)
    return span


def _side(value: int, expected: int) -> str:
    return "large" if value > expected else "small"


def _two_ints(answer: object, call: str) -> tuple[int, int]:
    two = (
        isinstance(answer, tuple | list)
        and len(answer) == 2
        and all(isinstance(each, int) for each in answer)
    )
    require(two, f"{call} should return a tuple of two ints, not {answer!r}")
    assert isinstance(answer, tuple | list)
    return answer[0], answer[1]


def _gradient(weights: list[Tensor], images: Tensor, row: int, column: int, last: bool) -> Tensor:
    """Of the sum over channels at one place, for each image and channel; ``last``: a ReLU at the end, too."""
    x = images = images.clone().requires_grad_()
    for number, weight in enumerate(weights, start=1):
        x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        x = F.relu(x) if last or number < len(weights) else x
    return torch.autograd.grad(x[:, :, row, column].sum(), images)[0]


CHECKS: dict[str, Check] = {
    "receptive_field": receptive_field,
    "input_box": input_box,
    "stack_for": stack_for,
    "influence": influence,
    "vgg_stage": vgg_stage,
    "VGG": vgg,
    "hidden_width": hidden_width,
}

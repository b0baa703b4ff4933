"""Lab 1: convolution and pooling by hand, LeNet-5."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

from convbook.lab.convolution import WITHOUT
from convbook.models import create_model
from courseware.grading.assignment import Draw, Exercise
from courseware.grading.trials import Build, Call, Trial


def output_size(draw: Draw) -> list[Trial]:
    """Drawn sizes, without and with a rest."""
    trials: list[Trial] = []
    hint = "Zeros are added at both ends; a window that sticks out gives no output"
    for stride, rest in ((1, 0), (2, 0), (2, 1), (3, 2), (4, 1)):
        kernel, padding = draw.integer(2, 7), draw.integer(1, 3)
        size = kernel - 2 * padding + stride * draw.integer(9, 30) + rest
        image, window = torch.zeros(1, 1, size, 1), torch.zeros(1, 1, kernel, 1)
        expected = F.conv2d(image, window, stride=(stride, 1), padding=(padding, 0)).shape[2]
        trials.append(Call(size, kernel, stride, padding, expected=expected, hint=hint))
    return trials


def layers(draw: Draw) -> Iterator[tuple[Tensor, Tensor, int, int]]:
    """Images that are not square, filters, stride and padding: each alone and together, with a rest."""
    for kernel, stride, padding in (
        (draw.choice([2, 3]), 1, 0),
        (draw.choice([3, 5]), 1, draw.integer(1, 2)),
        (draw.choice([1, 3]), 2, 0),
        (3, draw.integer(2, 3), 1),
    ):
        channels, filters = draw.integer(1, 3), draw.integer(4, 6)
        height = kernel - 2 * padding + stride * draw.integer(3, 5) + stride - 1  # the largest rest
        x = draw.tensor(draw.integer(2, 3), channels, height, height + draw.integer(1, 4))
        yield x, draw.tensor(filters, channels, kernel, kernel), stride, padding


def conv_by_hand(draw: Draw) -> list[Trial]:
    """Convolutions of drawn images."""
    trials: list[Trial] = []
    for x, weight, stride, padding in layers(draw):
        bias = draw.tensor(len(weight))
        expected = F.conv2d(x, weight, bias, stride, padding)
        hint = "Which pixels does each weight meet, and where is the bias?"
        trials.append(Call(x, weight, bias, stride, padding, expected=expected, hint=hint))
    return trials


def max_pool(draw: Draw) -> list[Trial]:
    """Windows side by side, overlapping, and apart; values of both signs, and negative ones alone."""
    trials: list[Trial] = []
    for kernel, stride in ((2, 2), (3, draw.integer(1, 2)), (2, 3)):
        x = draw.tensor(2, draw.integer(2, 4), draw.integer(6, 9), draw.integer(10, 12))
        for images in (x, -1 - x.abs()):
            expected = F.max_pool2d(images, kernel, stride)
            trials.append(Call(images, kernel, stride, expected=expected, hint="The largest of each window"))
    return trials


def subsample(draw: Draw) -> list[Trial]:
    """Section II.B of LeCun et al. (1998)."""
    x = draw.tensor(2, draw.integer(2, 5), 2 * draw.integer(2, 3), 2 * draw.integer(4, 5))
    coefficient, bias = draw.tensor(x.shape[1], scale=0.5), draw.tensor(x.shape[1], scale=0.5)
    inner = 4 * F.avg_pool2d(x, 2) * coefficient.view(-1, 1, 1) + bias.view(-1, 1, 1)
    expected = 1.7159 * torch.tanh(2 / 3 * inner)
    hint = "The sum of four, times the coefficient, plus the bias, and only then squashed"
    return [Call(x, coefficient, bias, expected=expected, hint=hint)]


def gradient_for_weight(draw: Draw) -> list[Trial]:
    """Gradients for the weights of drawn layers."""
    trials: list[Trial] = []
    for x, weight, stride, padding in layers(draw):
        upstream = draw.tensor(*F.conv2d(x, weight, None, stride, padding).shape)
        expected = conv2d_weight(x, list(weight.shape), upstream, stride, padding)
        hint = "Every use of a weight counts: add over images and places"
        trials.append(Call(x, upstream, weight.shape[-1], stride, padding, expected=expected, hint=hint))
    return trials


def gradient_for_input(draw: Draw) -> list[Trial]:
    """Gradients for the inputs of drawn layers."""
    trials: list[Trial] = []
    for x, weight, stride, padding in layers(draw):
        upstream = draw.tensor(*F.conv2d(x, weight, None, stride, padding).shape)
        expected = conv2d_input(list(x.shape), weight, upstream, stride, padding)
        hint = "Several windows read the same pixel, and all of them send back"
        size = tuple(x.shape[2:])
        trials.append(Call(weight, upstream, size, stride, padding, expected=expected, hint=hint))
    return trials


def conv_counts(draw: Draw) -> list[Trial]:
    """C1 and C3 of the paper, and drawn layers."""
    cases = {(32, 5, 6, 6): (156, 122_304), (14, 5, 60, 16): (1_516, 151_600)}
    for _ in range(3):
        size, kernel, pairs, maps = (
            draw.integer(8, 20),
            draw.integer(1, 7),
            draw.integer(5, 40),
            draw.integer(2, 9),
        )
        side = size - kernel + 1
        parameters = pairs * kernel**2 + maps
        cases[size, kernel, pairs, maps] = (parameters, parameters * side**2)
    hint = "A kernel for each pair, a bias for each output map; then: at how many places is each one used?"
    return [Call(*case, expected=counts, hint=hint) for case, counts in cases.items()]


def lenet5(draw: Draw) -> list[Trial]:
    """The book's own network of that kind."""
    hint = "Follow the table; a ReLU after every layer but the last; maximum pooling"
    return [
        Build(
            channels, classes,
            reference=create_model("lenet5_modern", in_channels=channels, num_classes=classes),
            inputs=[draw.tensor(2, channels, 32, 32)], hint=hint,
        )
        for channels, classes in ((1, 10), (draw.integer(2, 4), draw.integer(11, 20)))
    ]  # fmt: skip


EXERCISES = (
    Exercise("output_size", 8, output_size),
    Exercise("conv_by_hand", 22, conv_by_hand, without=WITHOUT["conv_by_hand"]),
    Exercise("max_pool", 12, max_pool, without=WITHOUT["max_pool"]),
    Exercise("subsample", 10, subsample),
    Exercise("gradient_for_weight", 16, gradient_for_weight, without=WITHOUT["gradient_for_weight"]),
    Exercise("gradient_for_input", 14, gradient_for_input, without=WITHOUT["gradient_for_input"]),
    Exercise("conv_counts", 8, conv_counts),
    Exercise("LeNet5", 10, lenet5),
)

"""Lab 2: receptive fields, and VGG's stacks of 3x3 convolutions."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.receptive import Span
from courseware.grading.assignment import Draw, Exercise
from courseware.grading.trials import Build, Call, Trial

Layer = tuple[int, int, int, int]  # kernel, stride, padding, dilation


def stacks(draw: Draw) -> list[list[Layer]]:
    """Layers without and with strides and dilations, and all of it mixed."""
    plain = [(draw.choice([3, 5, 7]), 1, draw.integer(0, 3), 1) for _ in range(draw.integer(2, 4))]
    strided = [(7, 2, 3, 1), (draw.choice([2, 3]), 2, draw.integer(0, 1), 1), (3, 1, 1, 1)]
    dilated = [(3, 1, 1, 1), (3, 1, draw.integer(0, 2), 2), (3, 1, 4, draw.integer(3, 5))]
    mixed = [
        (draw.choice([3, 5]), draw.integer(1, 3), draw.integer(0, 2), draw.integer(1, 3))
        for _ in range(draw.integer(3, 6))
    ]
    return [plain, strided, dilated, mixed, [(3, 2, 1, 1), *mixed, (3, 2, 2, 2), (3, 1, 1, 1)]]


def span(layers: list[Layer]) -> Span:
    """What the first unit of the last layer sees."""
    seen = Span(extent=1000)
    for layer in layers:
        seen = seen.window(*layer)
    return seen


def receptive_field(draw: Draw) -> list[Trial]:
    """Field and jump of drawn stacks."""
    hint = "Each layer adds (kernel - 1) x dilation inputs, which lie a jump apart; strides multiply the jump"
    return [
        Call(layers, expected=(seen.size, seen.jump), hint=hint)
        for layers in stacks(draw)
        for seen in [span(layers)]
    ]


def input_box(draw: Draw) -> list[Trial]:
    """Boxes of drawn units."""
    trials: list[Trial] = []
    hint = "From the last layer to the first; padding shifts by inputs of its own layer"
    for layers in stacks(draw):
        seen = span(layers)
        for position in (0, draw.integer(2, 9)):
            box = (seen.first + position * seen.jump, seen.last + position * seen.jump)
            trials.append(Call(layers, position, expected=box, hint=hint))
    return trials


def stack_for(draw: Draw) -> list[Trial]:
    """Depth and weights for drawn kernels."""
    trials: list[Trial] = []
    hint = "Each 3x3 layer adds 2 pixels to the field of 1; a layer's weights are C x C kernels"
    for depth in (draw.integer(1, 2), draw.integer(3, 4), draw.integer(5, 7)):
        channels, kernel = draw.integer(5, 99), span([(3, 1, 1, 1)] * depth).size
        expected = (depth, depth * 9 * channels**2, (kernel * channels) ** 2)
        trials.append(Call(kernel, channels, expected=expected, hint=hint))
    return trials


def influence(draw: Draw) -> list[Trial]:
    """Gradient maps of drawn stacks, units near the edge included."""
    trials: list[Trial] = []
    hint = "Padding by kernel // 2, ReLUs but the last, absolute values before any sum, the mean over images"
    for kernels in ((3,), (3, 3), (draw.choice([5, 7]), 3, 1), (3, 3, 3, 3)):
        sizes = [draw.integer(1, 3), *(draw.integer(2, 4) for _ in kernels)]
        weights = [
            draw.tensor(after, before, kernel, kernel)
            for (before, after), kernel in zip(pairwise(sizes), kernels, strict=True)
        ]
        images = draw.tensor(draw.integer(3, 5), sizes[0], 9, 12)
        row, column = draw.integer(0, 4), draw.integer(5, 8)
        trials.append(
            Call(weights, images, row, column, expected=heard(weights, images, row, column), hint=hint)
        )
    return trials


def heard(weights: list[Tensor], images: Tensor, row: int, column: int) -> Tensor:
    """The gradient written out: the unit's signal goes back through convolutions and open ReLUs."""
    signals = [images]
    for weight in weights:
        x = signals[-1] if len(signals) == 1 else F.relu(signals[-1])
        signals.append(F.conv2d(x, weight, padding=weight.shape[-1] // 2))
    back = torch.zeros_like(signals[-1])
    back[:, :, row, column] = 1
    for number in reversed(range(len(weights))):
        back = F.conv_transpose2d(back, weights[number], padding=weights[number].shape[-1] // 2)
        back = back * (signals[number] > 0) if number else back
    return back.abs().sum(dim=1).mean(dim=0)


class Plain(nn.Module):
    """VGG's layers from a list of letters, with a head or without."""

    def __init__(self, config: list[int | str], channels: int, classes: int = 0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for each in config:
            if isinstance(each, int):
                layers += [nn.Conv2d(channels, each, 3, padding=1), nn.ReLU()]
                channels = each
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, classes) if classes else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> maps, or logits."""
        x = self.features(x)
        return x if self.head is None else self.head(x.mean(dim=(2, 3)))


def vgg_stage(draw: Draw) -> list[Trial]:
    """Stages of one, two and three convolutions."""
    trials: list[Trial] = []
    hint = "A ReLU after each convolution, padding 1, biases; pooling last"
    for depth in (1, 2, 3):
        channels, width = draw.integer(2, 5), draw.integer(6, 9)
        reference = Plain([*[width] * depth, "M"], channels)
        inputs = [draw.tensor(2, channels, 8, 12)]
        trials.append(Build(channels, width, depth, reference=reference, inputs=inputs, hint=hint))
    return trials


def vgg(draw: Draw) -> list[Trial]:
    """Small networks of drawn widths."""
    trials: list[Trial] = []
    hint = "A ReLU after each convolution; the head reads the mean of each map over all places"
    a, b, c = draw.integer(3, 6), draw.integer(7, 10), draw.integer(11, 14)
    configs: list[list[int | str]] = [[a, "M"], [a, "M", b, b, "M", c], ["M", c, b]]
    for config in configs:
        channels, classes = draw.integer(1, 3), draw.integer(15, 20)
        reference = Plain(config, channels, classes)
        inputs = [draw.tensor(2, channels, 8, 12)]
        trials.append(Build(config, channels, classes, reference=reference, inputs=inputs, hint=hint))
    return trials


def hidden_width(draw: Draw) -> list[Trial]:
    """Drawn kernels and channels, and one with two widths equally near."""
    trials: list[Trial] = [Call(5, 9, expected=12, hint="Of two equally near widths, the smaller")]
    hint = "The first layer reads c channels, the last writes c; the nearest count, above or below"
    for kernel in (5, 7, 9, 11):
        channels, depth = draw.integer(8, 40), kernel // 2
        gaps = [
            abs(9 * (2 * channels * w + (depth - 2) * w**2) - (kernel * channels) ** 2)
            for w in range(1, 4 * channels)
        ]
        trials.append(Call(kernel, channels, expected=1 + gaps.index(min(gaps)), hint=hint))
    return trials


EXERCISES = (
    Exercise("receptive_field", 15, receptive_field),
    Exercise("input_box", 17, input_box),
    Exercise("stack_for", 10, stack_for),
    Exercise("influence", 18, influence),
    Exercise("vgg_stage", 12, vgg_stage),
    Exercise("VGG", 18, vgg),
    Exercise("hidden_width", 10, hidden_width),
)

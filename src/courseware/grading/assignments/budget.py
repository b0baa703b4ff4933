"""Lab 4: separable convolutions, and a network under a budget."""

import torch
from torch import nn
from torch.nn import functional as F

from convbook.lab import race
from courseware.grading.assignment import Draw, Exercise
from courseware.grading.trials import Build, Call, Network, Trial, Wrong

CONVOLUTIONS = ("conv2d", "Conv2d", "conv_transpose2d", "ConvTranspose2d", "unfold", "Unfold", "as_strided")


def separable_cost(draw: Draw) -> list[Trial]:
    """Costs of pairs of layers of drawn sizes."""
    trials: list[Trial] = []
    for _ in range(3):
        channels_in, channels_out = draw.integer(3, 90), draw.integer(3, 90)
        kernel_size, size = draw.choice([1, 3, 5, 7]), draw.integer(5, 60)
        weights = torch.empty(channels_in, kernel_size, kernel_size).numel()
        weights += torch.empty(channels_out, channels_in).numel()
        hint = "One filter an input channel, then one number for each pair; each used at every position"
        expected = (weights, weights * size**2)
        trials.append(Call(channels_in, channels_out, kernel_size, size, expected=expected, hint=hint))
    return trials


def affordable_width(draw: Draw) -> list[Trial]:
    """Widths tried one after the other."""
    hint = "The largest n for which the filters and the 1x1 together have no more weights than the full layer"
    trials: list[Trial] = []
    for channels, kernel_size in [(1, 3), (draw.integer(8, 90), 3), (draw.integer(8, 60), 5)]:
        area = kernel_size**2
        affordable = (n for n in range(area * channels) if area * n + n * n <= area * channels**2)
        trials.append(Call(channels, kernel_size, expected=max(affordable), hint=hint))
    return trials


def depthwise_conv(draw: Draw) -> list[Trial]:
    """Drawn images and filters, against PyTorch's grouped convolution."""
    trials: list[Trial] = []
    for kernel_size, stride in [(3, 1), (5, 1), (3, 2)]:
        channels = draw.integer(2, 6)
        x = draw.tensor(2, channels, draw.integer(6, 10), draw.integer(6, 10))
        weight = draw.tensor(channels, kernel_size, kernel_size)
        expected = F.conv2d(x, weight[:, None], stride=stride, padding=kernel_size // 2, groups=channels)
        hint = "Zeros around the image, slices shifted by the kernel's offsets, each channel its own filter"
        trials.append(Call(x, weight, stride, expected=expected, hint=hint))
    return trials


def conv_norm(
    channels_in: int, channels_out: int, kernel_size: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution that keeps the size at stride 1, and its norm."""
    padding = kernel_size // 2
    conv = nn.Conv2d(channels_in, channels_out, kernel_size, stride, padding, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(channels_out)]


def separable_conv(draw: Draw) -> list[Trial]:
    """Blocks with and without a stride, in evaluation and in training mode."""
    trials: list[Trial] = []
    for stride, train in [(1, False), (2, True)]:
        channels_in, channels_out = draw.integer(4, 9), draw.integer(10, 16)
        reference = nn.Sequential(
            *conv_norm(channels_in, channels_in, 3, stride, channels_in), nn.ReLU(),
            *conv_norm(channels_in, channels_out, 1), nn.ReLU(),
        )  # fmt: skip
        inputs = [draw.tensor(2, channels_in, 8, 8, scale=5)]
        hint = "3x3 depthwise with the stride, norm, ReLU; 1x1, norm, ReLU"
        args = (channels_in, channels_out, stride)
        trials.append(Build(*args, reference=reference, inputs=inputs, train=train, hint=hint))
    return trials


def scaled_channels(draw: Draw) -> list[Trial]:
    """Widths next to the rule's corners, and drawn ones."""
    hint = "The nearest multiple of 8, half-way the larger; at least 8; never more than a tenth too low"
    cases = [(16, 0.25, 8), (12, 1.0, 16), (32, 0.35, 16), (64, 0.35, 24), (174, 0.5, 88)]
    for _ in range(3):  # far from half-way and from the tenth
        eights, off = draw.integer(12, 60), draw.integer(-3, 3)
        cases.append((2 * (8 * eights + off), 0.5, 8 * eights))
    return [Call(channels, mult, expected=expected, hint=hint) for channels, mult, expected in cases]


class Inverted(nn.Module):
    """A branch, and its input where asked for."""

    def __init__(self, branch: nn.Module, shortcut: bool) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', H', W')."""
        return x + self.branch(x) if self.shortcut else self.branch(x)


def inverted_residual(draw: Draw) -> list[Trial]:
    """Blocks that keep and that change the shape."""
    hint = "1x1 up, norm, ReLU; 3x3 depthwise with the stride, norm, ReLU; 1x1 down, norm and no ReLU; the "
    hint += "input is added where stride is 1 and the channels agree, and nowhere else"
    trials: list[Trial] = []
    for stride, widens in [(1, 0), (1, draw.integer(1, 5)), (2, 0)]:
        channels_in, expansion = draw.integer(4, 7), draw.integer(2, 4)
        channels_out, hidden = channels_in + widens, channels_in * expansion
        branch = nn.Sequential(
            *conv_norm(channels_in, hidden, 1), nn.ReLU(),
            *conv_norm(hidden, hidden, 3, stride, hidden), nn.ReLU(),
            *conv_norm(hidden, channels_out, 1),
        )  # fmt: skip
        reference = Inverted(branch, stride == 1 and not widens)
        inputs = [draw.tensor(2, channels_in, 6, 6, scale=5)]
        args = (channels_in, channels_out, stride, expansion)
        trials.append(Build(*args, reference=reference, inputs=inputs, hint=hint))
    return trials


def held_out(network: nn.Module, draw: Draw) -> float:
    """Train the network as the notebook does, and measure it on images that nobody has seen."""
    problem = race.over_budget(network)
    if problem:
        raise Wrong(problem)
    accuracy = race.race(network, draw.shared)
    share = race.share(accuracy)
    if share < 1:
        raise Wrong(f"trained, it is right on {accuracy:.1%} of the held-out images", share)
    return share


def budget_net(draw: Draw) -> list[Trial]:
    """The student's own network, judged by what it learns."""
    return [
        Network(
            image=race.IMAGE,
            classes=race.CLASSES,
            max_params=race.MAX_PARAMS,
            max_macs=race.MAX_MACS,
            score=held_out,
        )
    ]


EXERCISES = (
    Exercise("separable_cost", 10, separable_cost),
    Exercise("affordable_width", 10, affordable_width),
    Exercise("depthwise_conv", 15, depthwise_conv, without=CONVOLUTIONS),
    Exercise("SeparableConv", 15, separable_conv),
    Exercise("scaled_channels", 10, scaled_channels),
    Exercise("InvertedResidual", 15, inverted_residual),
    Exercise("BudgetNet", 25, budget_net),
)

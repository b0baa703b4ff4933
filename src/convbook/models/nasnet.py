"""NASNet-A (Zoph et al. 2018): two cells that a search found on CIFAR-10, stacked for any data.

A cell reads the outputs of the two cells before it. Its five blocks each add up two operations on what
there is by then; which ones, the search chose. A normal cell keeps the size, a reduction cell halves it.
The authors' TensorFlow code settles what the paper leaves open: padding, stem and normalisation.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.layers.same import AvgPoolSame, MaxPoolSame, PadSame
from convbook.models.registry import IMAGENET, register


class Plan(NamedTuple):
    """What a search finds: for each block two (operation, state), and the states that are put out.

    States 0 and 1 are the cell's inputs, the last cell's output and the one before it; states 2 to 6 are
    the blocks' sums.
    """

    stride: int
    blocks: tuple[tuple[tuple[str, int], tuple[str, int]], ...]
    outputs: tuple[int, ...]


NORMAL = Plan(  # the paper's figure 4, left
    stride=1,
    blocks=(
        (("sep5", 0), ("sep3", 1)),
        (("sep5", 1), ("sep3", 1)),
        (("avg3", 0), ("same", 1)),
        (("avg3", 1), ("avg3", 1)),
        (("sep3", 0), ("same", 0)),
    ),
    outputs=(1, 2, 3, 4, 5, 6),
)
REDUCTION = Plan(  # the paper's figure 4, right; operations on states 0 and 1 stride
    stride=2,
    blocks=(
        (("sep5", 0), ("sep7", 1)),
        (("max3", 0), ("sep7", 1)),
        (("avg3", 0), ("sep5", 1)),
        (("same", 3), ("avg3", 2)),
        (("sep3", 2), ("max3", 0)),
    ),
    outputs=(3, 4, 5, 6),
)


def norm(channels: int) -> nn.BatchNorm2d:
    """Normalisation with the authors' epsilon."""
    return nn.BatchNorm2d(channels, eps=1e-3)


class Squeeze(nn.Sequential):
    """ReLU, a 1x1 convolution, normalisation: what every input of a cell passes first."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.ReLU(), nn.Conv2d(in_channels, out_channels, 1, bias=False), norm(out_channels))


class HalvingSqueeze(nn.Module):
    """Half the channels from the pixels at even places, half from those at odd ones.

    (N, in, H, W) -> (N, out, ceil(H / 2), ceil(W / 2)): so an input fits one that was halved since.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(in_channels, out_channels // 2, 1, bias=False)
        self.odd = nn.Conv2d(in_channels, out_channels // 2, 1, bias=False)
        self.norm = norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Take every second pixel, twice."""
        x = self.relu(x)
        shifted = F.pad(x, (0, 1, 0, 1))[..., 1:, 1:]  # one up and left, zeros behind
        return self.norm(torch.cat([self.even(x[..., ::2, ::2]), self.odd(shifted[..., ::2, ::2])], dim=1))


class TwiceSeparable(nn.Sequential):
    """ReLU, depthwise, 1x1, normalisation; and once more at stride 1 (the paper's appendix A.4)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int) -> None:
        layers: list[nn.Module] = []
        for channels, step in ((in_channels, stride), (out_channels, 1)):
            layers += [
                nn.ReLU(),
                PadSame(kernel_size, step),
                nn.Conv2d(channels, channels, kernel_size, step, groups=channels, bias=False),
                nn.Conv2d(channels, out_channels, 1, bias=False),
                norm(out_channels),
            ]
        super().__init__(*layers)


def operation(name: str, in_channels: int, width: int, stride: int, count_padding: bool) -> nn.Module:
    """One yellow box of the paper's figure 4."""
    if name == "same":
        return nn.Identity()
    if name == "max3":
        return MaxPoolSame(3, stride)
    if name == "avg3":
        return AvgPoolSame(3, stride, count_padding and stride > 1)
    return TwiceSeparable(in_channels, width, int(name.removeprefix("sep")), stride)


class Cell(nn.Module):
    """The blocks of a plan, and its outputs concatenated.

    Two maps, current and previous -> (N, width * outputs, H / stride, W / stride), ceiled.

    Args:
        plan: NORMAL or REDUCTION.
        current: channels of the last cell's output.
        previous: channels of the output before it.
        width: channels of every state.
        fit: how ``previous`` becomes a state: "squeeze"; "halve" if it is twice as large as ``current``;
            "raw" leaves it as it is.
        count_padding: see :class:`NASNet`.
    """

    def __init__(
        self, plan: Plan, current: int, previous: int, width: int, fit: str, count_padding: bool
    ) -> None:
        super().__init__()
        self.plan = plan
        self.squeeze = Squeeze(current, width)
        self.squeeze_previous: nn.Module = nn.Identity()
        if fit != "raw":
            kind = HalvingSqueeze if fit == "halve" else Squeeze
            self.squeeze_previous = kind(previous, width)
        inputs = (width, previous if fit == "raw" else width)

        def build(name: str, state: int) -> nn.Module:
            channels, stride = (inputs[state], plan.stride) if state < len(inputs) else (width, 1)
            return operation(name, channels, width, stride, count_padding)

        self.left = nn.ModuleList(build(*left) for left, _ in plan.blocks)
        self.right = nn.ModuleList(build(*right) for _, right in plan.blocks)

    def forward(self, current: Tensor, previous: Tensor) -> Tensor:
        """Fit both inputs, run the blocks in order."""
        states = [self.squeeze(current), self.squeeze_previous(previous)]
        for ((_, i), (_, j)), left, right in zip(self.plan.blocks, self.left, self.right, strict=True):
            states.append(left(states[i]) + right(states[j]))
        return torch.cat([states[i] for i in self.plan.outputs], dim=1)


class NASNet(nn.Module):
    """Stem, three stages of normal cells with a reduction cell between them, global average, one layer.

    (N, in_channels, H, W) -> logits (N, num_classes). The paper writes "repeats @ filters". Left out are
    the auxiliary head and ScheduledDropPath, which belong to the training recipe.

    Args:
        filters: channels that the classifier reads: six outputs of a cell, four times the first width.
        repeats: normal cells in each stage, the paper's N.
        stem_channels: channels of the first convolution.
        stem: "imagenet", a 3x3 at stride 2 without padding and two reduction cells; "cifar", a 3x3 only,
            which the first cell reads twice.
        skip_reduction: the cell behind a reduction cell takes as its second input not what the reduction
            cell read first, but what it read second. The authors set it in the large network alone.
        dropout: before the classifier.
        count_padding: where an average pooling strides, take the padding's zeros for pixels, as timm does;
            the authors' code never does.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if the filters cannot be shared out, there are no repeats, or the stem is unknown.
    """

    def __init__(
        self,
        *,
        filters: int = 4032,
        repeats: int = 6,
        stem_channels: int = 96,
        stem: str = "imagenet",
        skip_reduction: bool = False,
        dropout: float = 0.5,
        count_padding: bool = False,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if stem not in ("imagenet", "cifar"):
            raise ValueError(f'stem={stem!r} is unknown: take "imagenet" or "cifar"')
        imagenet = stem == "imagenet"
        least_filters = 96 if imagenet else 24
        if filters < 1 or filters % least_filters:
            raise ValueError(f'filters={filters} with stem="{stem}": take a multiple of {least_filters}')
        if repeats < 1:
            raise ValueError(f"repeats={repeats} leaves no normal cell: take 1 or more")
        self.in_channels, self.least = in_channels, 3 if imagenet else 1
        first = nn.Conv2d(
            in_channels,
            stem_channels,
            3,
            stride=2 if imagenet else 1,
            padding=0 if imagenet else 1,
            bias=False,
        )
        self.stem = nn.Sequential(first, norm(stem_channels))

        width = filters // 24
        plans = [(REDUCTION, width // 4), (REDUCTION, width // 2)] if imagenet else []
        stems = len(plans)
        for stage in range(3):
            plans += [(REDUCTION, width * 2**stage)] if stage else []
            plans += [(NORMAL, width * 2**stage)] * repeats
        made = [(stem_channels, 0)]  # channels and halvings of all outputs so far
        self.cells, self.back = nn.ModuleList(), []
        for i, (plan, states) in enumerate(plans):
            behind_reduction = i > stems and plans[i - 1][0] is REDUCTION
            back = min(3 if skip_reduction and behind_reduction else 2, len(made))
            (current, halvings), (previous, earlier) = made[-1], made[-back]
            fit = "raw" if imagenet and i == 0 else "halve" if earlier < halvings else "squeeze"
            self.cells.append(Cell(plan, current, previous, states, fit, count_padding))
            self.back.append(back)
            made.append((states * len(plan.outputs), halvings + plan.stride - 1))

        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(filters, num_classes)
        self.dropout = nn.Dropout(dropout)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least)
        outputs = [self.stem(x)]  # 331: (N, 96, 165, 165)
        for cell, back in zip(self.cells, self.back, strict=True):
            outputs = [*outputs[-2:], cell(outputs[-1], outputs[-back])]  # 83, 42; 42, 21, 11
        x = self.relu(outputs[-1])  # (N, 4032, 11, 11)
        return self.classifier(self.dropout(self.pool(x).flatten(1)))


NASNETS: dict[str, dict[str, Any]] = {
    "nasnet_a_large": {"filters": 4032, "repeats": 6, "stem_channels": 96, "skip_reduction": True}
}
MOBILE: dict[str, dict[str, Any]] = {"nasnet_a_mobile": {"filters": 1056, "repeats": 4, "stem_channels": 32}}
LARGE_IMAGES: dict[str, Any] = IMAGENET | {"input_size": (3, 331, 331)}

register(NASNet, NASNETS, family="nasnet", paper="zoph2018learning", year=2018, **LARGE_IMAGES)
register(NASNet, MOBILE, family="nasnet", paper="zoph2018learning", year=2018, **IMAGENET)

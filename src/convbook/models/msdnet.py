"""MSDNet (Huang et al. 2018): dense layers on three scales at once, and a classifier every few layers.

Every layer keeps coarse maps beside the fine ones, so a classifier after four layers reads features as
coarse as the last one does. An easy image can leave early; :mod:`convbook.adaptive` decides which.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import CIFAR, register

ANYTIME = (4, *[2] * 10)  # layers up to each classifier: it reads layer 2 (i + 1), i = 1 ... 11 (appendix A)


def step(in_channels: int, out_channels: int, bottleneck: int, stride: int) -> nn.Sequential:
    """A 1x1 convolution to at most ``bottleneck * out_channels`` channels, then a 3x3 (appendix A)."""
    inner = min(in_channels, bottleneck * out_channels)
    return nn.Sequential(ConvNorm(in_channels, inner, 1), ConvNorm(inner, out_channels, 3, stride))


class MultiScaleLayer(nn.Module):
    """One layer on all its scales (Huang et al. 2018, section 4.1, figures 2 and 3).

    Maps of ``channels``, finest first, each at ceil(half) the sides of the one before -> as many maps, or
    all but the finest: each scale keeps what it had and gains ``growth`` channels, half of them from its own
    map and half from the next finer one at stride 2. With no finer one, all come from its own.
    """

    def __init__(self, channels: Sequence[int], growth: Sequence[int], bottlenecks: Sequence[int]) -> None:
        super().__init__()
        self.drop = len(channels) - len(growth)
        self.own, self.finer = nn.ModuleList(), nn.ModuleList()
        for scale, new in enumerate(growth, start=self.drop):
            if scale == 0:
                self.own.append(step(channels[0], new, bottlenecks[0], 1))
                continue
            self.own.append(step(channels[scale], new // 2, bottlenecks[scale], 1))
            self.finer.append(step(channels[scale - 1], new // 2, bottlenecks[scale - 1], 2))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Old channels first, then those from the finer scale, then the scale's own."""
        kept = maps[self.drop :]
        new = [own(x) for own, x in zip(self.own, kept, strict=True)]
        below = [finer(x) for finer, x in zip(self.finer, maps, strict=False)]
        parts = [[x, y] for x, y in zip(kept, new, strict=True)]
        for group, x in zip(parts[len(parts) - len(below) :], below, strict=True):
            group.insert(1, x)
        return [torch.cat(group, dim=1) for group in parts]


class Transition(nn.ModuleList):
    """A 1x1 convolution on each scale that keeps a share of its channels (section 4.1, lazy computation)."""

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Each scale by itself."""
        return [squeeze(x) for squeeze, x in zip(self, maps, strict=True)]


class MSDNet(nn.Module):
    """A multi-scale dense trunk with early exits.

    (N, in_channels, H, W) -> logits of the last classifier (N, num_classes). :meth:`exits` gives those of
    all of them, and **it is what one trains**: the paper adds up the cross entropies of all exits, with
    equal weights. ``forward`` runs the trunk and the last classifier only, so by itself it leaves the
    earlier classifiers without a gradient.

    The finest scale is given up after each of as many equal parts of the trunk as there are scales, since
    later classifiers cannot reach it any more; with it goes a share of the channels. Widths of the stem
    and the bottlenecks are those of the authors' code, about which the paper is silent.

    Args:
        depths: layers in front of each classifier, counted from the one before.
        growth_rate: channels that a layer adds on the finest scale.
        scales: how many times as many channels each scale has, finest first.
        bottlenecks: width of the 1x1 convolutions on each scale, in output channels of the 3x3.
        stem_channels: channels of the first layer on the finest scale.
        compression: share of the channels that a transition keeps; 1 leaves transitions out.
        classifier_channels: channels of a classifier's two convolutions at stride 2.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if there is no layer in front of a classifier, the growth cannot be halved, scales and
            bottlenecks do not match, the layers cannot be shared out among the scales, or nothing is kept.
    """

    least = 1

    def __init__(
        self,
        *,
        depths: Sequence[int] = ANYTIME,
        growth_rate: int = 6,
        scales: Sequence[int] = (1, 2, 4),
        bottlenecks: Sequence[int] = (1, 2, 4),
        stem_channels: int = 16,
        compression: float = 0.5,
        classifier_channels: int = 128,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if min(depths, default=0) < 1:
            raise ValueError(f"depths={tuple(depths)}: take 1 or more layers in front of each classifier")
        if len(scales) != len(bottlenecks) or not scales:
            raise ValueError(f"scales={tuple(scales)} needs as many bottlenecks, got {tuple(bottlenecks)}")
        if any(growth_rate * scale % 2 for scale in scales[1:]) or growth_rate < 1:
            raise ValueError(
                f"growth_rate={growth_rate} times scales={tuple(scales)} must be even behind the first scale"
            )
        if not 0 < compression <= 1:
            raise ValueError(f"compression={compression} must be above 0 and at most 1")
        part = -(-sum(depths) // len(scales))  # layers until the next scale is given up
        if (sum(depths) - 1) // part < len(scales) - 1:
            raise ValueError(
                f"depths={tuple(depths)} cannot be shared out among {len(scales)} scales: the finer maps of "
                "the last layer would lead nowhere; change the number of layers"
            )
        self.in_channels = in_channels
        stem = [in_channels, *(stem_channels * scale for scale in scales)]
        self.stem = nn.ModuleList(
            ConvNorm(old, new, 3, 2 if i else 1) for i, (old, new) in enumerate(pairwise(stem))
        )
        base, before = stem_channels, 0  # channels on a scale over its factor; scales given up so far
        layers: list[nn.Module] = []
        ends = []
        for number in range(sum(depths)):
            dropped = number // part
            layers.append(
                MultiScaleLayer(
                    [base * scale for scale in scales[before:]],
                    [growth_rate * scale for scale in scales[dropped:]],
                    bottlenecks[before:],
                )
            )
            base += growth_rate
            if dropped > before and compression < 1:
                kept = int(base * compression)
                if kept < 1:
                    raise ValueError(f"compression={compression} leaves no channel of {base}: take more")
                layers[-1] = nn.Sequential(
                    layers[-1], Transition(ConvNorm(base * s, kept * s, 1) for s in scales[dropped:])
                )
                base = kept
            before = dropped
            ends.append(base * scales[-1])
        stops = [0, *accumulate(depths)]
        self.blocks = nn.ModuleList(nn.Sequential(*layers[start:stop]) for start, stop in pairwise(stops))
        self.classifiers = nn.ModuleList(
            nn.Sequential(
                ConvNorm(ends[stop - 1], classifier_channels, 3, 2),
                ConvNorm(classifier_channels, classifier_channels, 3, 2),
                nn.AdaptiveAvgPool2d(1),  # at 32 pixels the paper's 2x2
                nn.Flatten(1),
                nn.Linear(classifier_channels, num_classes),
            )
            for stop in stops[1:]
        )
        he_normal(self)

    def scales_of(self, x: Tensor) -> list[Tensor]:
        """The first layer: the image on every scale, (N, 16, 32, 32), (N, 32, 16, 16), (N, 64, 8, 8)."""
        require_image(x, self.in_channels, self.least)
        maps = []
        for conv in self.stem:
            x = conv(x)
            maps.append(x)
        return maps

    def exits(self, x: Tensor) -> list[Tensor]:
        """Logits of every classifier, the earliest first: each (N, num_classes)."""
        maps, logits = self.scales_of(x), []
        for block, classifier in zip(self.blocks, self.classifiers, strict=True):
            maps = block(maps)
            logits.append(classifier(maps[-1]))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the last classifier."""
        maps = self.scales_of(x)
        for block in self.blocks:
            maps = block(maps)
        return self.classifiers[-1](maps[-1])


MSDNETS: dict[str, dict[str, Any]] = {"msdnet_cifar": {}}

register(MSDNet, MSDNETS, family="msdnet", paper="huang2018multi", year=2018, **CIFAR)

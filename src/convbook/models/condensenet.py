"""CondenseNet (Huang et al. 2018): a DenseNet that learns which of its connections to keep."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convbook.layers.convolution import check_groups, conv3x3
from convbook.layers.image import require_image
from convbook.layers.initial import fill_bias, he_normal
from convbook.layers.learned_group import IndexedGroupConv, LearnedGroupConv, check_condense_factor
from convbook.layers.shuffle import ChannelShuffle
from convbook.models.registry import CIFAR, register


class CondenseLayer(nn.Sequential):
    """A learned group 1x1, then a grouped 3x3; what comes in goes out too (figure 3).

    (N, in, H, W) -> (N, in + growth_rate, H, W). The shuffle lets each group of the 3x3 read from all
    groups of the 1x1.
    """

    def __init__(
        self, in_channels: int, growth_rate: int, groups: int, condense_factor: int, condensed: bool
    ) -> None:
        inner = 4 * growth_rate
        check_groups(groups, inner, growth_rate)
        check_condense_factor(condense_factor, in_channels)
        learned: nn.Module
        if condensed:
            learned = IndexedGroupConv(in_channels, inner, groups, in_channels // condense_factor)
        else:
            learned = LearnedGroupConv(in_channels, inner, groups, condense_factor)
        super().__init__(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(inplace=True),
            learned,
            ChannelShuffle(groups),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            conv3x3(inner, growth_rate, groups=groups),
        )

    def forward(self, x: Tensor) -> Tensor:
        """New features behind the old ones."""
        return torch.cat([x, super().forward(x)], dim=1)


class CondenseNet(nn.Module):
    """Densely connected blocks with growth rates that double, average pooling between them.

    (N, in_channels, H, W) -> logits (N, num_classes). Train it with :meth:`condense` called once an epoch and
    a little of :meth:`group_lasso` in the loss, then take :meth:`to_condensed`, which is C times as thin in
    its 1x1 convolutions. It differs from the authors' code in that the index layer stands behind batch
    normalisation, not before it, and in that the classifier stays dense.

    Args:
        depths: layers in each block.
        growth_rates: channels that each layer of a block adds (section 3.2: k doubles from block to block).
        groups: the paper's G, of both convolutions.
        condense_factor: the paper's C; no more than one input in C is left to a group.
        condensed: builds the sparse form at once, for the state of a network that was converted.
        stem_stride: 1 for images of 32 pixels, 2 for ImageNet.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if blocks and growth rates differ in number, or groups and factor do not divide channels.
    """

    def __init__(
        self,
        *,
        depths: Sequence[int] = (12, 12, 12),
        growth_rates: Sequence[int] = (8, 16, 32),
        groups: int = 4,
        condense_factor: int = 4,
        condensed: bool = False,
        stem_stride: int = 1,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(depths) != len(growth_rates):
            raise ValueError(
                f"growth_rates={tuple(growth_rates)} needs one a block of depths={tuple(depths)}"
            )
        self.in_channels, self.condense_factor = in_channels, condense_factor
        self.least = stem_stride * (2 ** (len(depths) - 1) - 1) + 1
        channels = 2 * growth_rates[0]
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 3, stem_stride, padding=1, bias=False)]
        for number, (depth, growth_rate) in enumerate(zip(depths, growth_rates, strict=True)):
            if number > 0:
                layers.append(nn.AvgPool2d(2))  # 32, 16, 8 pixels; old features go on, only smaller
            for _ in range(depth):
                layers.append(CondenseLayer(channels, growth_rate, groups, condense_factor, condensed))
                channels += growth_rate
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        he_normal(self)
        fill_bias(self.classifier, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        return self.classifier(self.pool(self.features(x)).flatten(1))

    def condense(self, progress: float) -> None:
        """Prune as far as training has come, from 0 (start) to 1 (end) (section 3.1, figure 4).

        The first half of training is C - 1 stages, each of which ends with 1/C of the connections gone;
        the second half trains what is left. What is gone stays gone, and a second call changes nothing.

        Raises:
            ValueError: if progress is not between 0 and 1.
        """
        if not 0 <= progress <= 1:
            raise ValueError(f"progress={progress} is no share of the training: take 0 to 1")
        stages = self.condense_factor - 1
        for layer in self._learned():
            layer.prune(min(stages, int(2 * progress * stages)))

    def group_lasso(self) -> Tensor:
        """Add a little of this to the loss, so that groups agree on what to drop; 0 if condensed."""
        terms = [layer.group_lasso() for layer in self._learned()]
        return torch.stack(terms).sum() if terms else self.classifier.weight.new_zeros(())

    def to_condensed(self) -> "CondenseNet":
        """A copy with index layers and standard group convolutions, which computes the same.

        Its state fits ``condensed=True`` once ``condense(0.5)`` or more was called.
        """
        sparse = copy.deepcopy(self)
        for name, module in list(sparse.named_modules()):
            if isinstance(module, LearnedGroupConv):
                sparse.set_submodule(name, module.to_indexed())
        return sparse

    def _learned(self) -> list[LearnedGroupConv]:
        return [module for module in self.modules() if isinstance(module, LearnedGroupConv)]


VARIANTS: dict[str, dict[str, Any]] = {"condensenet74_cifar": {}}

register(CondenseNet, VARIANTS, family="condensenet", paper="huang2018condensenet", year=2018, **CIFAR)

"""DenseNet: every layer of a block reads what all layers before it made (Huang et al. 2017)."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from convbook.layers.convolution import conv1x1, conv3x3
from convbook.layers.drop import check_rate
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import CIFAR, IMAGENET, register


class DenseLayer(nn.Module):
    """Normalise, activate, convolve: ``growth_rate`` new maps from all maps so far.

    A list of (N, C_i, H, W) -> (N, growth_rate, H, W).

    Args:
        in_channels: channels of all maps so far together.
        growth_rate: channels that the layer adds.
        bottleneck: a 1x1 convolution to ``bottleneck * growth_rate`` channels goes before the 3x3; None
            leaves it out.
        dropout: after each convolution.
        memory_efficient: keep neither the concatenation nor its normalisation for the way back, but compute
            them again.
    """

    def __init__(
        self,
        in_channels: int,
        growth_rate: int,
        bottleneck: int | None = 4,
        dropout: float = 0.0,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.dropout, self.memory_efficient = dropout, memory_efficient
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        if bottleneck is not None:
            inner = bottleneck * growth_rate
            self.conv1 = conv1x1(in_channels, inner)
            self.norm2 = nn.BatchNorm2d(inner)
            self.conv2: nn.Module | None = conv3x3(inner, growth_rate)
        else:
            self.conv1 = conv3x3(in_channels, growth_rate)
            self.conv2 = None

    def first(self, *features: Tensor) -> Tensor:
        """Concatenate, normalise, activate, convolve: what takes memory quadratic in depth if it is kept."""
        return self.conv1(self.relu(self.norm1(torch.cat(features, dim=1))))

    def again(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Contexts of the first run and of the repetition, which must not count in running statistics."""
        return nullcontext(), _without_statistics(self.norm1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The new maps."""
        if self.memory_efficient and self.training and torch.is_grad_enabled():
            x = checkpoint(self.first, *features, use_reentrant=False, context_fn=self.again)
        else:
            x = self.first(*features)
        x = nn.functional.dropout(x, self.dropout, self.training)
        if self.conv2 is None:
            return x
        x = self.conv2(self.relu(self.norm2(x)))
        return nn.functional.dropout(x, self.dropout, self.training)


@contextmanager
def _without_statistics(norm: nn.BatchNorm2d) -> Iterator[None]:
    """Let a layer normalise by its batch, as in training, and forget what it counted meanwhile."""
    counted = dict(norm.named_buffers())
    for name, value in counted.items():
        setattr(norm, name, value.clone())
    try:
        yield
    finally:
        for name, value in counted.items():
            setattr(norm, name, value)


class DenseBlock(nn.ModuleDict):
    """Layers that each read the block's input and the output of all layers before.

    (N, C, H, W) -> (N, C + depth * growth_rate, H, W).
    """

    def __init__(self, depth: int, in_channels: int, growth_rate: int, **options: Any) -> None:
        super().__init__()
        for i in range(depth):
            self[f"denselayer{i + 1}"] = DenseLayer(in_channels + i * growth_rate, growth_rate, **options)

    def forward(self, x: Tensor) -> Tensor:
        """All maps, old and new."""
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, dim=1)


class Transition(nn.Sequential):
    """Between blocks: a 1x1 convolution that may compress, and pooling (N, out, H // 2, W // 2)."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = conv1x1(in_channels, out_channels)
        if dropout:
            self.drop = nn.Dropout(dropout)
        self.pool = nn.AvgPool2d(2)


class DenseNet(nn.Module):
    """A stem, dense blocks with transitions between them, pooling, one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes). Modules are named as in torchvision.

    Args:
        depths: layers in each dense block.
        growth_rate: channels that each layer adds, the paper's k.
        bottleneck: the 1x1 convolution in each layer puts out this many times k channels (the B of
            DenseNet-BC is 4); None leaves it out.
        compression: share of its channels that a transition keeps (the C of DenseNet-BC is 0.5).
        stem_channels: channels of the first convolution; None takes ``2 * growth_rate``.
        stem: "imagenet" (7x7 at stride 2, then pooling) or "cifar" (3x3 at stride 1).
        dropout: after every convolution but the first; the paper takes 0.2 where it does not augment data.
        memory_efficient: compute cheap layers a second time rather than keep them (Pleiss et al. 2017);
            output, gradients and running statistics stay the same.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if an option is unknown or out of range.
    """

    def __init__(
        self,
        depths: Sequence[int] = (6, 12, 24, 16),
        *,
        growth_rate: int = 32,
        bottleneck: int | None = 4,
        compression: float = 0.5,
        stem_channels: int | None = None,
        stem: str = "imagenet",
        dropout: float = 0.0,
        memory_efficient: bool = False,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not 0 < compression <= 1:
            raise ValueError(
                f"compression={compression} keeps no channels or invents some: take one in (0, 1]"
            )
        if stem not in ("imagenet", "cifar"):
            raise ValueError(f'stem={stem!r} is unknown: take "imagenet" or "cifar"')
        check_rate("dropout", dropout)
        self.in_channels = in_channels
        self.least = (4 if stem == "imagenet" else 1) * 2 ** (len(depths) - 1)
        channels = 2 * growth_rate if stem_channels is None else stem_channels
        options: dict[str, Any] = {
            "bottleneck": bottleneck,
            "dropout": dropout,
            "memory_efficient": memory_efficient,
        }
        if stem == "imagenet":
            self.features = nn.Sequential(
                OrderedDict(
                    conv0=nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
                    norm0=nn.BatchNorm2d(channels),
                    relu0=nn.ReLU(inplace=True),
                    pool0=nn.MaxPool2d(3, stride=2, padding=1),
                )
            )
        else:
            self.features = nn.Sequential(OrderedDict(conv0=conv3x3(in_channels, channels)))
        for i, depth in enumerate(depths, start=1):
            self.features.add_module(f"denseblock{i}", DenseBlock(depth, channels, growth_rate, **options))
            channels += depth * growth_rate
            if i < len(depths):
                kept = int(channels * compression)
                self.features.add_module(f"transition{i}", Transition(channels, kept, dropout))
                channels = kept
        self.features.add_module(f"norm{len(depths) + 1}", nn.BatchNorm2d(channels))
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        he_normal(self)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        x = self.relu(self.features(x))  # densenet121 at 224: (N, 1024, 7, 7)
        return self.classifier(self.pool(x).flatten(1))


VARIANTS: dict[str, dict[str, Any]] = {
    "densenet121": {"depths": (6, 12, 24, 16)},
    "densenet169": {"depths": (6, 12, 32, 32)},
    "densenet201": {"depths": (6, 12, 48, 32)},
    "densenet264": {"depths": (6, 12, 64, 48)},
}
PLAIN: dict[str, Any] = {"bottleneck": None, "compression": 1.0, "stem_channels": 16, "stem": "cifar"}
VARIANTS_CIFAR: dict[str, dict[str, Any]] = {
    "densenet100_12_cifar": {"depths": (32, 32, 32), "growth_rate": 12, **PLAIN},  # 3 n + 4 layers
    # With bottlenecks 6 n + 4 layers
    "densenetbc100_12_cifar": {"depths": (16, 16, 16), "growth_rate": 12, "stem": "cifar"},
    "densenetbc250_24_cifar": {"depths": (41, 41, 41), "growth_rate": 24, "stem": "cifar"},
    "densenetbc190_40_cifar": {"depths": (31, 31, 31), "growth_rate": 40, "stem": "cifar"},
}

register(DenseNet, VARIANTS, family="densenet", paper="huang2017densely", year=2017, **IMAGENET)
register(DenseNet, VARIANTS_CIFAR, family="densenet", paper="huang2017densely", year=2017, **CIFAR)

"""MobileNet (Howard et al. 2017) and MobileNetV2 (Sandler et al. 2018)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.convolution import Activation, ConvNorm, DepthwiseSeparable
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal, small_normal
from convbook.models.registry import IMAGENET, register
from convbook.models.resnet_blocks import ATTENTION

V1_BODY = (  # (channels, stride) of each block: table 1 of the paper, two rows a block
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),  # the paper prints stride 2 here, which would leave 4x4 and not the 7x7 it pools
)
GATES = (None, "se", "cbam", "scse")


def thin(channels: int, width_mult: float) -> int:
    """``int(width_mult * channels)``, but at least 8 as in the authors' code."""
    if width_mult <= 0:
        raise ValueError(f"width_mult={width_mult} leaves no channels: take one above 0, such as 0.5")
    return max(8, int(channels * width_mult))


class MobileNetV1(nn.Module):
    """A thin stem, then thirteen depthwise separable blocks.

    (N, in_channels, H, W) -> logits (N, num_classes). The paper's resolution multiplier is no argument:
    it is the size of the images that come in.

    Args:
        width_mult: the paper's alpha; channels become ``int(alpha * c)``, at least 8.
        config: (channels, stride) of each block, before ``width_mult``.
        stem_channels: channels of the first convolution, before ``width_mult``.
        stem_stride: 2 as published; 1 suits images of 32 pixels.
        separable: False builds the 'Conv MobileNet' of table 4, a full 3x3 convolution a block.
        activation: nn.ReLU as in the paper; the authors' code takes nn.ReLU6.
        attention: a gate after every block, as Woo et al. 2018 (table 5) add it: "se", "cbam" or "scse".
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if ``attention`` is unknown.
    """

    def __init__(
        self,
        *,
        width_mult: float = 1.0,
        config: Sequence[tuple[int, int]] = V1_BODY,
        stem_channels: int = 32,
        stem_stride: int = 2,
        separable: bool = True,
        activation: Activation = nn.ReLU,
        attention: str | None = None,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if attention not in GATES:
            raise ValueError(f"attention={attention!r} is unknown: take one of {', '.join(map(str, GATES))}")
        self.in_channels = in_channels
        self.least = stem_stride
        channels = thin(stem_channels, width_mult)
        self.stem = ConvNorm(in_channels, channels, 3, stem_stride, activation=activation)
        blocks: list[nn.Module] = []
        for base, stride in config:
            out = thin(base, width_mult)
            if separable:
                blocks.append(DepthwiseSeparable(channels, out, stride, activation))
            else:
                blocks.append(ConvNorm(channels, out, 3, stride, activation=activation))
            if attention:
                blocks.append(ATTENTION[attention](out, 16))  # hidden units: a sixteenth of the channels
            channels = out
            self.least *= stride
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        he_normal(self)
        small_normal(self.classifier)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them, or build with stem_stride=1")
        x = self.blocks(self.stem(x))  # 224: (N, 1024, 7, 7)
        return self.classifier(self.pool(x).flatten(1))


class InvertedResidual(nn.Module):
    """Widen by a 1x1, filter depthwise, narrow by a linear 1x1 (Sandler et al. 2018, figure 4d).

    (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)); the narrow ends carry the shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        widen = [ConvNorm(in_channels, hidden, 1, activation=nn.ReLU6)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *widen,
            ConvNorm(hidden, hidden, 3, stride, groups=hidden, activation=nn.ReLU6),
            *ConvNorm(hidden, out_channels, 1, activation=None),  # unpacked: the names torchvision gives
        )
        self.use_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """The branch, and its input where shapes allow."""
        return x + self.conv(x) if self.use_shortcut else self.conv(x)


V2_BODY = (  # expansion t, channels c, repeats n, stride s: table 2 of the paper
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def round_to_8(channels: float) -> int:
    """The nearest multiple of 8 that is at least 8 and loses no more than a tenth."""
    if channels <= 0:
        raise ValueError("width_mult leaves no channels: take one above 0, such as 0.5")
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class MobileNetV2(nn.Module):
    """Inverted residuals with linear bottlenecks. Parameters are named as in torchvision.

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        width_mult: scales every width, in multiples of 8; below 1 the last convolution keeps its 1280.
        config: (expansion, channels, repeats, stride) of each stage.
        stem_stride: 2 as published; 1 suits images of 32 pixels.
        dropout: before the classifier.
        num_classes: classes to tell apart.
        in_channels: channels of the images.
    """

    def __init__(
        self,
        *,
        width_mult: float = 1.0,
        config: Sequence[tuple[int, int, int, int]] = V2_BODY,
        stem_stride: int = 2,
        dropout: float = 0.2,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        channels = round_to_8(32 * width_mult)
        last = round_to_8(1280 * max(1.0, width_mult))
        self.in_channels, self.least = in_channels, stem_stride
        layers: list[nn.Module] = [ConvNorm(in_channels, channels, 3, stem_stride, activation=nn.ReLU6)]
        for expansion, base, repeats, first_stride in config:
            out = round_to_8(base * width_mult)
            for i in range(repeats):
                layers.append(InvertedResidual(channels, out, first_stride if i == 0 else 1, expansion))
                channels = out
            self.least *= first_stride
        layers.append(ConvNorm(channels, last, 1, activation=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        head = nn.Linear(last, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout), head)
        he_normal(self)
        small_normal(head)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them, or build with stem_stride=1")
        x = self.features(x)  # 224: (N, 1280, 7, 7)
        return self.classifier(self.pool(x).flatten(1))


VARIANTS_V1: dict[str, dict[str, Any]] = {
    "mobilenet_v1": {},
    "mobilenet_v1_full": {"separable": False},
    "mobilenet_v1_shallow": {"config": (*V1_BODY[:6], *V1_BODY[11:])},  # without the five 512 blocks
}
VARIANTS_V2: dict[str, dict[str, Any]] = {"mobilenet_v2": {}}

register(MobileNetV1, VARIANTS_V1, family="mobilenet", paper="howard2017mobilenets", year=2017, **IMAGENET)
register(MobileNetV2, VARIANTS_V2, family="mobilenet", paper="sandler2018mobilenetv2", year=2018, **IMAGENET)

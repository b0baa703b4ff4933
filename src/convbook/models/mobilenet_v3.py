"""MobileNetV3 (Howard et al. 2019)."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import fill_bias, he_normal, small_normal
from convbook.models.mobilenet import round_to_8
from convbook.models.registry import IMAGENET, register

Row = tuple[int, int, int, bool, str, int]  # kernel, expansion, out, SE, non-linearity, stride
LARGE: tuple[Row, ...] = (  # table 1 of the paper
    (3, 16, 16, False, "RE", 1),
    (3, 64, 24, False, "RE", 2),
    (3, 72, 24, False, "RE", 1),
    (5, 72, 40, True, "RE", 2),
    (5, 120, 40, True, "RE", 1),
    (5, 120, 40, True, "RE", 1),
    (3, 240, 80, False, "HS", 2),
    (3, 200, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 480, 112, True, "HS", 1),
    (3, 672, 112, True, "HS", 1),
    (5, 672, 160, True, "HS", 2),
    (5, 960, 160, True, "HS", 1),
    (5, 960, 160, True, "HS", 1),
)
SMALL: tuple[Row, ...] = (  # table 2
    (3, 16, 16, True, "RE", 2),
    (3, 72, 24, False, "RE", 2),
    (3, 88, 24, False, "RE", 1),
    (5, 96, 40, True, "HS", 2),
    (5, 240, 40, True, "HS", 1),
    (5, 240, 40, True, "HS", 1),
    (5, 120, 48, True, "HS", 1),
    (5, 144, 48, True, "HS", 1),
    (5, 288, 96, True, "HS", 2),
    (5, 576, 96, True, "HS", 1),
    (5, 576, 96, True, "HS", 1),
)
ACTIVATIONS: dict[str, type[nn.Module]] = {"RE": nn.ReLU, "HS": nn.Hardswish}


class HardSqueezeExcite(nn.Module):
    """Squeeze-and-excitation with a piecewise linear gate (section 5.3). (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
            nn.Hardsigmoid(),  # relu6(x + 3) / 6: no exponential to compute on a phone
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel by its gate."""
        return x * self.gate(x)


class SearchedBlock(nn.Module):
    """V2's inverted residual with a free expansion, kernel, gate and non-linearity (figure 4).

    (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)). ``row`` is one of the paper's tables 1
    and 2; its two widths are not read, since the network has scaled them.
    """

    def __init__(self, in_channels: int, hidden: int, out_channels: int, row: Row) -> None:
        super().__init__()
        kernel_size, _, _, se, act, stride = row
        options: dict[str, Any] = {"activation": ACTIVATIONS[act], "eps": 1e-3}
        widen = [ConvNorm(in_channels, hidden, 1, **options)] if hidden != in_channels else []
        # A quarter of the expansion, as section 5.3 has it, in multiples of 8.
        gate = [HardSqueezeExcite(hidden, round_to_8(hidden // 4))] if se else []
        self.block = nn.Sequential(
            *widen,
            ConvNorm(hidden, hidden, kernel_size, stride, groups=hidden, **options),
            *gate,
            ConvNorm(hidden, out_channels, 1, activation=None, eps=1e-3),
        )
        self.use_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """The branch, and its input where shapes allow."""
        return self.block(x) + x if self.use_shortcut else self.block(x)


class MobileNetV3(nn.Module):
    """Searched blocks, and a last stage that widens after pooling (figure 5).

    (N, in_channels, H, W) -> logits (N, num_classes). torchvision's weights load.

    Args:
        width_mult: scales widths, in multiples of 8; a block expands its own narrowed input by the tables'
            ratio, and below 1 the hidden linear layer keeps its width. So the counts are the paper's.
        config: (kernel, expansion, channels, squeeze-and-excitation, "RE" or "HS", stride) of each block.
        last_channels: width of the hidden linear layer.
        dropout: before the classifier; section 6.1.1 prints 0.8, the share that is kept.
        stem_stride: 2 as published; 1 suits images of 32 pixels.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if a non-linearity is unknown or ``width_mult`` leaves no channels.
    """

    torchvision_names: Mapping[str, str] = {r"\.fc1\.": ".gate.1.", r"\.fc2\.": ".gate.3."}

    def __init__(
        self,
        *,
        width_mult: float = 1.0,
        config: Sequence[Row] = LARGE,
        last_channels: int = 1280,
        dropout: float = 0.2,
        stem_stride: int = 2,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if unknown := {row[4] for row in config} - ACTIVATIONS.keys():
            raise ValueError(f'config has the non-linearity {min(unknown)!r}: take "RE" or "HS"')
        hard: dict[str, Any] = {"activation": nn.Hardswish, "eps": 1e-3}
        self.in_channels, self.least = in_channels, stem_stride
        channels = round_to_8(16 * width_mult)
        layers: list[nn.Module] = [ConvNorm(in_channels, channels, 3, stem_stride, **hard)]
        before = 16
        for row in config:
            _, expansion, after, *_, stride = row
            hidden, out = round_to_8(channels * expansion / before), round_to_8(after * width_mult)
            layers.append(SearchedBlock(channels, hidden, out, row))
            channels, before = out, after
            self.least *= stride
        layers.append(ConvNorm(channels, 6 * channels, 1, **hard))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        last = round_to_8(last_channels * max(1.0, width_mult))
        hidden_layer, head = nn.Linear(6 * channels, last), nn.Linear(last, num_classes)
        self.classifier = nn.Sequential(hidden_layer, nn.Hardswish(), nn.Dropout(dropout), head)
        self._initialise()

    def _initialise(self) -> None:
        """The authors publish none but the averages' decay of 0.99; the rest is torchvision's."""
        he_normal(self)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.01
            elif isinstance(module, nn.Conv2d):
                fill_bias(module, 0.0)
            elif isinstance(module, nn.Linear):
                small_normal(module)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them, or build with stem_stride=1")
        pooled = self.pool(self.features(x))  # 224: 7x7 maps before pooling
        return self.classifier(pooled.flatten(1))


VARIANTS: dict[str, dict[str, Any]] = {
    "mobilenet_v3_large": {},
    "mobilenet_v3_small": {"config": SMALL, "last_channels": 1024},
}

register(MobileNetV3, VARIANTS, family="mobilenet", paper="howard2019searching", year=2019, **IMAGENET)

"""Xception (Chollet 2017): depthwise separable convolutions with shortcuts around them."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.convolution import Activation, ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import register


class SeparableConv(nn.Sequential):
    """A 3x3 filter a channel, a 1x1 that mixes them, batch normalisation (section 1.2 and figure 5).

    (N, in, H, W) -> (N, out, H, W). Unlike MobileNet's, nothing stands between the two convolutions, which
    the paper finds better (section 4.7); ``between`` puts an activation there.
    """

    def __init__(self, in_channels: int, out_channels: int, between: Activation | None = None) -> None:
        super().__init__(
            nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
            *([] if between is None else [between()]),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )


class XceptionBlock(nn.Module):
    """ReLU and separable convolution in turn, perhaps a pooling, and a shortcut around all of it.

    (N, in, H, W) -> (N, widths[-1], ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels: channels that come in.
        widths: channels of each separable convolution.
        stride: 2 appends a 3x3 max pooling at stride 2.
        first_relu: False where what comes in has passed a ReLU already.
        between: activation inside separable convolutions.
        residual: False leaves the shortcut out.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        stride: int = 1,
        *,
        first_relu: bool = True,
        between: Activation | None = None,
        residual: bool = True,
    ) -> None:
        super().__init__()
        changes = stride != 1 or in_channels != widths[-1]
        project = residual and changes
        self.residual = residual
        self.shortcut = (
            ConvNorm(in_channels, widths[-1], 1, stride, activation=None) if project else nn.Identity()
        )
        layers: list[nn.Module] = []
        for i, width in enumerate(widths):
            if i > 0 or first_relu:
                layers.append(nn.ReLU(inplace=i > 0))  # the first one reads what the shortcut reads as well
            layers.append(SeparableConv(in_channels if i == 0 else widths[i - 1], width, between))
        if stride != 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Branch, and shortcut if there is one."""
        return self.branch(x) + self.shortcut(x) if self.residual else self.branch(x)


class Xception(nn.Module):
    """Entry, middle and exit flow of figure 5: 36 convolutions in 14 modules, then the logistic regression.

    (N, in_channels, H, W) -> logits (N, num_classes). Poolings pad symmetrically, where the author's
    TensorFlow pads an even side at its end only; the paper names no initialisation, He's is taken.

    Args:
        stem: channels of the two plain convolutions at the start, which do not pad.
        entry: channels of the entry flow's blocks; each halves height and width.
        middle: number of equal blocks of three separable convolutions.
        exit: channels that the exit flow's block and its two last convolutions put out.
        residual: False builds the network without shortcuts of section 4.6.
        between: activation inside separable convolutions, such as nn.ReLU or nn.ELU (section 4.7).
        hidden: widths of linear layers before the last one; on JFT the paper also tries (4096, 4096).
        dropout: before the last layer; the paper's 0.5 on ImageNet, none on JFT.
        num_classes: classes to tell apart.
        in_channels: channels of the images.
    """

    def __init__(
        self,
        *,
        stem: tuple[int, int] = (32, 64),
        entry: Sequence[int] = (128, 256, 728),
        middle: int = 8,
        exit: tuple[int, int, int] = (1024, 1536, 2048),
        residual: bool = True,
        between: Activation | None = None,
        hidden: Sequence[int] = (),
        dropout: float = 0.5,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not entry or middle < 0:
            raise ValueError(f"entry={tuple(entry)} must name a block and middle={middle} be 0 or more")
        options: dict[str, Any] = {"between": between, "residual": residual}
        self.in_channels = in_channels
        self.least = 7  # leaves one position of the two convolutions that do not pad
        self.stem = nn.Sequential(
            ConvNorm(in_channels, stem[0], 3, stride=2, padding=0),  # 299: (N, 32, 149, 149)
            ConvNorm(stem[0], stem[1], 3, padding=0),  # (N, 64, 147, 147)
        )
        blocks = []
        channels = stem[1]
        for i, width in enumerate(entry):  # 74, 37, 19
            blocks.append(XceptionBlock(channels, (width, width), 2, first_relu=i > 0, **options))
            channels = width
        blocks += [XceptionBlock(channels, (channels,) * 3, **options) for _ in range(middle)]
        blocks.append(XceptionBlock(channels, (channels, exit[0]), 2, **options))  # 10
        self.blocks = nn.Sequential(*blocks)
        self.top = nn.Sequential(
            SeparableConv(exit[0], exit[1], between),
            nn.ReLU(inplace=True),
            SeparableConv(exit[1], exit[2], between),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        layers: list[nn.Module] = []
        channels = exit[2]
        for width in hidden:
            layers += [nn.Linear(channels, width), nn.ReLU(inplace=True)]
            channels = width
        self.classifier = nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(channels, num_classes))
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        return self.classifier(self.top(self.blocks(self.stem(x))))


VARIANTS: dict[str, dict[str, Any]] = {"xception": {}}

register(
    Xception,
    VARIANTS,
    family="xception",
    paper="chollet2017xception",
    year=2017,
    input_size=(3, 299, 299),
    num_classes=1000,
)

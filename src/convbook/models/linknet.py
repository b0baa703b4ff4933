"""LinkNet: a decoder that is handed what the encoder saw (Chaurasia and Culurciello 2017)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.layers.transposed import TransposedConv2d
from convbook.models.registry import register
from convbook.models.resnet import ResNet
from convbook.models.resnet_blocks import BasicBlock

EPS = 1e-3  # of the decoder's batch normalisation, as the authors have it


class UpNorm(nn.Module):
    """Transposed 3x3 convolution, batch normalisation, ReLU, to a size that is asked for.

    (N, in, H, W) -> (N, out, *size), each side of ``size`` being stride * H or what rounds up to it.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = TransposedConv2d(in_channels, out_channels, 3, stride)
        self.norm = nn.BatchNorm2d(out_channels, EPS)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """Enlarge."""
        return self.relu(self.norm(self.conv(x, output_size=size)))


class DecoderBlock(nn.Module):
    """1x1 to a quarter of the channels, transposed 3x3, 1x1 to ``out_channels`` (figure 3).

    (N, in, H, W) -> (N, out, *size). After each convolution stand batch normalisation and ReLU. Enlarging
    at a quarter of the width keeps the decoder small.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        hidden = in_channels // 4
        self.reduce = ConvNorm(in_channels, hidden, 1, eps=EPS)
        self.up = UpNorm(hidden, hidden, stride)
        self.expand = ConvNorm(hidden, out_channels, 1, eps=EPS)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """Narrow, enlarge, widen."""
        return self.expand(self.up(self.reduce(x), size))


class LinkNet(nn.Module):
    """ResNet's encoder; each decoder block's output is added to the input of its encoder stage.

    (N, in_channels, H, W) -> logits of every pixel (N, num_classes, H, W), of any size of at least 32: where
    the encoder rounds up, the decoder returns to the size that it meets, and what the classifier makes
    beyond the image is cut off.

    The encoder is a :class:`~convbook.models.resnet.ResNet` without its classifier, so that torchvision's
    weights for ResNet-18, with which the authors start, load into ``encoder``. The authors' code has biases
    in the decoder's convolutions, idle before batch normalisation and left out here, and a ReLU after each
    sum, which changes nothing: both summands end in one. It starts the decoder from N(0, 2 / fan-out).

    Args:
        depths: blocks in each stage of the encoder.
        widths: width of each stage, multiples of 4; the decoder goes back through them.
        head_width: channels between the decoder and the classifier.
        num_classes: classes of pixels.
        in_channels: channels of the images.

    Raises:
        ValueError: if there are fewer widths than stages, or one is no multiple of 4.
    """

    def __init__(
        self,
        depths: Sequence[int] = (2, 2, 2, 2),
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        head_width: int = 32,
        num_classes: int = 19,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if any(width % 4 for width in widths):
            raise ValueError(f"widths={tuple(widths)}: the decoder wants quarters: take multiples of 4")
        self.encoder = ResNet(BasicBlock, depths, widths=widths, in_channels=in_channels)
        self.encoder.fc = nn.Identity()  # type: ignore[assignment]
        self.decoder = nn.ModuleList()
        for i in reversed(range(len(depths))):  # back to the first stage, which kept its size
            self.decoder.append(DecoderBlock(widths[i], widths[max(i - 1, 0)], stride=2 if i else 1))
        self.up = UpNorm(widths[0], head_width, 2)
        self.conv = ConvNorm(head_width, head_width, 3, eps=EPS)
        self.classifier = TransposedConv2d(head_width, num_classes, 2, bias=True)
        self.in_channels, self.least = in_channels, self.encoder.least
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every pixel."""
        require_image(x, self.in_channels, self.least, "resize them")
        height, width = x.shape[2:]
        x = self.encoder.relu(self.encoder.bn1(self.encoder.conv1(x)))
        half = x.shape[2:]
        x = self.encoder.maxpool(x)
        given = []
        for name in self.encoder.stages:
            given.append(x)
            x = self.encoder.get_submodule(name)(x)  # 256: (N, 512, 8, 8) at last
        for block, skip in zip(self.decoder, reversed(given), strict=True):
            x = block(x, skip.shape[2:]) + skip  # (N, 64, 64, 64) at last
        x = self.conv(self.up(x, half))  # (N, 32, 128, 128)
        return self.classifier(x)[:, :, :height, :width]  # (N, 19, 256, 256)


STREETS: dict[str, Any] = {
    "input_size": (3, 256, 256),
    "num_classes": 19,
}  # the figures' sizes, Cityscapes' classes
register(LinkNet, {"linknet": {}}, family="linknet", paper="chaurasia2017linknet", year=2017, **STREETS)

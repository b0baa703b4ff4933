"""An encoder and a decoder with squeeze-and-excitation between their blocks (Roy et al. 2018)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convbook.layers.attention import ConcurrentSqueezeExcite, SpatialSqueezeExcite, SqueezeExcite
from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import register

GATES = ("cse", "sse", "scse")


def make_gate(attention: str | None, channels: int, reduction: int, merge: str) -> nn.Module:
    """What stands behind a block: nothing, or one of ``GATES``."""
    if attention is None:
        return nn.Identity()
    if attention == "cse":
        return SqueezeExcite(channels, reduction)
    if attention == "sse":
        return SpatialSqueezeExcite(channels)
    return ConcurrentSqueezeExcite(channels, reduction, merge)


class ConvBlock(nn.Module):
    """Two convolutions, each with batch normalisation and ReLU, then the gate.

    (N, in, H, W) -> (N, out, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, gate: nn.Module) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvNorm(in_channels, out_channels, kernel_size),
            ConvNorm(out_channels, out_channels, kernel_size),
        )
        self.attention = gate

    def forward(self, x: Tensor) -> Tensor:
        """Convolve twice, recalibrate."""
        return self.attention(self.convs(x))


class SCSEUNet(nn.Module):
    """A small U-Net: blocks and pooling down, one block at the bottom, blocks and skipped maps up.

    (N, in_channels, H, W) -> logits of every pixel (N, num_classes, H, W), of any size of at least
    ``2 ** len(widths)``: where pooling rounds down, the decoder returns to the size that it meets.

    The paper puts the gates into three networks of others and draws none of them. This is the least U-Net
    that fits what it says of its own: a gate behind each of four encoder and four decoder blocks, none behind
    the bottom's. 64 channels in all of them make the 3.3 * 10**4 weights that it says scSE adds, and 5x5
    kernels bring the plain twin to the 2.1 * 10**6 that it adds them to. Upsampling is bilinear and has no
    weights.

    Args:
        widths: channels of the encoder's blocks, which the decoder goes back through.
        bottom: channels of the block between them.
        kernel_size: side of the convolutions; odd.
        attention: None for the plain twin, "cse" (channels), "sse" (positions) or "scse" (both).
        reduction: how much narrower than its channels a gate of channels is.
        merge: how "scse" joins its two halves: "add" as here, or "max" as the journal version prefers.
        num_classes: classes of pixels.
        in_channels: channels of the images.

    Raises:
        ValueError: if the attention or the merge is unknown, or there is no encoder block.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (64, 64, 64, 64),
        bottom: int = 64,
        kernel_size: int = 5,
        attention: str | None = "scse",
        reduction: int = 2,
        merge: str = "add",
        num_classes: int = 28,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        if attention is not None and attention not in GATES:
            raise ValueError(f"attention={attention!r} is unknown: take None or one of {', '.join(GATES)}")
        if not widths:
            raise ValueError("widths=() leaves no encoder: give at least one width")
        self.in_channels, self.least = in_channels, 2 ** len(widths)
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        channels = in_channels
        for width in widths:
            gate = make_gate(attention, width, reduction, merge)
            self.encoder.append(ConvBlock(channels, width, kernel_size, gate))
            channels = width
        self.bottom = ConvBlock(channels, bottom, kernel_size, nn.Identity())
        channels = bottom
        for width in reversed(widths):
            gate = make_gate(attention, width, reduction, merge)
            self.decoder.append(ConvBlock(channels + width, width, kernel_size, gate))
            channels = width
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of pixels."""
        require_image(x, self.in_channels, self.least, "resize them, or build with fewer widths")
        skipped = []
        for block in self.encoder:
            skipped.append(block(x))  # 256: (N, 64, 256, 256), 128, 64, 32
            x = F.max_pool2d(skipped[-1], 2)
        x = self.bottom(x)  # (N, 64, 16, 16)
        for block in self.decoder:
            skip = skipped.pop()
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([skip, x], dim=1))
        return self.classifier(x)


VARIANTS: dict[str, dict[str, str | None]] = {
    "scse": {"attention": "scse"},
    "plain_unet": {"attention": None},  # its twin without gates
}

register(
    SCSEUNet,
    VARIANTS,
    family="scse",
    paper="roy2018concurrent",
    year=2018,
    input_size=(1, 256, 256),  # slices of MRI, 27 structures of the brain and the background
    num_classes=28,
)

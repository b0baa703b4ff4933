"""ZFNet: AlexNet's first layers mended after looking at what they see (Zeiler & Fergus 2014)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.classifier import three_linear
from convbook.layers.image import require_image
from convbook.layers.initial import small_normal
from convbook.layers.response_norm import response_norm
from convbook.models.alexnet import five_widths
from convbook.models.registry import IMAGENET, register


def ceil_pool() -> nn.MaxPool2d:
    """The largest value of each 3x3 at stride 2; a window may hang over the edge, so that 110 give 55."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


class ZFNet(nn.Module):
    """The network of the paper's figure 3: smaller kernels and strides in front, no groups.

    (N, in_channels, H, W) -> logits (N, num_classes). The figure fixes the sides of the maps, 110, 55, 26
    and 13; that the first convolution pads by one and pooling rounds up is what gives them. It prints no
    constants for its contrast normalisation: we take those of Krizhevsky et al. 2012. The training there
    also holds each filter's root mean square at 0.1 or less; a network cannot do that for its optimiser.

    Args:
        widths: channels of the five convolutions; section 5.1 also tries 512, 1024, 512 as the last three.
        dropout: after the first two linear layers.
        hidden: units of each of them; section 5.1 also tries 2048 and 8192.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if the widths are not five.
    """

    least = 47

    def __init__(
        self,
        *,
        widths: Sequence[int] = (96, 256, 384, 384, 256),
        dropout: float = 0.5,
        hidden: int = 4096,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        w1, w2, w3, w4, w5 = five_widths(widths)
        self.in_channels = in_channels
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, w1, 7, stride=2, padding=1),  # (N, 96, 110, 110)
            nn.ReLU(inplace=True),
            ceil_pool(),  # (N, 96, 55, 55)
            response_norm(),
            nn.Conv2d(w1, w2, 5, stride=2),  # (N, 256, 26, 26)
            nn.ReLU(inplace=True),
            ceil_pool(),  # (N, 256, 13, 13)
            response_norm(),
            nn.Conv2d(w2, w3, 3, padding=1),  # (N, 384, 13, 13)
            nn.ReLU(inplace=True),
            nn.Conv2d(w3, w4, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(w4, w5, 3, padding=1),
            nn.ReLU(inplace=True),
            ceil_pool(),  # (N, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)  # does nothing at 224; lets other sizes in
        self.classifier = three_linear(w5 * 6 * 6, hidden, num_classes, dropout)
        for layer in self.modules():  # section 3 of the paper
            if isinstance(layer, nn.Conv2d | nn.Linear):
                small_normal(layer)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least)
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


VARIANTS: dict[str, dict[str, Any]] = {"zfnet": {}}

register(ZFNet, VARIANTS, family="zfnet", paper="zeiler2014visualizing", year=2014, **IMAGENET)

"""VGG: nothing but 3x3 convolutions, ever more of them (Simonyan & Zisserman 2015)."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from convbook.layers.classifier import three_linear
from convbook.layers.image import require_image
from convbook.layers.initial import glorot_uniform
from convbook.layers.response_norm import response_norm as krizhevsky_norm
from convbook.models.registry import IMAGENET, register


class VGG(nn.Module):
    """Stages of convolutions at one width, each closed by 2x2 pooling; then three linear layers.

    (N, in_channels, H, W) -> logits (N, num_classes). Parameters are named as in torchvision, which also
    pools the last maps to 7x7, so that images need not have 224 pixels; :meth:`dense` evaluates larger
    images as the paper does. Weights start as in Glorot & Bengio 2010, which the paper's section 3.1 names
    as the way that needs no smaller network trained first.

    Args:
        depths: convolutions in each stage: a column of the paper's table 1.
        widths: channels of each stage.
        pointwise: configuration C: the third convolution of a stage is 1x1.
        response_norm: configuration A-LRN: response normalisation after the first convolution.
        batch_norm: after each convolution, as in torchvision's ``_bn`` networks; the paper has none.
        hidden: units of each of the first two linear layers.
        dropout: after the first two linear layers.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if depths and widths are not equally many or a stage has no convolution.
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        pointwise: bool = False,
        response_norm: bool = False,
        batch_norm: bool = False,
        hidden: int = 4096,
        dropout: float = 0.5,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(depths) != len(widths) or min(depths, default=0) < 1:
            raise ValueError(f"depths={tuple(depths)} must be 1 or more for each of widths={tuple(widths)}")
        self.in_channels, channels = in_channels, in_channels
        layers: list[nn.Module] = []
        for depth, width in zip(depths, widths, strict=True):
            for i in range(depth):
                kernel = 1 if pointwise and i == 2 else 3
                layers.append(nn.Conv2d(channels, width, kernel, padding=kernel // 2))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                layers += [krizhevsky_norm()] if response_norm and len(layers) < 4 else []
                channels = width
            layers.append(nn.MaxPool2d(2))  # 224: 112, 56, 28, 14, 7
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = three_linear(channels * 7 * 7, hidden, num_classes, dropout)
        self.least = 2 ** len(depths)
        glorot_uniform(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least)
        return self.classifier(self.avgpool(self.features(x)).flatten(1))

    def dense(self, x: Tensor) -> Tensor:
        """A map of logits: the linear layers slide over the last maps as convolutions (section 3.2).

        (N, in_channels, H, W) -> (N, num_classes, H / 32 - 6, W / 32 - 6) for five stages. Averaged over
        its places it is the paper's dense evaluation of an uncropped image.

        Raises:
            ValueError: if the last maps would be smaller than 7x7.
        """
        require_image(x, self.in_channels, 7 * self.least, "or call the network itself")
        x, side = self.features(x), 7
        for layer in self.classifier:
            if isinstance(layer, nn.Linear):
                x, side = F.conv2d(x, layer.weight.unflatten(1, (-1, side, side)), layer.bias), 1
            else:
                x = layer(x)
        return x


A, B, D, E = (1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)
DEPTHS = {"vgg11": A, "vgg13": B, "vgg16": D, "vgg19": E}
PUBLISHED: dict[str, dict[str, Any]] = {
    **{name: {"depths": depths} for name, depths in DEPTHS.items()},
    "vgg11_lrn": {"depths": A, "response_norm": True},
    "vgg16_c": {"depths": D, "pointwise": True},
}
TORCHVISIONS = {f"{name}_bn": {"depths": depths, "batch_norm": True} for name, depths in DEPTHS.items()}

register(VGG, PUBLISHED | TORCHVISIONS, family="vgg", paper="simonyan2015very", year=2015, **IMAGENET)

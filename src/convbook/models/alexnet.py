"""AlexNet on its two towers (Krizhevsky et al. 2012) and on one (Krizhevsky 2014)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.classifier import three_linear
from convbook.layers.convolution import check_groups
from convbook.layers.image import require_image
from convbook.layers.initial import small_normal
from convbook.layers.response_norm import response_norm as krizhevsky_norm
from convbook.models.registry import IMAGENET, register


def five_widths(widths: Sequence[int]) -> Sequence[int]:
    """The widths, if there is one for each of the five convolutions.

    Raises:
        ValueError: if there are more or fewer.
    """
    if len(widths) != 5:
        raise ValueError(f"widths={tuple(widths)} must be five numbers, one a convolution")
    return widths


class AlexNet(nn.Module):
    """Five convolutions and three linear layers.

    (N, in_channels, H, W) -> logits (N, num_classes). The paper's two GPUs are two groups: each half of
    the maps in conv2, conv4 and conv5 sees its own half of the input only.

    Args:
        widths: channels of the five convolutions.
        groups: 2 for the paper's two towers, 1 for one.
        response_norm: local response normalisation after the first two convolutions.
        hidden: units of each of the first two linear layers.
        dropout: before the first two linear layers.
        published_init: the paper's section 5: weights from N(0, 0.01), biases of 1 in conv2, conv4, conv5
            and the hidden linear layers. False keeps PyTorch's.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if the widths are not five or the groups do not divide them.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (96, 256, 384, 384, 256),
        groups: int = 2,
        response_norm: bool = True,
        hidden: int = 4096,
        dropout: float = 0.5,
        published_init: bool = True,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        w1, w2, w3, w4, w5 = five_widths(widths)
        check_groups(groups, *widths)
        lrn = [krizhevsky_norm()] if response_norm else []
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, w1, 11, stride=4, padding=2),  # (N, 96, 55, 55)
            nn.ReLU(inplace=True),
            *lrn,
            nn.MaxPool2d(3, stride=2),  # (N, 96, 27, 27): windows overlap
            nn.Conv2d(w1, w2, 5, padding=2, groups=groups),  # (N, 256, 27, 27)
            nn.ReLU(inplace=True),
            *lrn,
            nn.MaxPool2d(3, stride=2),  # (N, 256, 13, 13)
            nn.Conv2d(w2, w3, 3, padding=1),  # (N, 384, 13, 13): the towers meet
            nn.ReLU(inplace=True),
            nn.Conv2d(w3, w4, 3, padding=1, groups=groups),
            nn.ReLU(inplace=True),
            nn.Conv2d(w4, w5, 3, padding=1, groups=groups),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),  # (N, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)  # does nothing at 224 and 227; lets other sizes in
        self.classifier = three_linear(w5 * 6 * 6, hidden, num_classes, dropout, dropout_first=True)
        if published_init:
            self._initialise()

    def _initialise(self) -> None:
        """Section 5 of the paper: a bias of 1 gives the ReLUs behind it something to pass from the start."""
        layers = [m for m in self.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        for number, layer in enumerate(layers, start=1):
            small_normal(layer, bias=1.0 if number in (2, 4, 5, 6, 7) else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images; each side needs 63 pixels to leave a last map."""
        require_image(x, self.in_channels, 63)
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))


ONE_TOWER: dict[str, Any] = {
    "widths": (64, 192, 384, 256, 256),
    "groups": 1,
    "response_norm": False,
    "published_init": False,
}
VARIANTS: dict[str, dict[str, Any]] = {"alexnet": {}}
VARIANTS_2014 = {"alexnet_one_tower": ONE_TOWER}

register(AlexNet, VARIANTS, family="alexnet", paper="krizhevsky2012imagenet", year=2012, **IMAGENET)
register(AlexNet, VARIANTS_2014, family="alexnet", paper="krizhevsky2014weird", year=2014, **IMAGENET)

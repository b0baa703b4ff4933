"""Fully connected networks: teacher and student of the first distillation (Hinton et al. 2015, section 3)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.models.registry import register


class MLP(nn.Module):
    """Pixels, hidden layers of rectified linear units, one score a class.

    (N, in_channels, H, W) -> logits (N, num_classes). Of larger images the middle is taken: MNIST's digits,
    which come with two pixels of background around, are cut back to the paper's 784 pixels.

    Args:
        hidden: units of each hidden layer.
        dropout: share of the pixels and of each hidden layer's units that is dropped.
        image_size: side of the part that is seen.
        num_classes: classes to tell apart.
        in_channels: channels of the images.
    """

    def __init__(
        self,
        hidden: Sequence[int],
        *,
        dropout: tuple[float, float] = (0.0, 0.0),
        image_size: int = 28,
        num_classes: int = 10,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        self.in_channels, self.image_size = in_channels, image_size
        layers: list[nn.Module] = [nn.Dropout(dropout[0])] if dropout[0] else []
        inputs = in_channels * image_size**2
        for units in hidden:
            layers += [nn.Linear(inputs, units), nn.ReLU(inplace=True)]
            layers += [nn.Dropout(dropout[1])] if dropout[1] else []
            inputs = units
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.image_size, "resize them, or take a smaller image_size")
        top, left = ((side - self.image_size) // 2 for side in x.shape[2:])
        middle = x[:, :, top : top + self.image_size, left : left + self.image_size]
        return self.classifier(self.features(middle.flatten(1)))


VARIANTS: dict[str, dict[str, Any]] = {
    "mlp1200": {"hidden": (1200, 1200), "dropout": (0.2, 0.5)},
    "mlp800": {"hidden": (800, 800)},
}

register(
    MLP,
    VARIANTS,
    family="mlp",
    paper="hinton2015distilling",
    year=2015,
    input_size=(1, 32, 32),
    num_classes=10,
)

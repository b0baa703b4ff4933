"""SimpleNet and SimpNet: thirteen convolutions in a row, no branches (Hasanpour et al. 2016, 2018).

Both papers draw their networks and print totals, but no table of widths. The widths, the places of pooling
and the dropout here are those of the authors' own published definitions, read as facts.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.layers.initial import fan_in_variance
from convbook.layers.pooling import SAFPool2d
from convbook.models.registry import CIFAR, register


class SimpleNet(nn.Module):
    """Stages of convolutions, each closed by SAF pooling, the last by global max pooling; one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes). Convolutions are 3x3 unless named in ``pointwise``,
    and followed by batch normalisation unless named in ``bare``, then ReLU, then dropout; where a stage
    ends, pooling comes between ReLU and dropout. Layers are numbered from 1, as in the papers.

    Kept as the authors have it: convolutions have biases, though batch normalisation makes all but those of
    the bare layers idle. Not fixed by the papers, or made regular: SimpleNet's layers 7 and 9, where the
    authors pool before normalising and drop before pooling; the initial weights, uniform with variance
    1 / fan-in in most layers and N(0, 0.01**2) in layers 3 to 5, a scale that normalisation removes: all
    are uniform here; the momentum of running statistics, PyTorch's.

    Args:
        stages: widths of the convolutions, stage by stage.
        pointwise: numbers of the layers that are 1x1.
        bare: numbers of the layers without batch normalisation.
        dropout: after every convolution, or one rate a layer.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if a stage is empty, a layer is named that does not exist, or rates are too few or many.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[int]],
        *,
        pointwise: Sequence[int] = (),
        bare: Sequence[int] = (),
        dropout: float | Sequence[float] = 0.0,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        depth = sum(map(len, stages))
        if not stages or not all(stages):
            raise ValueError(f"stages={stages} has an empty stage: take at least one width in each")
        rates = [dropout] * depth if isinstance(dropout, int | float) else list(dropout)
        if len(rates) != depth:
            raise ValueError(f"dropout has {len(rates)} rates for {depth} layers: take one, or one a layer")
        for name, numbers in (("pointwise", pointwise), ("bare", bare)):
            if any(not 1 <= number <= depth for number in numbers):
                raise ValueError(f"{name}={tuple(numbers)} names no layer: they run from 1 to {depth}")
        self.in_channels, self.least = in_channels, 2 ** (len(stages) - 1)
        self.features = nn.Sequential()
        channels, number = in_channels, 0
        for widths in stages:
            for i, width in enumerate(widths, start=1):
                number += 1
                kernel = 1 if number in pointwise else 3
                self.features.append(nn.Conv2d(channels, width, kernel, padding=kernel // 2))
                if number not in bare:
                    self.features.append(nn.BatchNorm2d(width))
                self.features.append(nn.ReLU(inplace=True))
                rate, window = rates[number - 1], 2 if number < depth else None
                self.features.append(nn.Dropout(rate) if i < len(widths) else SAFPool2d(window, rate))
                channels = width
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in_variance(module)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them, or take fewer stages")
        return self.classifier(self.features(x).flatten(1))  # features: (N, 256, 1, 1)


SIMPLENET: dict[str, dict[str, Any]] = {
    "simplenet_cifar": {
        "stages": ((64, 128, 128, 128), (128, 128, 256), (256, 256), (512, 2048, 256), (256,)),
        "pointwise": (11, 12),
        "bare": (11, 12, 13),
        "dropout": (*(0.2,) * 12, 0.0),
    },
}
SIMPNET: dict[str, dict[str, Any]] = {
    "simpnet_cifar": {
        "stages": ((66, 128, 128, 128, 192), (192, 192, 192, 192, 288), (288, 355, 432)),
        "dropout": (*(0.2,) * 9, *(0.3,) * 4),
    },
    "simpnet_slim_300k_cifar": {
        "stages": ((30, 40, 40, 40, 50), (50, 50, 50, 50, 58), (58, 70, 90)),
    },
    "simpnet_slim_600k_cifar": {
        "stages": ((40, 60, 60, 60, 72), (73, 73, 73, 75, 81), (82, 90, 120)),
        "dropout": (*(0.1,) * 9, *(0.2,) * 4),
    },
}

register(SimpleNet, SIMPLENET, family="simplenet", paper="hasanpour2016lets", year=2016, **CIFAR)
register(SimpleNet, SIMPNET, family="simpnet", paper="hasanpour2018towards", year=2018, **CIFAR)

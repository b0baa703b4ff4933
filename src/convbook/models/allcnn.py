"""The all convolutional net and the networks it is compared with (Springenberg et al. 2015)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import CIFAR, register

Stage = Sequence[tuple[int, int]]  # (side of the kernel, channels) of each convolution
FORMS = ("base", "strided", "conv-pool", "all-conv")


def conv_relu(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int | None = None
) -> list[nn.Module]:
    """Convolution with bias, padded to keep the size unless told otherwise, and ReLU."""
    padding = kernel_size // 2 if padding is None else padding
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)
    return [conv, nn.ReLU(inplace=True)]


class AllCNN(nn.Module):
    """Two stages that halve height and width, three convolutions, the mean of each class's map.

    (N, in_channels, H, W) -> logits (N, num_classes), which are not below 0: a ReLU follows the last
    convolution (table 1). The paper averages maps of 6x6, so the 3x3 convolution after the stages does not
    pad: 32, 16, 8, 6. It does not say how weights start; here they start as in He et al. 2015.

    Args:
        stages: (side of the kernel, channels) of each convolution in each stage (table 1).
        form: how a stage ends, table 2: "base" with a 3x3 max pooling at stride 2; "strided" has none and
            strides in its last convolution; "conv-pool" puts a 3x3 convolution before the pooling;
            "all-conv" replaces the pooling by a 3x3 convolution at stride 2.
        dropout: share of the image's values and of each stage's output that is dropped.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if ``form`` is unknown or a stage is empty.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        form: str = "all-conv",
        dropout: tuple[float, float] = (0.2, 0.5),
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"form={form!r} is unknown: take one of {', '.join(FORMS)}")
        if not stages or not all(stages):
            raise ValueError(f"stages={tuple(stages)} must each have a convolution (kernel, channels)")
        self.in_channels = in_channels
        self.least = 2 * 2 ** len(stages) + 1  # the 3x3 after the stages must fit
        layers: list[nn.Module] = [nn.Dropout(dropout[0])]
        channels = in_channels
        for stage in stages:
            for i, (kernel, width) in enumerate(stage, start=1):
                stride = 2 if form == "strided" and i == len(stage) else 1
                layers += conv_relu(channels, width, kernel, stride)
                channels = width
            if form in ("conv-pool", "all-conv"):
                layers += conv_relu(channels, channels, 3, stride=2 if form == "all-conv" else 1)
            if form in ("base", "conv-pool"):
                layers.append(nn.MaxPool2d(3, stride=2, padding=1))
            layers.append(nn.Dropout(dropout[1]))
        self.features = nn.Sequential(*layers)  # 32: (N, 192, 8, 8)
        self.classifier = nn.Sequential(
            *conv_relu(channels, channels, 3, padding=0),  # (N, 192, 6, 6)
            *conv_relu(channels, channels, 1),
            *conv_relu(channels, num_classes, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        return self.classifier(self.features(x))


BASES: dict[str, tuple[Stage, ...]] = {  # table 1
    "a": (((5, 96),), ((5, 192),)),
    "b": (((5, 96), (1, 96)), ((5, 192), (1, 192))),
    "c": (((3, 96), (3, 96)), ((3, 192), (3, 192))),
}
VARIANTS: dict[str, dict[str, Any]] = {f"allcnn_{name}_cifar": {"stages": s} for name, s in BASES.items()}

register(AllCNN, VARIANTS, family="allcnn", paper="springenberg2015striving", year=2015, **CIFAR)

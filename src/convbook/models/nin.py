"""Network in network: small perceptrons that slide, no linear layer at the end (Lin et al. 2014)."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.layers.initial import small_normal
from convbook.models.registry import CIFAR, IMAGENET, register


class MlpConv(nn.Sequential):
    """A convolution, then 1x1 convolutions: one perceptron, applied at every place (section 3.1).

    (N, in, H, W) -> (N, widths[-1], H, W) at stride 1; with a stride only where the whole kernel fits.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], kernel_size: int, stride: int) -> None:
        first, *rest = widths
        self.padding = kernel_size // 2 if stride == 1 else 0
        layers: list[nn.Module] = [nn.Conv2d(in_channels, first, kernel_size, stride, self.padding)]
        for width, out in zip(widths, rest, strict=False):
            layers += [nn.ReLU(inplace=True), nn.Conv2d(width, out, 1)]
        super().__init__(*layers, nn.ReLU(inplace=True))


POOLS: dict[str, Callable[..., nn.Module]] = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


class NIN(nn.Module):
    """Mlpconvs with pooling between them; the last has one map a class, whose average is the logit.

    (N, in_channels, H, W) -> logits (N, num_classes). The paper leaves widths and kernels to the author's
    files, which we follow, down to the ReLU behind the class maps: no logit is negative.

    Args:
        mlpconvs: (kernel, stride, widths) of each; the last one's widths are followed by the classes.
        pools: "max" or "avg" after each mlpconv but the last: 3x3 at stride 2, which may hang over the edge.
        dropout: after pooling.
        drop_all: drop after every pooling, as on CIFAR; False drops only after the last.
        init_std: weights start from N(0, init_std**2), biases from 0. The paper says only that they were
            set by hand; 0.05 is the files' commonest value.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if a pool is unknown or there is not one between any two mlpconvs.
    """

    def __init__(
        self,
        mlpconvs: Sequence[tuple[int, int, Sequence[int]]],
        *,
        pools: Sequence[str],
        dropout: float = 0.5,
        drop_all: bool = True,
        init_std: float = 0.05,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(pools) != len(mlpconvs) - 1 or not set(pools) <= POOLS.keys():
            raise ValueError(f"pools={tuple(pools)} must be max or avg for each mlpconv but the last")
        self.in_channels = in_channels
        self.least, self.hint = least_side(mlpconvs), "resize them"
        channels = in_channels
        layers: list[nn.Module] = []
        for i, (kernel, stride, widths) in enumerate(mlpconvs):
            last = i == len(pools)
            layers.append(MlpConv(channels, (*widths, num_classes) if last else widths, kernel, stride))
            channels = widths[-1]
            if not last:
                layers.append(POOLS[pools[i]](3, stride=2, ceil_mode=True))
                layers += [nn.Dropout(dropout)] if drop_all or i == len(pools) - 1 else []
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                small_normal(layer, std=init_std)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, self.hint)
        return self.pool(self.features(x)).flatten(1)


def least_side(mlpconvs: Sequence[tuple[int, int, Sequence[int]]]) -> int:
    """The smallest image that leaves a place in the last map, found from the back."""
    side = 1
    for i, (kernel, stride, _) in enumerate(reversed(mlpconvs)):
        side *= 2 if i else 1  # pooling to n places takes 2 n
        side = side if stride == 1 else (side - 1) * stride + kernel
    return side


VARIANTS_CIFAR = {
    "nin_cifar": {
        "mlpconvs": ((5, 1, (192, 160, 96)), (5, 1, (192, 192, 192)), (3, 1, (192, 192))),
        "pools": ("max", "avg"),  # (N, 96, 16, 16), (N, 192, 8, 8)
    }
}
VARIANTS_IMAGENET = {  # not in the paper: the author's later model, 29 MB
    "nin_imagenet": {
        "mlpconvs": (
            (11, 4, (96, 96, 96)),  # (N, 96, 54, 54)
            (5, 1, (256, 256, 256)),  # (N, 256, 27, 27)
            (3, 1, (384, 384, 384)),  # (N, 384, 13, 13)
            (3, 1, (1024, 1024)),  # (N, 1000, 6, 6)
        ),
        "pools": ("max", "max", "max"),
        "drop_all": False,
    }
}

register(NIN, VARIANTS_CIFAR, family="nin", paper="lin2014network", year=2014, **CIFAR)
register(NIN, VARIANTS_IMAGENET, family="nin", paper="lin2014network", year=2014, **IMAGENET)

"""LeNet-5 as published (LeCun et al. 1998, section II.B) and as it is usually rebuilt today."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.layers.initial import fan_in_uniform
from convbook.layers.rbf import RBFOutput
from convbook.layers.subsampling import Subsample, TableConv2d, scaled_tanh
from convbook.models.registry import register

C3_TABLE = [  # table I of the paper: which of S2's six maps each of C3's sixteen reads
    *[[i, (i + 1) % 6, (i + 2) % 6] for i in range(6)],
    *[[i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6] for i in range(6)],
    *[[0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5]],
    list(range(6)),
]


def _last_map(image_size: int) -> int:
    """Side of the maps that C5 reads.

    Raises:
        ValueError: if nothing is left of the image by then.
    """
    side = ((image_size - 4) // 2 - 4) // 2  # two times: a valid 5x5 convolution, then halved
    if side < 1:
        raise ValueError(f"image_size={image_size} is too small: LeNet-5 needs at least 16")
    return side


def _require_size(images: Tensor, in_channels: int, image_size: int) -> None:
    """Its fully connected layers tie the network to one size of image."""
    require_image(images, in_channels, image_size, f"or build with image_size={images.shape[-1]}")
    if images.shape[2:] != (image_size, image_size):
        height, width = images.shape[2:]
        raise ValueError(
            f"images are {height}x{width}, the network was built for image_size={image_size}: resize them"
        )


class LeNet5(nn.Module):
    """The network of 1998: trainable subsampling, a connection table, a radial basis output.

    (N, in_channels, S, S) -> logits (N, num_classes): the negative squared distance to each class's
    code. With the cross entropy these give the paper's equation 9 but for its rubbish class; the equation
    as printed is :func:`map_loss`.

    Args:
        image_size: S, 32 in the paper; C5's kernel is as large as the maps that reach it.
        num_classes: classes to tell apart; ten have drawn codes, more take random ones.
        in_channels: channels of the images.
    """

    def __init__(self, *, image_size: int = 32, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.in_channels, self.image_size = in_channels, image_size
        self.c1 = nn.Conv2d(in_channels, 6, 5)
        self.s2 = Subsample(6)
        self.c3 = TableConv2d(6, C3_TABLE, 5)
        self.s4 = Subsample(16)
        self.c5 = nn.Conv2d(16, 120, _last_map(image_size))
        self.f6 = nn.Linear(120, 84)
        self.output = RBFOutput(84, num_classes)
        for layer in (self.c1, self.c5, self.f6):  # the other layers do so themselves
            fan_in_uniform(layer)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images, best given with mean 0 and variance 1."""
        _require_size(x, self.in_channels, self.image_size)
        x = scaled_tanh(self.c1(x))  # (N, 6, 28, 28)
        x = scaled_tanh(self.s2(x))  # (N, 6, 14, 14)
        x = scaled_tanh(self.c3(x))  # (N, 16, 10, 10)
        x = scaled_tanh(self.s4(x))  # (N, 16, 5, 5)
        x = scaled_tanh(self.c5(x))  # (N, 120, 1, 1)
        x = scaled_tanh(self.f6(x.flatten(1)))  # (N, 84)
        return -self.output(x)


def map_loss(logits: Tensor, labels: Tensor, rubbish: float = 1.0) -> Tensor:
    """The paper's equation 9, averaged over images: maximum a posteriori with a rubbish class.

    Args:
        logits: negative distances (N, classes), as :class:`LeNet5` gives them.
        labels: the right classes (N,).
        rubbish: the paper's positive constant j; it prints no value. As a distance grows beyond it,
            the term that pushes a wrong class away fades.
    """
    right = -logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    everything = torch.cat([logits.new_full((len(logits), 1), -rubbish), logits], dim=1)
    return (right + everything.logsumexp(dim=1)).mean()


@torch.no_grad()
def connections(model: LeNet5) -> dict[str, int]:
    """Connections a layer, counted as the paper counts: one a weight and one a bias of every output unit."""
    layers = {"C1": model.c1, "S2": model.s2, "C3": model.c3, "S4": model.s4, "C5": model.c5}
    blank = model.c1.weight.new_zeros(1, model.in_channels, model.image_size, model.image_size)
    counts: dict[str, int] = {}
    for name, layer in layers.items():
        blank = layer(blank)
        if isinstance(layer, Subsample):
            per_place = layer.channels * (4 + 1)  # four inputs and a bias a map
        else:
            per_place = sum(p.numel() for p in layer.parameters())
        counts[name] = per_place * blank.shape[2] * blank.shape[3]
    counts["F6"] = sum(p.numel() for p in model.f6.parameters())
    counts["RBF"] = model.output.codes.numel()
    return counts


ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}
POOLS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


class ModernLeNet5(nn.Module):
    """What 'LeNet-5' means today: full C3, pooling without parameters, a linear output.

    (N, in_channels, S, S) -> logits (N, num_classes).

    Args:
        activation: "relu" or "tanh".
        pool: "max" or "avg".
        image_size: S; 32 leaves 5x5 maps for the linear layers.
        num_classes: classes to tell apart.
        in_channels: channels of the images.
    """

    def __init__(
        self,
        *,
        activation: str = "relu",
        pool: str = "max",
        image_size: int = 32,
        num_classes: int = 10,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS or pool not in POOLS:
            raise ValueError(f"activation={activation!r}, pool={pool!r}: take relu or tanh, and max or avg")
        self.in_channels, self.image_size = in_channels, image_size
        act, down = ACTIVATIONS[activation], POOLS[pool]
        flat = 16 * _last_map(image_size) ** 2
        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(in_channels, 6, 5),  # (N, 6, 28, 28)
                act1=act(),
                pool1=down(2),  # (N, 6, 14, 14)
                conv2=nn.Conv2d(6, 16, 5),  # (N, 16, 10, 10)
                act2=act(),
                pool2=down(2),  # (N, 16, 5, 5)
            )
        )
        self.classifier = nn.Sequential(
            OrderedDict(
                flatten=nn.Flatten(),
                fc1=nn.Linear(flat, 120),
                act3=act(),
                fc2=nn.Linear(120, 84),
                act4=act(),
                fc3=nn.Linear(84, num_classes),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        _require_size(x, self.in_channels, self.image_size)
        return self.classifier(self.features(x))


def _register_lenets() -> None:
    for name, cls in {"lenet5": LeNet5, "lenet5_modern": ModernLeNet5}.items():
        register(
            cls,
            {name: {}},
            family="lenet",
            paper="lecun1998gradient",
            year=1998,
            input_size=(1, 32, 32),
            num_classes=10,
        )


_register_lenets()

"""LeNet-1 (LeCun et al. 1990), LeNet-4 and LeNet-5 (LeCun et al. 1998), and what is called LeNet-5 today."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

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
        raise ValueError(f"image_size={image_size} is too small: a LeNet needs at least 16")
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


H3_TABLE = [
    [0],
    [0, 1],
    [0, 1],
    [1],
    [0, 1],
    [0, 1],
    [2],
    [2, 3],
    [2, 3],
    [3],
    [2, 3],
    [2, 3],
]  # table 1, 1990
PAIRS_TABLE = [[i, (i + step) % 8, (i + 2 * step) % 8] for step in (1, 2) for i in range(8)]  # our choice


class EarlyLeNet(nn.Module):
    """LeNet-1 and LeNet-4: one linear layer, or two, on two pairs of convolution and subsampling.

    (N, in_channels, S, S) -> logits (N, num_classes). The papers squash the outputs as well and train
    them towards 1 and -1; a squashed output has the same winner.

    LeNet-1 is fixed by LeCun et al. 1990 down to its connection table. Of LeNet-4 the paper of 1998 prints
    the numbers of maps and units in section III.C, and totals that do not fit them: 17,000 parameters, where
    120 units that see all 16 maps have 48,120. Which of the eight subsampled maps a map of the second
    convolution reads is not printed; ours read three each, which meets the 260,000 connections.

    Args:
        maps: feature maps of the two convolutions; the second has as many as ``table`` has entries.
        copies: subsampling maps for each map of the first convolution; LeNet-4 has two.
        table: for each map of the second convolution, the subsampled maps that it reads.
        hidden: units of the linear layer before the outputs; 0 leaves it out, as LeNet-1 does.
        image_size: S; 28 for LeNet-1 and 32 for LeNet-4.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if the image is too small or the table names a map that does not exist.
    """

    def __init__(
        self,
        *,
        maps: int = 4,
        copies: int = 1,
        table: Sequence[Sequence[int]] = H3_TABLE,
        hidden: int = 0,
        image_size: int = 28,
        num_classes: int = 10,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        self.in_channels, self.image_size, self.copies = in_channels, image_size, copies
        flat = len(table) * _last_map(image_size) ** 2
        self.c1 = nn.Conv2d(in_channels, maps, 5)
        self.s2 = Subsample(maps * copies)
        self.c3 = TableConv2d(maps * copies, table, 5)
        self.s4 = Subsample(len(table))
        self.f5 = nn.Linear(flat, hidden) if hidden else None
        self.output = nn.Linear(hidden or flat, num_classes)
        for layer in (self.c1, self.f5, self.output):
            if layer is not None:
                fan_in_uniform(layer)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images, best given with mean 0 and variance 1."""
        _require_size(x, self.in_channels, self.image_size)
        x = scaled_tanh(self.c1(x))  # LeNet-1: (N, 4, 24, 24); LeNet-4: (N, 4, 28, 28)
        x = scaled_tanh(self.s2(x.repeat_interleave(self.copies, dim=1)))  # (N, 4, 12, 12); (N, 8, 14, 14)
        x = scaled_tanh(self.c3(x))  # (N, 12, 8, 8); (N, 16, 10, 10)
        x = scaled_tanh(self.s4(x)).flatten(1)  # (N, 12 * 4 * 4); (N, 16 * 5 * 5)
        if self.f5 is not None:
            x = scaled_tanh(self.f5(x))  # (N, 120)
        return self.output(x)


@torch.no_grad()
def connections(model: LeNet5 | EarlyLeNet) -> dict[str, int]:
    """Connections a layer, counted as the papers count: one a weight and one a bias of every output unit.

    Layers are named as the network names them, in capitals, and LeNet-5's output RBF.
    """
    names = {layer: name.upper() for name, layer in model.named_children()}
    counts: dict[str, int] = {}

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        per_place = sum(p.numel() for p in layer.parameters())
        if isinstance(layer, Subsample):
            per_place = layer.channels * (4 + 1)  # four inputs and a bias a map
        elif isinstance(layer, RBFOutput):
            names[layer], per_place = "RBF", layer.codes.numel()
        counts[names[layer]] = per_place * output.shape[2:].numel()

    hooks = [layer.register_forward_hook(count) for layer in names]
    model(model.c1.weight.new_zeros(1, model.in_channels, model.image_size, model.image_size))
    for hook in hooks:
        hook.remove()
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


def _register(cls: type[nn.Module], name: str, paper: str, year: int, side: int = 32, **kwargs: Any) -> None:
    """All read grey images of ten digits."""
    size = (1, side, side)
    register(cls, {name: kwargs}, family="lenet", paper=paper, year=year, input_size=size, num_classes=10)


_register(EarlyLeNet, "lenet1", "lecun1990handwritten", 1990, 28)
_register(
    EarlyLeNet,
    "lenet4",
    "lecun1998gradient",
    1998,
    copies=2,
    table=PAIRS_TABLE,
    hidden=120,
    image_size=32,
)
_register(LeNet5, "lenet5", "lecun1998gradient", 1998)
_register(ModernLeNet5, "lenet5_modern", "lecun1998gradient", 1998)

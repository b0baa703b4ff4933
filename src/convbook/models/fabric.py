"""Convolutional neural fabrics (Saxena and Verbeek 2016): a lattice of layers and scales, all paths in it.

Every node adds up 3x3 convolutions of its neighbours in the layer before, on its own scale, the finer and
the coarser one. A chain-shaped network is one path through the lattice; training weighs all of them.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convbook.layers.convolution import conv3x3
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.layers.scales import spread
from convbook.models.registry import CIFAR, register

WIRINGS = ("dense", "sparse")


class Edge(nn.Module):
    """One edge of the lattice: a 3x3 convolution, and the change of scale (section 3.1).

    (N, C, H, W) -> (N, C, H', W'), the size of ``like``: stride 2 towards a coarser scale, zeros put
    between the pixels on the way to a finer one.

    Args:
        channels: C.
        wiring: "dense" reads all channels; "sparse" reads channels c - 1, c and c + 1 for channel c, and
            zeros beyond the first and the last.
        move: 1 to a coarser scale, -1 to a finer one, 0 stays.
    """

    def __init__(self, channels: int, wiring: str, move: int) -> None:
        super().__init__()
        self.sparse, self.finer = wiring == "sparse", move < 0
        stride = 2 if move > 0 else 1
        if self.sparse:
            self.conv = conv3x3(3 * channels, channels, stride, groups=channels)
        else:
            self.conv = conv3x3(channels, channels, stride)

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Bring to size, gather, convolve."""
        if self.finer:
            x = spread(x, like)
        if self.sparse:
            padded = F.pad(x, (0, 0, 0, 0, 1, 1))  # a channel of zeros at either end
            x = torch.stack([padded[:, :-2], x, padded[:, 2:]], dim=2).flatten(1, 2)  # c - 1, c, c + 1
        return self.conv(x)


class Node(nn.Module):
    """Sum of what the edges bring, normalised, rectified (section 3.1).

    Args:
        channels: of all maps.
        wiring: see :class:`Edge`.
        moves: the direction of each edge that ends here.
    """

    def __init__(self, channels: int, wiring: str, moves: list[int]) -> None:
        super().__init__()
        self.edges = nn.ModuleList(Edge(channels, wiring, move) for move in moves)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor], like: Tensor) -> Tensor:
        """One map an edge -> one map of the size of ``like``."""
        arrived = [edge(x, like) for edge, x in zip(self.edges, maps, strict=True)]
        return self.relu(self.norm(torch.stack(arrived).sum(dim=0)))


def near(scale: int, scales: int) -> list[int]:
    """A scale and its neighbours, finest first."""
    return [i for i in (scale - 1, scale, scale + 1) if 0 <= i < scales]


class Fabric(nn.Module):
    """A fabric that classifies: in at the finest scale of the first layer, out at the coarsest of the last.

    (N, in_channels, H, W) -> logits (N, num_classes). Inside the first layer edges lead down, so the image
    reaches every scale; inside the last one they lead down again, so every scale reaches the output
    (section 3.1 and figure 1). The coarsest map is averaged before the classifier; 32 pixels on six scales
    leave it one position, as in the paper.

    The paper leaves open what lies beyond the first and the last channel of the sparse wiring and where
    to normalise; here zeros, and after each node's sum.

    Args:
        layers: L; at least 2.
        scales: S; each halves the sides of the one before, rounding up.
        channels: C, the same on every scale.
        wiring: "dense" or "sparse" connections between channels.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if the wiring is unknown or there are too few layers, scales or channels.
    """

    least = 1

    def __init__(
        self,
        *,
        layers: int = 8,
        scales: int = 6,
        channels: int = 128,
        wiring: str = "dense",
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if wiring not in WIRINGS:
            raise ValueError(f'wiring={wiring!r} is unknown: take "dense" or "sparse"')
        if layers < 2 or scales < 1 or channels < 1:
            raise ValueError(
                f"layers={layers}, scales={scales}, channels={channels}: take 2 layers or more and 1 or more "
                "of the others"
            )
        self.in_channels, self.layers, self.scales = in_channels, layers, scales
        self.stem = nn.Sequential(
            conv3x3(in_channels, channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.first = nn.ModuleList(Node(channels, wiring, [1]) for _ in range(scales - 1))
        self.nodes = nn.ModuleList()
        for layer in range(1, layers):
            last = layer == layers - 1
            moves = [[s - i for i in near(s, scales)] + [1] * (last and s > 0) for s in range(scales)]
            self.nodes.append(nn.ModuleList(Node(channels, wiring, each) for each in moves))
        self.classifier = nn.Linear(channels, num_classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least)
        maps = [self.stem(x)]  # (N, C, 32, 32)
        for node in self.first:
            maps.append(node([maps[-1]], maps[-1]))  # 16, 8, 4, 2, 1
        for layer, nodes in enumerate(self.nodes, start=1):
            new: list[Tensor] = []
            for scale, node in enumerate(nodes.children()):
                below = new[-1:] if layer == self.layers - 1 else []
                new.append(node([maps[i] for i in near(scale, self.scales)] + below, maps[scale]))
            maps = new
        return self.classifier(maps[-1].mean(dim=(2, 3)))


FABRICS: dict[str, dict[str, Any]] = {"fabric_cifar": {}}

register(Fabric, FABRICS, family="fabric", paper="saxena2016convolutional", year=2016, **CIFAR)

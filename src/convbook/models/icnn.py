"""Interlinked CNN for face parsing (Zhou et al. 2015): a row of convolutions a scale, linked layer by layer.

Between two convolutions each row reads, beside its own maps, the finer row's pooled and the coarser row's
enlarged. At the end the rows are folded into the finest, which names a class for every pixel.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.layers.initial import fill_bias
from convbook.layers.scales import enlarge
from convbook.models.registry import register


def halve(x: Tensor) -> Tensor:
    """Overlapping maximum: (N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2))."""
    return F.max_pool2d(x, 3, stride=2, padding=1)


def interlink(maps: Sequence[Tensor]) -> list[Tensor]:
    """The interlinking layer, which has no weights: each row's maps with its neighbours', resampled.

    One map a row, finest first -> as many, of the same sizes and the neighbours' channels besides.
    """
    linked = []
    for i, x in enumerate(maps):
        finer = [halve(maps[i - 1])] if i else []
        coarser = [enlarge(maps[i + 1], x)] if i + 1 < len(maps) else []
        linked.append(torch.cat([*finer, x, *coarser], dim=1))
    return linked


def conv(in_channels: int, out_channels: int, kernel_size: int = 5) -> nn.Sequential:
    """A convolution that keeps the size, and tanh."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2), nn.Tanh()
    )


class ICNN(nn.Module):
    """Rows at halved scales, interlinked, folded into one map of classes.

    (N, in_channels, H, W) -> logits (N, num_classes, H, W); the softmax over classes is left to the loss.
    Sides of any length pass: they are rounded up at each halving, and enlarged maps cropped to fit.

    The paper gives the idea, the scales, and labels that a first network finds on a whole face of 64x64
    pixels and a second one on crops of its parts; both are networks of this class. Its text does not fix
    every layer. Widths of 8 to 32, three interlinking layers, 5x5 kernels, the order in which rows are
    folded and the last three convolutions with their 9x9 kernel follow the code that its authors' group
    published later. That code also normalises batches and has two convolutions a link, the first with a
    ReLU; this network has one and tanh throughout, without normalisation, as was usual in 2015.

    Args:
        widths: channels of each row, finest first.
        links: interlinking layers, each followed by one convolution a row.
        kernel_size: of all convolutions but the last.
        last_kernel_size: of the last one.
        num_classes: labels of a pixel.
        in_channels: channels of the images.

    Raises:
        ValueError: if there is no row or a kernel is even.
    """

    least = 1

    def __init__(
        self,
        *,
        widths: Sequence[int] = (8, 16, 24, 32),
        links: int = 3,
        kernel_size: int = 5,
        last_kernel_size: int = 9,
        num_classes: int = 9,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if min(widths, default=0) < 1 or links < 0:
            raise ValueError(
                f"widths={tuple(widths)}, links={links}: take a row or more, and 0 links or more"
            )
        if kernel_size % 2 == 0 or last_kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size={kernel_size} and last_kernel_size={last_kernel_size}: take odd ones, which "
                "keep the size"
            )
        self.in_channels, k = in_channels, kernel_size
        rows = range(len(widths))
        self.first = nn.ModuleList(conv(in_channels, width, k) for width in widths)
        read = [sum(widths[max(i - 1, 0) : i + 2]) for i in rows]
        self.linked = nn.ModuleList(
            nn.ModuleList(conv(read[i], widths[i], k) for i in rows) for _ in range(links)
        )
        self.fold = nn.ModuleList(conv(widths[i] + widths[i + 1], widths[i], k) for i in rows[:-1])
        hidden = 2 * num_classes + widths[0]
        self.head = nn.Sequential(
            conv(widths[0], hidden, k),
            nn.Conv2d(hidden, num_classes, k, padding=k // 2),
            nn.Conv2d(num_classes, num_classes, last_kernel_size, padding=last_kernel_size // 2),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # tanh: Glorot's range
                nn.init.xavier_uniform_(module.weight)
                fill_bias(module, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every pixel."""
        require_image(x, self.in_channels, self.least)
        images = [x]  # 64: the sides are 64, 32, 16, 8
        while len(images) < len(self.first):
            images.append(halve(images[-1]))
        maps = [row(image) for row, image in zip(self.first, images, strict=True)]
        for rows in self.linked:
            maps = [row(linked) for row, linked in zip(rows.children(), interlink(maps), strict=True)]
        total = maps.pop()
        for fold, finer in zip(reversed(self.fold), reversed(maps), strict=True):
            total = fold(torch.cat([finer, enlarge(total, finer)], dim=1))
        return self.head(total)


ICNNS: dict[str, dict[str, Any]] = {"icnn": {}}
HELEN: dict[str, Any] = {"input_size": (3, 64, 64), "num_classes": 9}

register(ICNN, ICNNS, family="icnn", paper="zhou2015interlinked", year=2015, **HELEN)

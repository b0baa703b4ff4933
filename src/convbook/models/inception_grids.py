"""The body that Inception-v2, -v3, -v4 and the Inception-ResNets share: modules on three grids."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from convbook.layers.branches import Builder, Path
from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal

Module = list[Path]  # paths side by side


class InceptionResidual(nn.Module):
    """relu(x + scale * linear(branches(x))): (N, C, H, W) -> (N, C, H, W) (Szegedy et al. 2017, section 3.2).

    The 1x1 convolution that restores the channels has a bias, no normalisation and no activation. Above a
    thousand filters such blocks died early in training; a scale of 0.1 to 0.3 kept them alive (section 3.3).

    Args:
        build: makes the branches.
        channels: channels that come in and go out.
        paths: the branches.
        scale: what the residual is multiplied by.
        activation: False leaves the ReLU out.
    """

    def __init__(
        self, build: Builder, channels: int, paths: Module, scale: float, activation: bool = True
    ) -> None:
        super().__init__()
        self.scale = scale
        self.branches, inner = build.branches(channels, paths)
        self.linear = nn.Conv2d(inner, channels, 1)
        self.relu = nn.ReLU() if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Sum of the input and the scaled residual."""
        return self.relu(x + self.scale * self.linear(self.branches(x)))


class AuxiliaryHead(nn.Module):
    """Figure 8's side head: (N, C, 17, 17) or larger -> logits (N, num_classes)."""

    def __init__(self, channels: int, build: Builder, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(5, stride=3)  # (N, C, 5, 5)
        self.convs, channels = build.path(channels, [(128, 1), (768, 5, "V")])  # (N, 768, 1, 1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a feature map."""
        return self.fc(self.avgpool(self.convs(self.pool(x))).flatten(1))


class InceptionGrids(nn.Module):
    """A stem, then modules on grids of 35x35, 17x17 and 8x8 with reductions between.

    (N, in_channels, H, W) -> logits (N, num_classes). Batch normalisation adds 0.001 to the variance, as in
    the released networks. The papers print no initialisation: he_normal stands here.

    Args:
        stem: steps before the first module, see :class:`convbook.layers.branches.Builder`.
        grids: the modules of each grid.
        reductions: convolving paths between the grids; pooling stands beside them.
        scales: of the residuals on each grid; empty where modules are not residual.
        last_linear: one more residual block at the end, without scale and ReLU.
        top: steps behind the last grid.
        count_padding: whether average pooling counts the zeros around the map, as torchvision's v3 does.
        aux: an auxiliary head on the 17x17 grid; in training, forward then returns (logits, aux).
        width_mult: scales all channels.
        dropout: before the classifier.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if ``width_mult`` is not positive, or grids, reductions or scales have not their number.
    """

    def __init__(
        self,
        *,
        stem: Path,
        grids: Sequence[Sequence[Module]],
        reductions: Sequence[Module],
        scales: Sequence[float] = (),
        last_linear: bool = False,
        top: Path = (),
        count_padding: bool = False,
        aux: bool = False,
        width_mult: float = 1.0,
        dropout: float = 0.2,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if (len(grids), len(reductions)) != (3, 2) or len(scales) not in (0, 3):
            raise ValueError(
                f"grids, reductions and scales must be 3, 2 and 3 (or no scales), "
                f"got {len(grids)}, {len(reductions)} and {len(scales)}"
            )
        build = Builder(partial(ConvNorm, eps=1e-3), width_mult, count_padding)
        self.in_channels = in_channels
        self.least = build.least([*stem, "max/2V", "max/2V"])
        self.least_training = build.least([*stem, "max/2V"], 17) if aux else self.least

        self.stem, channels = build.path(in_channels, stem)  # 299: (N, C, 35, 35)
        self.grid35, channels = _grid(build, channels, grids[0], scales[:1])
        self.reduce35, channels = build.reduction(channels, reductions[0])
        self.grid17, channels = _grid(build, channels, grids[1], scales[1:2])
        self.aux = AuxiliaryHead(channels, build, num_classes) if aux else None
        self.reduce17, channels = build.reduction(channels, reductions[1])
        self.grid8, channels = _grid(build, channels, grids[2], scales[2:])
        if last_linear:
            self.grid8.append(InceptionResidual(build, channels, grids[2][-1], 1.0, activation=False))
        self.top, channels = build.path(channels, top)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Any:
        """Logits of images; with ``aux``, in training, those of the auxiliary head as well."""
        require_image(x, self.in_channels, self.least_training if self.training else self.least)
        x = self.reduce35(self.grid35(self.stem(x)))
        x = self.grid17(x)  # (N, C, 17, 17)
        side = self.aux(x) if self.aux is not None and self.training else None
        x = self.top(self.grid8(self.reduce17(x)))  # (N, C, 8, 8)
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits if side is None else (logits, side)


def _grid(
    build: Builder, channels: int, modules: Sequence[Module], scale: Sequence[float]
) -> tuple[nn.Sequential, int]:
    """The modules of one grid, residual if there is a scale, and the channels they put out."""
    if not scale:
        return build.path(channels, modules)
    return nn.Sequential(*(InceptionResidual(build, channels, each, scale[0]) for each in modules)), channels

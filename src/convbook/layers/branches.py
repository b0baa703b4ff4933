"""Branches side by side, and whole modules built from paths as papers draw them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm
from convbook.layers.reduction import Reduction

Kernel = int | tuple[int, int]
Conv = tuple[int, Kernel] | tuple[int, Kernel, str]
Step = str | Conv | list["Path"]
Path = Sequence[Step]  # a list of paths is a module: they run side by side


class Branches(nn.ModuleList):
    """Run every branch on the same input and concatenate what they put out.

    (N, C, H, W) -> (N, sum of the branches' channels, H', W'); the branches must agree on H' and W'.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The branches' maps, one behind the other."""
        return torch.cat([branch(x) for branch in self], dim=1)


@dataclass(frozen=True)
class Builder:
    """Turns paths, written down as figures show them, into layers.

    A path is a sequence of steps: ``(channels, kernel)`` convolves, where the kernel is k or (height,
    width); ``"max"`` and ``"avg"`` pool 3x3; a list of paths branches out and concatenates. A convolution
    may carry a third entry and a pooling step an ending: ``"/2"`` for stride 2, ``"V"`` for no padding
    (valid), ``"/2V"`` for both. Without them a step keeps the size of the image.

    Args:
        conv: makes a convolution with its activation, called as :class:`ConvNorm` is.
        width_mult: scales every convolution's channels, of which at least one is left.
        count_padding: whether average pooling counts the zeros around the image.

    Raises:
        ValueError: if ``width_mult`` is not positive.
    """

    conv: Callable[..., nn.Module] = ConvNorm
    width_mult: float = 1.0
    count_padding: bool = False

    def __post_init__(self) -> None:
        if self.width_mult <= 0:
            raise ValueError(
                f"width_mult={self.width_mult} leaves no channels: take one above 0, such as 0.5"
            )

    def width(self, channels: int) -> int:
        """Channels after scaling."""
        return max(1, round(channels * self.width_mult))

    def path(self, in_channels: int, steps: Path) -> tuple[nn.Sequential, int]:
        """The steps one after another, and how many channels they put out."""
        layers: list[nn.Module] = []
        for step in steps:
            layer, in_channels = self._step(in_channels, step)
            layers.append(layer)
        return nn.Sequential(*layers), in_channels

    def branches(self, in_channels: int, paths: Sequence[Path]) -> tuple[Branches, int]:
        """The paths side by side, and how many channels they put out together."""
        built = [self.path(in_channels, steps) for steps in paths]
        return Branches(layer for layer, _ in built), sum(channels for _, channels in built)

    def reduction(
        self, in_channels: int, paths: Sequence[Path], pool: str = "max/2V"
    ) -> tuple[nn.Module, int]:
        """Paths that end at stride 2, beside pooling: a grid of half the side and more channels."""
        built = [self.path(in_channels, steps) for steps in paths]
        layers = [layer for layer, _ in built]
        return Reduction(*layers, pool=self._pool(pool)), in_channels + sum(c for _, c in built)

    def least(self, steps: Path, side: int = 1) -> int:
        """The smallest image of which the steps leave ``side`` pixels."""
        for step in reversed(steps):
            if isinstance(step, list):
                side = max(self.least(path, side) for path in step)
                continue
            kernel, how = (3, step) if isinstance(step, str) else (step[1], "".join(map(str, step[2:])))
            taps = kernel if isinstance(kernel, int) else max(kernel)
            covered = taps if "V" in how else 1  # padding makes up for all taps but one
            side = (side - 1) * (2 if "/2" in how else 1) + covered
        return side

    def _step(self, in_channels: int, step: Step) -> tuple[nn.Module, int]:
        if isinstance(step, str):
            return self._pool(step), in_channels
        if isinstance(step, list):
            return self.branches(in_channels, step)
        channels, kernel = self.width(step[0]), step[1]
        how = step[2] if len(step) == 3 else ""
        stride, padding = 2 if "/2" in how else 1, 0 if "V" in how else None
        return self.conv(in_channels, channels, kernel, stride, padding=padding), channels

    def _pool(self, step: str) -> nn.Module:
        stride, padding = 2 if "/2" in step else 1, 0 if "V" in step else 1
        if step.startswith("max"):
            return nn.MaxPool2d(3, stride, padding)
        return nn.AvgPool2d(3, stride, padding, count_include_pad=self.count_padding)

"""What each value of a network can see of the image, followed operation by operation.

Along one axis, output number i of a layer sees the input pixels ``first + i*jump`` to ``last + i*jump``.
A window of k taps, dilation d, stride s and padding p turns (first, last, jump) into
(first - p*jump, last + ((k-1)*d - p)*jump, s*jump). Where branches meet, by addition or concatenation,
the output sees what any of them saw: the hull of their intervals. Global pooling and flattening
see every position: from there on the field is the image itself, and stays it, gates included.

This is the theoretical field: it may reach past the border, and most of a trained network's
attention falls on a smaller part of it.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

__all__ = ["Field", "Span", "field_after"]


@dataclass(frozen=True)
class Span:
    """The pixels that output 0 sees along one axis, and the step from one output to the next."""

    extent: int  # pixels of the image
    first: int = 0
    last: int = 0
    jump: int = 1  # 0 where there is one value for all positions
    everywhere: bool = False  # every output sees the whole image, or all of it that anything sees

    @property
    def size(self) -> int:
        """Receptive field along this axis, in pixels."""
        return self.last - self.first + 1

    def window(self, kernel: int, stride: int, padding: int, dilation: int = 1) -> "Span":
        """Return what a sliding window over this sees."""
        if self.everywhere:
            return replace(self, jump=self.jump * stride)
        reach = (kernel - 1) * dilation
        first, last = self.first - padding * self.jump, self.last + (reach - padding) * self.jump
        return replace(self, first=first, last=last, jump=self.jump * stride)

    def whole(self, outputs: int) -> "Span":
        """Return what sees all ``outputs`` positions at once."""
        last = self.last + (outputs - 1) * self.jump
        return Span(self.extent, max(self.first, 0), min(last, self.extent - 1), 0, True)

    def join(self, other: "Span") -> "Span":
        """Return what sees both."""
        first, last = min(self.first, other.first), max(self.last, other.last)
        jump, everywhere = max(self.jump, other.jump), self.everywhere or other.everywhere
        if everywhere:
            first, last = max(first, 0), min(last, self.extent - 1)
        return Span(self.extent, first, last, jump, everywhere)


Field = tuple[Span, Span]  # height, width

# Operations that move pixels about, so that the last two axes no longer mean what they did.
_MOVING = {"permute", "transpose", "t", "flip", "roll", "rot90", "index", "im2col", "col2im", "pixel_shuffle"}
_POOLS = {"max_pool2d_with_indices": (2, 3, 4), "avg_pool2d": (2, 3, None)}  # stride, padding, dilation


def field_after(name: str, args: Any, fields: MutableMapping[Tensor, Field], out: Tensor) -> Field | None:
    """Return what the result of an operation sees; None if that cannot be told.

    Args:
        name: of PyTorch's operation, for instance ``convolution``.
        args: what it was called with.
        fields: of the tensors among ``args`` that come from the image.
        out: its result.
    """
    first = args[0] if args and isinstance(args[0], Tensor) else None
    if first is not None and first in fields:
        field, here, there = fields[first], _extent(first), _extent(out)
        if name == "convolution":
            return None if args[6] else _windows(field, args[1].shape[2:], args[3], args[4], args[5])
        if name in _POOLS:
            stride, padding, dilation = (_argument(args, i) for i in _POOLS[name])
            return _windows(field, args[1], stride or args[1], padding or 0, dilation or 1)
        if name == "deform_conv2d":
            return None  # it reads where the image tells it to
        if name in ("_adaptive_avg_pool2d", "adaptive_max_pool2d"):
            return _adaptive(field, here, there)
        if name == "constant_pad_nd":
            pads = [*args[1], 0, 0, 0, 0]
            return field[0].window(1, 1, pads[2]), field[1].window(1, 1, pads[0])
        if name == "slice" and here != there:
            return _slice(field, args, out)
        if name in _MOVING and _moves_pixels(name, args, out):
            return None
    joined: Field | None = None
    for source, field in fields.items():
        here, there = _extent(source), _extent(out)
        if here not in (there, (1, 1)):
            if there != (1, 1):  # neither elementwise nor over the whole map
                return None
            field = field[0].whole(here[0]), field[1].whole(here[1])
        joined = field if joined is None else (joined[0].join(field[0]), joined[1].join(field[1]))
    return joined


def _extent(tensor: Tensor) -> tuple[int, int]:
    """Height and width of an image-like tensor; a vector of features counts as one position."""
    return (tensor.shape[-2], tensor.shape[-1]) if tensor.ndim >= 4 else (1, 1)


def _argument(args: Any, index: int | None) -> Any:
    return args[index] if index is not None and index < len(args) else None


def _two(value: Any) -> tuple[int, int]:
    values = [value] if isinstance(value, int) else list(value)
    return (values[0], values[-1])


def _windows(field: Field, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Field:
    settings = zip(_two(kernel), _two(stride), _two(padding), _two(dilation), strict=True)
    height, width = (span.window(*s) for span, s in zip(field, settings, strict=True))
    return height, width


def _adaptive(field: Field, here: tuple[int, int], there: tuple[int, int]) -> Field | None:
    spans = []
    for span, size, target in zip(field, here, there, strict=True):
        if size % target:
            return None  # windows of unequal size: no single answer
        step = size // target
        spans.append(span.whole(size) if target == 1 else span.window(step, step, 0))
    return spans[0], spans[1]


def _slice(field: Field, args: Any, out: Tensor) -> Field | None:
    axis = (_argument(args, 1) or 0) % out.ndim - out.ndim
    start, step = _argument(args, 2) or 0, _argument(args, 4) or 1
    if axis not in (-1, -2):
        return field
    size = args[0].shape[axis]
    spans = list(field)
    spans[axis] = field[axis].window(1, step, -(start % size if start < 0 else start))
    return spans[0], spans[1]


def _moves_pixels(name: str, args: Any, out: Tensor) -> bool:
    if name == "transpose":
        return any(d % out.ndim >= out.ndim - 2 for d in args[1:3])
    if name == "permute":
        return [d % out.ndim for d in args[1]][-2:] != [out.ndim - 2, out.ndim - 1]
    if name == "index":
        return any(i is not None for i in args[1][args[0].ndim - 2 :])
    return out.ndim >= 4

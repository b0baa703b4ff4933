"""The meta device, quickly: shapes of the commonest operations without PyTorch's compiler.

PyTorch works out most shapes on the meta device in Python code that imports its compiler, which takes
seconds, and checks more than a network needs. ``ShapesOnly`` answers the commonest operations itself and
leaves all else, errors included, to PyTorch.
"""

from collections.abc import Sequence
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["ShapesOnly"]

Shape = tuple[int, ...]

FILLING = {"normal_", "uniform_", "zero_", "fill_"}
POINTWISE = {"add", "sub", "mul", "div", "neg", "maximum", "pow"}
POINTWISE |= {
    "_prelu_kernel",
    "remainder",
    "relu",
    "hardtanh",
    "sigmoid",
    "tanh",
    "silu",
    "gelu",
    "hardswish",
    "hardsigmoid",
}
WITH_INDICES = {"max_pool2d_with_indices", "adaptive_max_pool2d"}
REDUCTIONS = {"mean", "sum", "amax"}


class ShapesOnly(TorchDispatchMode):
    """Context in which meta tensors pass through networks by shape alone."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here; True would import the compiler

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.run(func, args, kwargs or {})

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what ``func`` would, without its numbers."""
        name = func.overloadpacket.__name__
        given = args[0] if name == "cat" and args else args
        tensors = [a for a in given if isinstance(a, Tensor)]
        if not tensors or tensors[0] is not given[0] or not all(t.is_meta for t in tensors):
            return func(*args, **kwargs)
        x = tensors[0]
        in_place = name.endswith("_") and (torch.Tag.pointwise in func.tags or name[:-1] in POINTWISE)
        if name in FILLING or in_place:
            return x
        if name == "native_batch_norm":
            return (x.new_empty(x.shape), *args[3:5])
        shape = _shape(name, args, kwargs, tensors)
        if shape is None:
            return func(*args, **kwargs)
        out = x.new_empty(shape)
        return (out, out.new_empty(shape, dtype=torch.int64)) if name in WITH_INDICES else out


def _shape(name: str, args: Any, kwargs: Any, tensors: list[Tensor]) -> Shape | None:
    """Shape of an operation's result; None where PyTorch should decide or complain."""
    x = tensors[0]
    if name in POINTWISE:
        return numpy.broadcast_shapes(*(t.shape for t in tensors))
    if name == "addmm" and args[1].shape[1] == args[2].shape[0]:
        return (args[1].shape[0], args[2].shape[1])
    if name in REDUCTIONS and len(args) > 1 and args[1] and not kwargs:
        dims = {d % x.ndim for d in args[1]}
        keep = len(args) > 2 and args[2]
        return tuple(1 if d in dims else n for d, n in enumerate(x.shape) if keep or d not in dims)
    if name in ("_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        return (*x.shape[:-2], *args[1])
    if name in ("upsample_nearest2d", "upsample_bilinear2d") and args[1]:
        return (*x.shape[:2], *args[1])
    if name == "max_unpool2d":
        return (*x.shape[:-2], *args[2])
    if name == "index_put":
        return tuple(x.shape)
    if name == "cat" and len({t.ndim for t in tensors}) == 1:
        return _joined(tensors, args[1] % x.ndim if len(args) > 1 else 0)
    if name == "convolution" and not args[6] and x.ndim == 4 and x.shape[1] == args[1].shape[1] * args[8]:
        return _slid((x.shape[0], args[1].shape[0]), x.shape[2:], args[1].shape[2:], *args[3:6])
    if name == "max_pool2d_with_indices" and x.ndim == 4:
        _, kernel, stride, padding, dilation, ceil = (*args, None, None, None, None)[:6]
        settings = (kernel, stride or kernel, padding or 0, dilation or 1)
        return _slid(x.shape[:2], x.shape[2:], *settings, ceil=bool(ceil))
    if name in ("avg_pool2d", "avg_pool3d") and x.ndim == 2 + int(name[-2]):
        _, kernel, stride, padding, ceil = (*args, None, None, None)[:5]
        return _slid(x.shape[:2], x.shape[2:], kernel, stride or kernel, padding or 0, 1, ceil=bool(ceil))
    return None


def _joined(tensors: list[Tensor], axis: int) -> Shape | None:
    """Shape of a concatenation; None if the other axes differ."""
    others = {(*t.shape[:axis], *t.shape[axis + 1 :]) for t in tensors}
    total = sum(t.shape[axis] for t in tensors)
    shape = tensors[0].shape
    return (*shape[:axis], total, *shape[axis + 1 :]) if len(others) == 1 else None


def _slid(outer: Sequence[int], sizes: Any, *settings: Any, ceil: bool = False) -> Shape | None:
    """Shape after a sliding window of kernel, stride, padding, dilation; None if nothing is left."""
    each = [_each(value, len(sizes)) for value in settings]
    sides = [_places(n, k, s, p, d, ceil) for n, k, s, p, d in zip(sizes, *each, strict=True)]
    return (*outer, *sides) if min(sides) > 0 else None


def _places(n: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    """Places of a window on one axis; with ``ceil`` the last may hang over, but not start outside."""
    room = n + 2 * p - d * (k - 1) - 1
    places = (-(-room // s) if ceil else room // s) + 1
    return places - 1 if ceil and (places - 1) * s >= n + p else places


def _each(value: int | Sequence[int], axes: int) -> Sequence[int]:
    """One value an axis; PyTorch lets one stand for all."""
    values = [value] if isinstance(value, int) else list(value)
    return values * axes if len(values) == 1 else values

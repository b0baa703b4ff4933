"""One forward pass, watched operation by operation: multiply-accumulates and receptive fields."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakTensorKeyDictionary

from convbook.receptive import Field, Span, field_after
from convbook.shapes import ShapesOnly

__all__ = ["Trace"]


class Trace:
    """Counts the MACs of all that runs inside ``watch``, and keeps what each tensor there sees."""

    def __init__(self) -> None:
        self.flops = 0
        self.formulas = FlopCounterMode(display=False).flop_registry
        self.fields: Any = WeakTensorKeyDictionary()

    @property
    def macs(self) -> int:
        """Multiply-accumulates so far: PyTorch counts each as two operations."""
        return self.flops // 2

    @contextmanager
    def watch(self, image: Tensor) -> Iterator[None]:
        """Follow ``image`` (N, C, H, W) and all that is computed from it."""
        height, width = image.shape[-2:]
        self.fields[image] = (Span(height), Span(width))
        with _Watch(self):
            yield

    def field(self, tensor: Tensor) -> tuple[int | None, int | None]:
        """Return (receptive field, jump) of a tensor, the larger of height and width; None if unknown."""
        spans: Field | None = self.fields.get(tensor)
        if spans is None:
            return None, None
        return max(s.size for s in spans), max(s.jump for s in spans)


class _Watch(ShapesOnly):
    """Sees every operation that PyTorch runs, below all modules and functions."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet, kwargs = func.overloadpacket, kwargs or {}
        out = self.run(func, args, kwargs)
        if packet in self.trace.formulas:
            self.trace.flops += self.trace.formulas[packet](*args, **kwargs, out_val=out)
        known = self.trace.fields
        sources = {a: known[a] for a in tree_leaves((args, kwargs)) if isinstance(a, Tensor) and a in known}
        if sources:
            lost = None in sources.values()  # what one source sees cannot be told: nor what the result does
            for result in tree_leaves(out):
                if isinstance(result, Tensor):
                    known[result] = None if lost else field_after(packet.__name__, args, sources, result)
        return out

"""How deep a network is: layers with weights on its longest path from image to logits."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from convbook.shapes import ShapesOnly

__all__ = ["depth"]

WEIGHTED = {"convolution", "addmm", "mm"}


class _Longest(ShapesOnly):
    """Gives each tensor one more than the deepest tensor it is made of, where weights are applied."""

    def __init__(self) -> None:
        super().__init__()
        self.depths: Any = WeakTensorKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = self.run(func, args, kwargs)
        sources = [a for a in tree_leaves((args, kwargs)) if isinstance(a, Tensor)]
        deepest = max((self.depths.get(a, 0) for a in sources), default=0)
        deepest += func.overloadpacket.__name__ in WEIGHTED
        for result in tree_leaves(out):
            if isinstance(result, Tensor):
                self.depths[result] = deepest
        return out


def depth(network: nn.Module, input_size: tuple[int, ...]) -> int:
    """Count convolutions and linear layers on the longest path of a network on the meta device."""
    training = network.training
    with torch.no_grad(), _Longest() as trace:
        logits = network.eval()(torch.empty(1, *input_size, device="meta"))
    network.train(training)
    return int(trace.depths[logits])

"""Which ideas a network is built from, read off one forward pass on the meta device.

Nothing here is declared by hand but what no forward pass can tell: that a design was searched for. A tensor
remembers which tensors and which layers with weights it was made of; how two of them are joined tells a
shortcut from a branch, and a gate from a sum.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from convbook.layers.shuffle import ChannelShuffle
from convbook.models import create_model, describe
from convbook.shapes import ShapesOnly

__all__ = ["IDEAS", "SEARCHED", "Idea", "ideas_in", "ideas_of"]


@dataclass(frozen=True)
class Idea:
    """What an idea is called, and by what it is recognised."""

    label: str
    sign: str  # a sentence


IDEAS: dict[str, Idea] = {
    "pointwise": Idea("1×1 convolutions", "A kernel of one pixel mixes the channels of a map."),
    "norm": Idea("batch normalisation", "Each channel is shifted and scaled by statistics of the batch."),
    "asymmetric": Idea("asymmetric kernels", "A kernel is longer one way than the other, as 1×7."),
    "plain": Idea("plain chain", "Each layer reads only the one before it: no two maps are ever joined."),
    "branches": Idea(
        "branches", "Maps that went through convolutions of their own side by side are concatenated or added."
    ),
    "skip": Idea(
        "skip connections",
        "A map is added to one computed from it, and passes no layer with weights in between.",
    ),
    "dense": Idea("dense connections", "A map is concatenated with one computed from it."),
    "groups": Idea("groups", "A kernel reads a part of the channels, but more than one of them."),
    "depthwise": Idea("depthwise", "A kernel reads one channel of its input."),
    "shuffle": Idea("channel shuffle", "Channels change places between groups."),
    "attention": Idea(
        "attention, gates", "A map is multiplied by factors that layers compute from the maps."
    ),
    "scales": Idea(
        "upsampling", "A map is enlarged again: by a transposed convolution, or by interpolation."
    ),
    "search": Idea("searched", "A program chose among designs; the paper says so, no forward pass can tell."),
}

# The one idea that is stated: a paper's key -> what the paper says was searched, and where.
SEARCHED = {
    "zoph2018learning": "section 3: the two cells, by a recurrent controller",
    "howard2019searching": "section 4: the blocks by a platform-aware search, their channels by NetAdapt",
}

WEIGHTED = {"convolution", "addmm", "mm"}


@dataclass(frozen=True)
class _Origin:
    """What a tensor was made of, as sets of numbers packed into the bits of an integer."""

    tensors: int
    layers: int = 0  # those with weights
    spatial: int = 0  # convolutions larger than 1×1 among them

    def has_own(self, kind: str, other: "_Origin") -> bool:
        """Whether one of its tensors, layers or spatial convolutions did not go into ``other``."""
        return bool(getattr(self, kind) & ~getattr(other, kind))


class _Wiring(ShapesOnly):
    """Notes the ideas in what runs inside: kinds of convolutions, and how maps are joined."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.joined = False
        self.count = 1
        self.origins: Any = WeakTensorKeyDictionary()
        self.origins[image] = _Origin(1)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = func.overloadpacket.__name__.removesuffix("_"), kwargs or {}
        sources = [a for a in tree_leaves((args, kwargs)) if isinstance(a, Tensor) and a in self.origins]
        origins = [self.origins[a] for a in sources]
        self._note(name, args, sources)
        out = self.run(func, args, kwargs)
        for result in tree_leaves(out):
            if isinstance(result, Tensor) and sources:
                self.origins[result] = self._from(origins, name in WEIGHTED, _is_spatial(name, args))
        return out

    def _from(self, origins: list[_Origin], weighted: bool, spatial: bool) -> _Origin:
        """The origin of a new tensor that is made of others."""
        mark = 1 << self.count
        self.count += 1
        new = _Origin(mark, mark * weighted, mark * spatial)
        for old in origins:
            new = _Origin(new.tensors | old.tensors, new.layers | old.layers, new.spatial | old.spatial)
        return new

    def _note(self, name: str, args: Any, sources: list[Tensor]) -> None:
        maps = [a for a in sources if a.ndim >= 4 and a.shape[-1] * a.shape[-2] > 1]
        if name == "convolution" and maps:
            self.found.update({"scales"} if args[6] else _kinds(args[0], args[1], args[8]))
        elif name == "native_batch_norm":
            self.found.add("norm")
        elif name.startswith("upsample"):
            self.found.add("scales")
        elif len(sources) > 1 and maps:
            self._note_joint(name, [self.origins[a] for a in (sources if name == "mul" else maps)])

    def _note_joint(self, name: str, origins: list[_Origin]) -> None:
        """Tell what joins two maps, or more than two that are concatenated."""
        for a, b in combinations(origins, 2):
            own = [one.has_own("layers", other) for one, other in ((a, b), (b, a))]
            if name in ("cat", "stack"):
                self.joined = True
                made_of_each_other = not (a.has_own("tensors", b) and b.has_own("tensors", a))
                self.found.update(["dense"] if made_of_each_other else ["branches"] if all(own) else [])
            elif name == "add":
                self.joined = True
                # A 1×1 convolution alone is a projection on a shortcut, and no branch.
                branches = a.has_own("spatial", b) and b.has_own("spatial", a)
                self.found.update(["branches"] if branches else [] if all(own) else ["skip"])
            elif name == "mul" and any(own):
                self.joined = True
                self.found.add("attention")


def _is_spatial(name: str, args: Any) -> bool:
    return name == "convolution" and max(args[1].shape[2:]) > 1


def _kinds(x: Tensor, weight: Tensor, groups: int) -> Iterator[str]:
    """Kinds of a convolution of ``x`` (N, C, H, W) with ``weight`` (out, C / groups, h, w)."""
    if groups > 1:
        yield "depthwise" if groups == x.shape[1] else "groups"
    if weight.shape[2] != weight.shape[3]:
        yield "asymmetric"
    if tuple(weight.shape[2:]) == (1, 1):
        yield "pointwise"


def ideas_in(network: nn.Module, input_size: tuple[int, ...]) -> set[str]:
    """Keys of ``IDEAS`` in one forward pass of a network on the meta device; all but ``search``.

    Args:
        network: its parameters lie on the meta device.
        input_size: (C, H, W) of an image.
    """
    image = torch.empty(1, *input_size, device="meta")
    with torch.no_grad(), _Wiring(image) as wiring:
        network.eval()(image)
    found = set(wiring.found)
    if not wiring.joined:
        found.add("plain")
    if any(isinstance(module, ChannelShuffle) for module in network.modules()):
        found.add("shuffle")
    return found


@cache
def ideas_of(name: str) -> frozenset[str]:
    """Keys of ``IDEAS`` that a registered network is built from.

    Raises:
        UnknownModelError: if no network has this name.
    """
    spec = describe(name)
    with torch.device("meta"), ShapesOnly():
        network = create_model(name)
    found = ideas_in(network, spec.input_size)
    return frozenset(found | {"search"} if spec.paper in SEARCHED else found)

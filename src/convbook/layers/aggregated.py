"""Three equal forms of one ResNeXt block (Xie et al. 2017, figure 3), and weights carried between them.

Each maps (N, C, H, W) -> (N, C, H, W) through ``cardinality`` paths of ``base_width`` channels. They
compute the same function; the third is what one builds, for it is three convolutions and no loop.
"""

import torch
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm, conv1x1

State = dict[str, Tensor]


class AggregatedBlock(nn.Module):
    """What the forms share: relu(x + norm(aggregate(x))), and weights in the grouped form's layout."""

    def __init__(self, channels: int = 256, cardinality: int = 32, base_width: int = 4) -> None:
        super().__init__()
        self.channels, self.cardinality, self.base_width = channels, cardinality, base_width
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def aggregate(self, x: Tensor) -> Tensor:
        """The sum over all paths."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Sum of paths, normalised, plus the input."""
        return self.relu(self.norm(self.aggregate(x)) + x)

    def to_grouped(self) -> State:
        """The block's state under the names and in the layout of :class:`GroupedBlock`."""
        raise NotImplementedError

    def load_grouped(self, state: State) -> None:
        """Take over a state that is in the layout of :class:`GroupedBlock`."""
        raise NotImplementedError


class GroupedBlock(AggregatedBlock):
    """Figure 3c: one grouped convolution stands for all paths."""

    def __init__(self, channels: int = 256, cardinality: int = 32, base_width: int = 4) -> None:
        super().__init__(channels, cardinality, base_width)
        inner = cardinality * base_width
        self.reduce = ConvNorm(channels, inner, 1)  # (N, 128, H, W)
        self.transform = ConvNorm(inner, inner, 3, groups=cardinality)  # (N, 128, H, W)
        self.expand = conv1x1(inner, channels)  # (N, 256, H, W)

    def aggregate(self, x: Tensor) -> Tensor:
        """1x1, grouped 3x3, 1x1."""
        return self.expand(self.transform(self.reduce(x)))

    def to_grouped(self) -> State:
        """Its own state."""
        return self.state_dict()

    def load_grouped(self, state: State) -> None:
        """Its own state."""
        self.load_state_dict(state)


class BranchedBlock(AggregatedBlock):
    """What figures 3a and 3b share: a branch for each path, ``reduce`` and ``transform`` in it."""

    def __init__(self, channels: int = 256, cardinality: int = 32, base_width: int = 4) -> None:
        super().__init__(channels, cardinality, base_width)
        self.reduce = nn.ModuleList(ConvNorm(channels, base_width, 1) for _ in range(cardinality))
        self.transform = nn.ModuleList(ConvNorm(base_width, base_width, 3) for _ in range(cardinality))

    def paths(self, x: Tensor) -> list[Tensor]:
        """Each path's (N, base_width, H, W)."""
        pairs = zip(self.reduce, self.transform, strict=True)
        return [transform(reduce(x)) for reduce, transform in pairs]

    def expansion(self) -> Tensor:
        """Weights of the last 1x1 convolution, (C, cardinality * base_width, 1, 1)."""
        raise NotImplementedError

    def set_expansion(self, weight: Tensor) -> None:
        """Take over weights of the last 1x1 convolution."""
        raise NotImplementedError

    def to_grouped(self) -> State:
        """Lay the branches' tensors one behind the other."""
        state = {f"norm.{key}": value for key, value in self.norm.state_dict().items()}
        state["expand.weight"] = self.expansion()
        for stage in ("reduce", "transform"):
            branches = [branch.state_dict() for branch in self.get_submodule(stage).children()]
            for key, first in branches[0].items():
                counter = first.ndim == 0  # batches that a norm has seen: alike in all branches
                stacked = first if counter else torch.cat([branch[key] for branch in branches])
                state[f"{stage}.{key}"] = stacked
        return state

    def load_grouped(self, state: State) -> None:
        """Cut the grouped tensors into the branches' shares."""
        self.norm.load_state_dict({key: state[f"norm.{key}"] for key in self.norm.state_dict()})
        self.set_expansion(state["expand.weight"])
        for stage in ("reduce", "transform"):
            for i, branch in enumerate(self.get_submodule(stage).children()):
                share = slice(i * self.base_width, (i + 1) * self.base_width)
                whole = {key: state[f"{stage}.{key}"] for key in branch.state_dict()}
                branch.load_state_dict({key: v if v.ndim == 0 else v[share] for key, v in whole.items()})


class SplitTransformMergeBlock(BranchedBlock):
    """Figure 3a: each path goes 1x1, 3x3, 1x1 by itself, and the results are added up."""

    def __init__(self, channels: int = 256, cardinality: int = 32, base_width: int = 4) -> None:
        super().__init__(channels, cardinality, base_width)
        self.expand = nn.ModuleList(conv1x1(base_width, channels) for _ in range(cardinality))

    def aggregate(self, x: Tensor) -> Tensor:
        """Widen each path, then add."""
        widened = [expand(path) for expand, path in zip(self.expand, self.paths(x), strict=True)]
        return torch.stack(widened).sum(dim=0)

    def expansion(self) -> Tensor:
        """The paths' matrices side by side."""
        return torch.cat([conv.get_parameter("weight").detach() for conv in self.expand], dim=1)

    def set_expansion(self, weight: Tensor) -> None:
        """A block of columns a path."""
        for conv, columns in zip(self.expand, weight.split(self.base_width, dim=1), strict=True):
            conv.load_state_dict({"weight": columns})


class EarlyConcatBlock(BranchedBlock):
    """Figure 3b: the paths are concatenated, and one 1x1 convolution widens and adds them."""

    def __init__(self, channels: int = 256, cardinality: int = 32, base_width: int = 4) -> None:
        super().__init__(channels, cardinality, base_width)
        self.expand = conv1x1(cardinality * base_width, channels)

    def aggregate(self, x: Tensor) -> Tensor:
        """Concatenate, then widen."""
        return self.expand(torch.cat(self.paths(x), dim=1))

    def expansion(self) -> Tensor:
        """As it is."""
        return self.expand.weight.detach()

    def set_expansion(self, weight: Tensor) -> None:
        """As it is."""
        self.expand.load_state_dict({"weight": weight})


def convert(block: AggregatedBlock, form: type[AggregatedBlock]) -> AggregatedBlock:
    """The same function in another form: ``convert(grouped, SplitTransformMergeBlock)``.

    Weights, running statistics, precision, device and mode are carried over; the copy shares no memory.
    """
    other = form(block.channels, block.cardinality, block.base_width).to(block.norm.weight)
    other.load_grouped(block.to_grouped())
    return other.train(block.training)

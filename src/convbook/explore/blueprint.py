"""A network as compact data: stages, blocks and layers, counted at several resolutions and widths.

Everything that repeats is written once. What a layer costs follows from the shape that the real network gives
it at a size: a convolution's MACs are its weights times its positions. A layer for which this does not hold
in the published profile is profiled at every size.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from math import prod
from typing import Any

from convbook.explore.sizes import Shape, Variant, find_sides, find_widths, width_argument
from convbook.explore.stages import Stage, Tree, stages
from convbook.models import describe
from convbook.profile import LayerRow, Profile


class Table(dict[str, int]):
    """Entries written once, known by their place."""

    def place(self, entry: Any) -> int:
        """Where an entry stands; a new one goes to the end."""
        return self.setdefault(json.dumps(entry), len(self))

    def entries(self) -> list[Any]:
        """All entries in order."""
        return [json.loads(text) for text in self]


class Blueprint:
    """Counts one network at all its sizes, and packs the counts."""

    def __init__(self, name: str) -> None:
        self.name, self.side = name, describe(name).input_size[1]
        self.widths = find_widths(name)
        self.base: Variant = self.widths[1.0]
        self.whole: Profile = self.base.profile(self.side)
        self.sides = find_sides(self.base)
        self.wide = {factor: variant.shapes(self.side) for factor, variant in self.widths.items()}
        self.tree = Tree(self.whole)
        self.kinds, self.grids, self.modules = Table(), Table(), Table()

    def pack(self) -> dict[str, Any]:
        """The network as JSON can carry it; ``architectures.js`` reads it."""
        argument = width_argument(self.name)
        network: Any = self.base.network
        values = [dict(variant.overrides).get(argument) for variant in self.widths.values()]
        found = [self._stage(stage) for stage in stages(self.tree)]
        return {
            "sides": list(self.sides),
            "side": self.side,
            "argument": argument if len(self.widths) > 1 else "",
            "factors": list(self.widths),
            "values": ["as published" if value is None else _words(value) for value in values],
            "exits": len(network.classifiers) if hasattr(network, "exits") else 1,
            "kinds": self.kinds.entries(),
            "grids": self.grids.entries(),
            "modules": self.modules.entries(),
            "stages": found,
        }

    def _stage(self, stage: Stage) -> dict[str, Any]:
        last = next((u for u in reversed(stage.units) if self.tree.side(u) == stage.side), stage.units[-1])
        while last not in self.sides[self.side] and last in self.tree.children:
            last = self.tree.children[last][0]
        return {
            "ran": stage.ran,
            "head": not stage.side,
            "grid": self._grid(last),
            "channels": self._channels(last),
            "parts": _runs([(unit, self._module(unit)) for unit in stage.units]),
        }

    def _module(self, path: str) -> int:
        """Where a layer's [kind, grid, channels, params, ...] or a block's [class, parts, ...] stands."""
        parts = self.tree.children.get(path, [])
        if not parts:
            return self._layer(path)
        inside = [(part.removeprefix(f"{path}."), self._module(part)) for part in parts]
        if path in self.tree.rows:
            inside.insert(0, ("itself", self._layer(path)))
        output = [self._grid(path), self._channels(path)]
        return self.modules.place([self.whole.modules[path].kind, _runs(inside), *output])

    def _layer(self, path: str) -> int:
        row = self.tree.rows[path]
        params = [variant.own_params(path) for variant in self.widths.values()]
        published = list(self.widths).index(1.0)
        if row.params != params[published]:  # shared with a layer before
            params = [0] * len(params)
        law = _law(row)
        kind = self.kinds.place([row.kind, _detail(row), *(law or ())])
        entry = [kind, self._grid(path), self._channels(path), _once(params)]
        return self.modules.place(entry if law else [*entry, *self._counted(path)])

    def _counted(self, path: str) -> tuple[list[int], list[int]]:
        """MACs and activations at every width and, inside that, every resolution."""
        rows = [rows[path] for rows in self._everywhere]
        return [row.macs for row in rows], [row.activations for row in rows]

    @cached_property
    def _everywhere(self) -> list[dict[str, LayerRow]]:
        return [
            {row.name: row for row in variant.profile(side).rows}
            for variant in self.widths.values()
            for side in self.sides
        ]

    def _grid(self, path: str) -> int:
        shapes = [shapes.get(path, ()) for shapes in self.sides.values()]
        return self.grids.place([_side(shape) for shape in shapes])

    def _channels(self, path: str) -> Any:
        return _once([_channels(shapes.get(path, ())) for shapes in self.wide.values()])


def _law(row: LayerRow) -> tuple[int, int, float] | None:
    """(calls, bias, share) of a layer whose counts follow from its output's shape; None for any other.

    Activations are calls * channels * positions. MACs are share * (params - bias * channels) * positions: the
    share is 0 without MACs, the calls where weights are used again, and below 1 in a transposed convolution.
    """
    channels, positions = _channels(row.output_shape), prod(row.output_shape[1:])
    calls, rest = divmod(row.activations, max(channels * positions, 1))
    if rest:
        return None
    if not row.macs:
        return calls, 0, 0
    for bias in (0, 1):
        work = (row.params - bias * channels) * positions
        if work and row.macs % work == 0:
            return calls, bias, row.macs // work
        if work % row.macs == 0 and (work // row.macs).bit_count() == 1:  # strides are powers of 2: exact
            return calls, bias, row.macs / work
    return None


def _channels(shape: Shape) -> int:
    return shape[0] if shape else 0


def _side(shape: Shape) -> Any:
    """0 for a vector, one number for a square map, else all sizes behind the channels."""
    return 0 if len(shape) < 2 else shape[1] if shape[1:] == (shape[1], shape[1]) else list(shape[1:])


def _detail(row: LayerRow) -> str:
    if row.groups > 1 and row.groups == _channels(row.output_shape):
        return f"{replace(row, groups=1).detail}, depthwise"
    return row.detail


def _once(values: list[int]) -> Any:
    return values[0] if len(set(values)) == 1 else values


def _runs(parts: list[tuple[str, int]]) -> list[list[Any]]:
    """[name, place] of each part; neighbours that are alike as [first name, place, times, last name]."""
    found = []
    for place, group in groupby(parts, key=lambda part: part[1]):
        names = [name for name, _ in group]
        found.append([names[0], place] if len(names) == 1 else [names[0], place, len(names), names[-1]])
    return found


def _words(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

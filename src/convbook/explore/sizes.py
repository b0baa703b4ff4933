"""Resolutions and widths at which a registered network can be built and run, without any numbers."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from convbook.models import create_model, describe
from convbook.profile import Profile, profile
from convbook.shapes import ShapesOnly

SCALES = (0.5, 1.0, 1.5, 2.0)  # of the published resolution
FACTORS = (0.5, 1.0, 1.5)  # of the published width
KNOBS = ("width_mult", "widths", "width", "growth_rate", "growth_rates", "channels", "filters", "hidden")

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Variant:
    """A registered network with some of its arguments replaced, on the meta device."""

    name: str
    overrides: tuple[tuple[str, Any], ...] = ()

    @cached_property
    def network(self) -> nn.Module:
        """The network itself; an error of its class where the arguments do not fit."""
        with torch.device("meta"), ShapesOnly():
            return create_model(self.name, **dict(self.overrides)).eval()

    def profile(self, side: int) -> Profile:
        """Its profile for one square image."""
        return profile(self.network, self._size(side), name=self.name)

    def shapes(self, side: int) -> dict[str, Shape]:
        """What each module hands on, without the batch; many tensors count by the first."""
        found: dict[str, Shape] = {}

        def note(path: str) -> Any:
            def hook(module: nn.Module, args: Any, result: Any) -> None:
                found[path] = tuple(tree_leaves(result)[0].shape[1:])

            return hook

        handles = [module.register_forward_hook(note(path)) for path, module in self.network.named_modules()]
        try:
            with torch.no_grad(), ShapesOnly():
                self.network(torch.empty(1, *self._size(side), device="meta"))
        finally:
            for handle in handles:
                handle.remove()
        return found

    def paths(self) -> set[str]:
        """The names of all modules."""
        return {path for path, _ in self.network.named_modules()}

    def own_params(self, path: str) -> int:
        """Scalars of one module without those of modules inside it."""
        return sum(p.numel() for p in self.network.get_submodule(path).parameters(recurse=False))

    def _size(self, side: int) -> Shape:
        return (describe(self.name).input_size[0], side, side)


def find_sides(variant: Variant) -> dict[int, dict[str, Shape]]:
    """Resolutions that a network takes, multiples of the published one, with what its modules hand on."""
    spec = describe(variant.name)
    published = spec.input_size[1]
    # A network that is told its image's size is another network at another one.
    scales = (1.0,) if "image_size" in spec.arguments else SCALES
    found = {}
    for side in (round(scale * published) for scale in scales):
        try:
            found[side] = variant.shapes(side)
        except (ValueError, RuntimeError):  # too small, or of the wrong size for a linear layer
            if side == published:
                raise
    return found


def find_widths(name: str) -> dict[float, Variant]:
    """A network at multiples of its published width; only the published one where no argument sets it."""
    found = {1.0: Variant(name)}
    argument = width_argument(name)
    if argument:
        published = _value(name, argument)
        for factor in FACTORS:
            variant = Variant(name, ((argument, scaled(published, factor)),)) if factor != 1 else found[1.0]
            try:
                alike = variant.paths() == found[1.0].paths()
            except ValueError:  # such a width does not divide by the groups
                continue
            if alike:  # a shortcut may have lost its projection
                found[factor] = variant
    return {factor: found[factor] for factor in sorted(found)}


def width_argument(name: str) -> str:
    """The argument that makes most of a network's layers wider; "" if there is none."""
    spec = describe(name)
    inside = "network" in spec.arguments  # then the argument is not for the network within
    return next((a for a in spec.arguments if a in KNOBS and _value(name, a) and not inside), "")


def _value(name: str, argument: str) -> Any:
    spec = describe(name)
    return spec.kwargs.get(argument, inspect.signature(spec.cls).parameters[argument].default)


def scaled(value: Any, factor: float) -> Any:
    """A number, or all numbers of a list, times a factor; counts stay whole."""
    if isinstance(value, list | tuple):
        return tuple(scaled(each, factor) for each in value)
    return round(value * factor) if isinstance(value, int) else value * factor

"""Networks handed out by name.

A model file states its published variants as data and calls :func:`register`; everyone else
calls :func:`create_model`, :func:`list_models` and :func:`describe`.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from torch import nn


class UnknownModelError(ValueError):
    """No network is registered under this name."""


class OverrideError(TypeError):
    """A network was asked for with an argument that it does not take."""


@dataclass(frozen=True)
class ModelSpec:
    """What the registry knows of one network.

    Attributes:
        name: what :func:`create_model` is called with.
        family: the networks it belongs to, e.g. ``"resnet"``.
        cls: the class that is built.
        kwargs: the arguments that make the class this variant.
        input_size: ``(C, H, W)`` of the paper's images.
        num_classes: the paper's number of classes.
        paper: key of the paper in the references and in the claims.
        year: year of publication.
    """

    name: str
    family: str
    cls: type[nn.Module]
    kwargs: Mapping[str, Any]
    input_size: tuple[int, int, int]
    num_classes: int
    paper: str
    year: int

    @property
    def arguments(self) -> list[str]:
        """Names of all arguments that an override may set."""
        return list(inspect.signature(self.cls).parameters)


IMAGENET: dict[str, Any] = {"input_size": (3, 224, 224), "num_classes": 1000}
CIFAR: dict[str, Any] = {"input_size": (3, 32, 32), "num_classes": 10}

_SPECS: dict[str, ModelSpec] = {}


def register(
    cls: type[nn.Module],
    variants: Mapping[str, Mapping[str, Any]],
    *,
    family: str,
    paper: str,
    year: int,
    input_size: tuple[int, int, int],
    num_classes: int,
) -> None:
    """Make each of ``variants`` (name -> arguments of ``cls``) available by its name.

    Raises:
        ValueError: if a name is taken already.
    """
    for name, kwargs in variants.items():
        if name in _SPECS:
            raise ValueError(f"a model named {name!r} is registered already: choose another name")
        frozen = MappingProxyType(dict(kwargs))
        _SPECS[name] = ModelSpec(name, family, cls, frozen, input_size, num_classes, paper, year)


def list_models(pattern: str = "*") -> list[str]:
    """Names that match a shell pattern such as ``"*_cifar"``, sorted."""
    return sorted(name for name in _SPECS if fnmatchcase(name, pattern))


def describe(name: str) -> ModelSpec:
    """The entry of one network.

    Raises:
        UnknownModelError: if there is none; the message names its nearest neighbours.
    """
    if name in _SPECS:
        return _SPECS[name]
    near = get_close_matches(str(name).lower().replace("-", "_"), _SPECS, n=4, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "list_models() gives all names"
    raise UnknownModelError(f"unknown model {name!r}: {hint}")


def create_model(
    name: str, *, num_classes: int | None = None, in_channels: int | None = None, **overrides: Any
) -> nn.Module:
    """Build a network by name, freshly initialised.

    Args:
        name: one of :func:`list_models`.
        num_classes: classes to tell apart; None takes the paper's number.
        in_channels: channels of the images; None takes the paper's number.
        **overrides: arguments of the network's class that replace the variant's own, such as
            ``depths=(1, 1, 1)``; ``describe(name).arguments`` lists them.

    Raises:
        UnknownModelError: if no network has this name.
        OverrideError: if the class takes no such argument.
        ValueError: if a count is below 1 or another number below 0; the class refuses what else is wrong.
    """
    spec = describe(name)
    legal = spec.arguments
    for wrong in [key for key in overrides if key not in legal]:
        raise OverrideError(f"{name} takes no argument {wrong!r}; it takes {', '.join(legal)}")
    for key, value in {"num_classes": num_classes, "in_channels": in_channels, **overrides}.items():
        _require_positive(name, key, value, inspect.signature(spec.cls).parameters[key].default)
    arguments = {
        **spec.kwargs,
        "num_classes": spec.num_classes if num_classes is None else num_classes,
        "in_channels": spec.input_size[0] if in_channels is None else in_channels,
        **overrides,
    }
    return spec.cls(**arguments)


def _require_positive(name: str, key: str, value: Any, default: Any) -> None:
    """Counts start at 1, unless the argument's default is 0; rates, shares and multipliers at 0."""
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    for number in numbers:
        if isinstance(number, list | tuple):
            _require_positive(name, key, number, default)
        elif isinstance(number, int | float) and not isinstance(number, bool):
            least = 1 if isinstance(number, int) and not isinstance(default, float) and default != 0 else 0
            if not number >= least:  # refuses nan as well
                raise ValueError(f"{name}: {key}={value!r} is not possible: take {least} or more")

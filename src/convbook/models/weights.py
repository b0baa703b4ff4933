"""Weights that torchvision publishes, in the networks of this package."""

import re
from collections.abc import Mapping

from torch import Tensor, nn


class WeightsError(ValueError):
    """A state dict does not belong to this network."""


def load_torchvision_weights(
    model: nn.Module, state_dict: Mapping[str, Tensor], *, head: bool = True
) -> nn.Module:
    """Load a state dict of torchvision's network into ours of the same name, and return ours.

    A class whose modules are named otherwise than torchvision's has ``torchvision_names``: regular
    expressions and what replaces them, in order. A key replaced by nothing is left out, as those of an
    auxiliary classifier are where the network was built without one.

    Args:
        model: a network that :func:`create_model` built.
        state_dict: what ``torchvision.models.get_model(...).state_dict()`` gives.
        head: False leaves alone the tensors whose shapes differ, so that a network with another number of
            classes takes everything but its last layer.

    Raises:
        WeightsError: if names or shapes do not fit; nothing has been loaded then.
    """
    names: Mapping[str, str] = getattr(model, "torchvision_names", {})
    given = {ours: value for key, value in state_dict.items() if (ours := _rename(key, names))}
    wanted = model.state_dict()
    kind = type(model).__name__
    if strange := sorted(given.keys() - wanted.keys()):
        raise WeightsError(f"{kind} has no {_some(strange)}: are these weights of another network?")
    if missing := sorted(wanted.keys() - given.keys()):
        raise WeightsError(f"the weights lack {_some(missing)} of {kind}: are they of another network?")
    unlike = [key for key in wanted if given[key].shape != wanted[key].shape]
    if unlike and head:
        key = unlike[0]
        shapes = f"{tuple(given[key].shape)}, {kind} wants {tuple(wanted[key].shape)}"
        raise WeightsError(
            f"{key} is {shapes}: build with the weights' num_classes, or pass head=False to leave "
            f"such tensors as they are"
        )
    model.load_state_dict({key: wanted[key] if key in unlike else given[key] for key in wanted})
    return model


def _rename(key: str, names: Mapping[str, str]) -> str:
    for pattern, replacement in names.items():
        key = re.sub(pattern, replacement, key)
    return key


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

"""The layers of a module as plain data, and numbers drawn for their weights.

Both sides of the wall run this: inside, a student's module is filled and described; outside, the judge draws
the same numbers again from the description and puts them into the reference.
"""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

SETTINGS = ("kernel_size", "stride", "padding", "dilation", "groups", "p", "num_groups")


def layers(module: nn.Module) -> list[nn.Module]:
    """The submodules that hold parameters or buffers of their own, in the order in which they were made."""
    return [each for each in module.modules() if own(each)]


def own(layer: nn.Module) -> dict[str, Tensor]:
    """A layer's own floating-point parameters and buffers by name; not those of its children."""
    tensors = dict(layer.named_parameters(recurse=False)) | dict(layer.named_buffers(recurse=False))
    return {name: each for name, each in tensors.items() if each.is_floating_point()}


def describe(module: nn.Module) -> list[dict[str, Any]]:
    """A description a layer: its kind, the shapes of its tensors, its settings."""
    return [
        {
            "kind": kind(layer),
            "shapes": {name: list(each.shape) for name, each in own(layer).items()},
            "settings": {name: _plain(getattr(layer, name)) for name in SETTINGS if hasattr(layer, name)},
        }
        for layer in layers(module)
    ]


def kind(layer: nn.Module) -> str:
    """The name of the PyTorch class it is or descends from, or its own."""
    for each in type(layer).__mro__:
        if each.__module__.startswith("torch.nn.modules") and each is not nn.Module:
            return each.__name__
    return type(layer).__name__


@torch.no_grad()
def fill(module: nn.Module, seed: int) -> None:
    """Give every layer the numbers drawn for its place."""
    for index, layer in enumerate(layers(module)):
        for name, tensor in own(layer).items():
            tensor.copy_(drawn(seed, index, name, list(tensor.shape)))


def drawn(seed: int, index: int, name: str, shape: list[int]) -> Tensor:
    """The numbers for one tensor of the layer at place `index`.

    Weights keep the size of the signal; norms' statistics and every bias differ from what a fresh layer has,
    so that leaving one out shows.
    """
    digest = hashlib.sha256(f"{seed}/{index}/{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:6], "big"))
    if name == "running_var":
        return torch.empty(shape).uniform_(0.5, 2, generator=generator)
    if len(shape) < 2:
        return torch.empty(shape).normal_(0, 0.5, generator=generator)
    fan_in = max(1, torch.Size(shape[1:]).numel())
    return torch.empty(shape).normal_(0, fan_in**-0.5, generator=generator)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float | str) else str(value)

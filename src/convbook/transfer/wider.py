"""Net2WiderNet: a wider network that computes what the narrow one did (Chen et al. 2016, section 2.2)."""

from __future__ import annotations

import copy

import torch
from torch import Generator, Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import parametrize

from convbook.transfer.channels import Channels, Net2NetError, Value, follow


def wider(model: nn.Module, layer: str, width: int, generator: Generator, noise: float = 0.0) -> nn.Module:
    """A copy of ``model`` in which a layer has more channels (units) and the outputs are the same.

    New channels repeat old ones, drawn at random. Where a channel now comes k times, every layer that sums
    over it divides that weight by k; normalisations and depthwise convolutions repeat their parameters.
    Layers whose channels are added to or multiplied with this one's (shortcuts, gates) grow along, with the
    same repetitions. Modules keep their places and parameters their names.

    The function is kept up to rounding in evaluation mode, and in training mode too, as copies have the
    batch statistics of their originals; only dropout, which draws for each copy anew, keeps it in the mean.

    Args:
        model: a network; it is left as it is.
        layer: name of a convolution or linear layer in ``model.named_modules()``.
        width: channels that it is to have.
        generator: draws which channels are repeated, and the noise; on the CPU.
        noise: standard deviation of what is added to the copies' incoming weights, in units of that of the
            layer's weights. Copies without noise get the same gradient and stay copies for ever, unless
            dropout tells them apart; with noise, the function is kept only approximately.

    Raises:
        Net2NetError: if the layer cannot be widened; the message says why.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    >>> wide = wider(net, "0", 5, Generator().manual_seed(0))
    >>> wide
    Sequential(
      (0): Linear(in_features=2, out_features=5, bias=True)
      (1): ReLU()
      (2): Linear(in_features=5, out_features=1, bias=True)
    )
    >>> x = torch.tensor([[0.3, -1.0]]).double()
    >>> torch.allclose(net(x), wide(x), atol=1e-12)
    True
    """
    found = follow(model)
    old = _width(model, found, layer)
    if width < old:
        raise Net2NetError(f"{layer!r} has {old} channels already: ask for more, not for {width}")
    if noise < 0:
        raise Net2NetError(f"noise is a standard deviation: 0 or more, not {noise}")
    origin = torch.cat([torch.arange(old), torch.randint(old, (width - old,), generator=generator)])
    result, growth = copy.deepcopy(model), _Growth(found, found.tied[layer], origin)
    for name, mixes, index, share in growth.plan(model):
        _take_inputs(result.get_submodule(name), index, share if mixes else None)
    for name in sorted(found.tied[layer]):
        _take_outputs(result.get_submodule(name), origin, old, noise, generator)
    return result


def _width(model: nn.Module, found: Channels, layer: str) -> int:
    """Channels of a layer that can be widened."""
    modules = dict(model.named_modules())
    if layer not in modules:
        raise Net2NetError(f"the model has no layer {layer!r}: named_modules() lists what it has")
    if layer not in found.widths or layer not in found.tied:
        raise Net2NetError(
            f"{layer!r} makes no channels of its own, or is never called: name a convolution or linear layer"
        )
    for maker in sorted(found.tied[layer], key=lambda maker: maker != layer):
        if maker in found.locked:
            whose = "its" if maker == layer else f"it is tied to {maker!r}, whose"
            raise Net2NetError(f"{layer!r} cannot be widened: {whose} channels {found.locked[maker]}")
        if parametrize.is_parametrized(modules[maker]):
            raise Net2NetError(
                f"{maker!r} computes its weight from another: remove its parametrization first"
            )
    width = found.widths[layer]
    assert width is not None  # only locked makers are without
    return width


class _Growth:
    """Which old channel each new channel comes from, wherever channels of ``makers`` are read."""

    def __init__(self, found: Channels, makers: set[str], origin: Tensor) -> None:
        self.found, self.makers, self.origin = found, makers, origin
        self.copies = torch.bincount(origin)  # of each old channel

    def plan(self, model: nn.Module) -> list[tuple[str, bool, Tensor, Tensor]]:
        """For each layer to change: name, whether it mixes, old inputs to take, share of each in a sum."""
        changes: dict[str, tuple[bool, Tensor, Tensor]] = {}
        touched = {reader.layer for reader in self.found.readers if self.makers & set(reader.value.makers)}
        for name, value, mixes in self.found.readers:
            if name not in touched:
                continue
            index, share = self.inputs(name, _inputs(model.get_submodule(name)), value)
            if name in changes and not torch.equal(changes[name][1], index):
                raise Net2NetError(f"{name!r} is called twice, on channels that grow differently")
            changes[name] = (mixes, index, share)
        return [(name, *change) for name, change in changes.items()]

    def inputs(self, name: str, features: int, value: Value) -> tuple[Tensor, Tensor]:
        """Old inputs (new features,) that a layer's new inputs repeat, and 1 / repetitions of each."""
        indices, shares, offset = [], [], 0
        for maker in value.makers:
            width = self.found.widths[maker]
            if width is None:
                raise Net2NetError(f"{name!r} reads channels beside this layer's that cannot be counted")
            grows = maker in self.makers
            indices.append(offset + (self.origin if grows else torch.arange(width)))
            shares.append(1 / self.copies[self.origin].double() if grows else torch.ones(width).double())
            offset += width
        index, share = torch.cat(indices), torch.cat(shares)
        places = features // offset  # of a flattened map: its values lie side by side, channel after channel
        if places * offset != features or (places > 1 and not value.flat):
            raise Net2NetError(f"{name!r} takes {features} inputs, which {offset} channels do not explain")
        index = (index[:, None] * places + torch.arange(places)).flatten()
        return index, share.repeat_interleave(places)


def _inputs(module: nn.Module) -> int:
    """Channels that a layer reads."""
    names = ("in_channels", "in_features", "num_features", "num_parameters")
    return next(getattr(module, name) for name in names if hasattr(module, name))


@torch.no_grad()
def _take_inputs(module: nn.Module, index: Tensor, share: Tensor | None) -> None:
    """Let a layer read the channels at ``index``: as terms of a sum, or (share None) each by itself."""
    if share is not None:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        weight = module.weight.detach()
        index, share = index.to(weight.device), share.to(weight)
        module.weight = _like(module.weight, weight[:, index] * share.view(1, -1, *[1] * (weight.ndim - 2)))
    else:
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, _like(parameter, parameter.detach()[index.to(parameter.device)]))
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.ndim:  # all but the count of batches
                setattr(module, name, buffer[index.to(buffer.device)])
    for name in ("in_channels", "in_features", "num_features", "num_parameters"):
        if hasattr(module, name):
            setattr(module, name, len(index))
    if share is None and isinstance(module, nn.Conv2d):
        module.out_channels = module.groups = len(index)


@torch.no_grad()
def _take_outputs(module: nn.Module, origin: Tensor, old: int, noise: float, generator: Generator) -> None:
    """Let a layer make the channels of ``origin``, those from ``old`` on being noisy copies."""
    assert isinstance(module, nn.Conv2d | nn.Linear)
    weight, index = module.weight.detach(), origin.to(module.weight.device)
    grown = weight[index]
    if noise:
        drawn = torch.randn(grown[old:].shape, generator=generator, dtype=weight.dtype)
        grown[old:] += noise * weight.std() * drawn.to(weight.device)
    module.weight = _like(module.weight, grown)
    if module.bias is not None:
        module.bias = _like(module.bias, module.bias.detach()[index])
    setattr(module, "out_features" if isinstance(module, nn.Linear) else "out_channels", len(origin))


def _like(old: Tensor, value: Tensor) -> Parameter:
    return Parameter(value.contiguous(), requires_grad=old.requires_grad)

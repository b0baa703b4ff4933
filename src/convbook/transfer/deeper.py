"""Net2DeeperNet: a deeper network that computes what the shallow one did (Chen et al. 2016, section 2.3)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn

from convbook.layers.initial import fill_bias
from convbook.transfer.channels import (
    KEEPS_SIGN,
    RELU_CALLS,
    Channels,
    Net2NetError,
    Norm,
    follow,
    trace,
)


def deeper(model: nn.Module, after: str, images: Tensor | None = None, *, kernel_size: int = 3) -> nn.Module:
    """A copy of ``model`` with one layer more, which computes the identity until it is trained.

    The new layer stands behind the activation that follows ``after``: a convolution whose kernel is 1 in its
    centre, or a linear layer with the unit matrix; with ``images`` batch normalisation; ReLU. That is the
    identity only because what comes in is not negative and ReLU keeps it: for an activation f with
    f(f(x)) != f(x), such as tanh, it would not be, and is refused.

    Batch normalisation would standardise what it passes. Its scale and shift are set to the standard
    deviation and mean that ``images`` have there, and so are its running statistics: in evaluation mode the
    two cancel for all images. In training mode they do for a batch with the statistics of ``images``, and
    nearly for others.

    The module at ``after``, or the activation behind it if it has a module of its own, becomes an
    ``nn.Sequential`` of itself and the new layer: its parameters are then called ``after.0.weight``.

    Args:
        model: a network; it is left as it is.
        after: name of a convolution, linear layer, normalisation, activation or pooling, or of an
            ``nn.Sequential`` that ends in one.
        images: a training batch (N, C, H, W), normalised as for training; None: no batch normalisation.
        kernel_size: side of the new convolution, odd.

    Raises:
        Net2NetError: if no identity fits there; the message says why.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> deep = deeper(net, "0")
    >>> deep
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): Sequential(
        (0): ReLU()
        (1): Linear(in_features=3, out_features=3, bias=True)
        (2): ReLU()
      )
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    >>> x = torch.tensor([[0.3, -1.0]])
    >>> torch.equal(net(x), deep(x))
    True
    """
    if kernel_size % 2 == 0:
        raise Net2NetError(f"kernel_size={kernel_size} has no centre: take an odd one")
    result, found = copy.deepcopy(model), follow(model)
    name, opens = _place(trace(copy.deepcopy(model).eval()), after, result)
    layers = [result.get_submodule(name), *([nn.ReLU()] if opens else [])]
    like = next(result.parameters())
    identity = _identity(name, result, found, kernel_size, bias=images is None).to(like)
    norms = [] if images is None else [_transparent_norm(_met(model, name, images.to(like), opens))]
    closing = [] if opens else [nn.ReLU()]
    deepened = nn.Sequential(*layers, identity, *norms, *closing)
    result.set_submodule(name, deepened.train(layers[0].training))
    return result


def _place(graph: fx.Graph, after: str, model: nn.Module) -> tuple[str, bool]:
    """The module behind which the layer goes, and whether a ReLU must come first.

    If one must, the ReLU that stood there before closes the new layer.
    """
    modules = dict(model.named_modules())
    while isinstance(modules.get(after), nn.Sequential) and len(modules[after]):  # its last module
        after += f".{list(modules[after]._modules)[-1]}"
    if after not in modules:
        raise Net2NetError(f"the model has no layer {after!r}: named_modules() lists what it has")
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target == after]
    if len(calls) != 1:
        raise Net2NetError(f"{after!r} is called {len(calls)} times: name a single layer that is called once")
    node = calls[0]
    while isinstance(_module(_only_user(node), modules), Norm):
        node = _only_user(node)
    if _not_negative(node, modules):
        return str(node.target), False
    user = _only_user(node)
    if user is None or not _is_relu(user, modules):
        behind = "nothing or several layers" if user is None else f"{_module(user, modules) or user.target}"
        raise Net2NetError(f"no identity fits behind {after!r}: it needs ReLU there and meets {behind}")
    own = user.op == "call_module" and sum(n.target == user.target for n in graph.nodes) == 1
    return (str(user.target), False) if own else (str(node.target), True)


def _only_user(node: fx.Node | None) -> fx.Node | None:
    return next(iter(node.users)) if node is not None and len(node.users) == 1 else None


def _module(node: fx.Node | None, modules: dict[str, nn.Module]) -> nn.Module | None:
    return modules[str(node.target)] if node is not None and node.op == "call_module" else None


def _is_relu(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    return isinstance(_module(node, modules), nn.ReLU | nn.ReLU6) or node.target in RELU_CALLS


def _not_negative(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether ReLU, or pooling and the like behind it, made the value: another ReLU would keep it."""
    if _is_relu(node, modules):
        return True
    keeps = isinstance(_module(node, modules), KEEPS_SIGN) or node.target is torch.cat
    return keeps and all(_not_negative(source, modules) for source in node.all_input_nodes)


def _identity(name: str, model: nn.Module, found: Channels, kernel_size: int, bias: bool) -> nn.Module:
    """A convolution or linear layer that puts out what comes in."""
    value = found.outputs[name]
    widths = [found.widths[maker] for maker in value.makers]
    if value.flat or None in widths:
        raise Net2NetError(f"the maps that {name!r} puts out cannot be told: name a layer before it")
    width = sum(w for w in widths if w is not None)
    if isinstance(model.get_submodule(value.makers[0]), nn.Linear):
        linear = nn.Linear(width, width, bias=bias)
        nn.init.eye_(linear.weight)
        fill_bias(linear, 0.0)
        return linear
    convolution = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2, bias=bias)
    nn.init.dirac_(convolution.weight)
    fill_bias(convolution, 0.0)
    return convolution


@torch.no_grad()
def _met(model: nn.Module, name: str, images: Tensor, opens: bool) -> Tensor:
    """What the new layer will meet in training on ``images``."""
    probe, met = copy.deepcopy(model).train(), []
    hook = lambda module, args, output: met.append(output.relu() if opens else output.clone())  # noqa: E731
    probe.get_submodule(name).register_forward_hook(hook)
    probe(images)
    return met[0]


@torch.no_grad()
def _transparent_norm(met: Tensor) -> nn.Module:
    """Batch normalisation that undoes what it does to values (N, C, ...) with the statistics of ``met``."""
    kind = nn.BatchNorm2d if met.ndim == 4 else nn.BatchNorm1d
    norm = kind(met.shape[1], device=met.device, dtype=met.dtype)
    dims = [0, *range(2, met.ndim)]
    mean, variance = met.mean(dims), met.var(dims, correction=0)
    for statistic, value in ((norm.running_mean, mean), (norm.running_var, variance)):
        assert statistic is not None
        statistic.copy_(value)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean)
    return norm

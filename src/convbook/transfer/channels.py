"""Who reads the channels that a layer makes: a network followed through its code, without running it.

``torch.fx`` runs ``forward`` on stand-ins for tensors and writes down each call. Here every value of that
list gets the names of the layers whose channels it carries, in order: a convolution starts a new name, a
normalisation or pooling passes names on, a concatenation lines them up, a sum ties two names to one width.
"""

from __future__ import annotations

import copy
import inspect
import operator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.nn import functional as F


class Net2NetError(ValueError):
    """A network cannot be changed in this place without changing what it computes."""


Norm = nn.BatchNorm1d | nn.BatchNorm2d
ELEMENTWISE_MODULES = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
KEEPS_SIGN = (*POOLS, nn.Dropout, nn.Dropout2d, nn.Identity, nn.Upsample)  # of what is not negative
KEEPS_CHANNELS = (*ELEMENTWISE_MODULES, *KEEPS_SIGN)
KEEPING_CALLS = {  # functions, and names of methods, that treat each channel alike and by itself
    *(
        F.relu,
        F.relu6,
        F.leaky_relu,
        F.elu,
        F.gelu,
        F.silu,
        F.hardswish,
        F.hardsigmoid,
        F.dropout,
        F.dropout2d,
    ),
    *(F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.interpolate, F.sigmoid),
    *(torch.relu, torch.sigmoid, torch.tanh, torch.clamp, operator.neg),
    *("relu", "sigmoid", "tanh", "clamp", "contiguous", "float"),
}
PAIRING_CALLS = {
    *(operator.add, operator.iadd, operator.sub, operator.mul, operator.imul, operator.truediv),
    *(torch.add, torch.mul, torch.maximum, "add", "mul", "add_", "mul_"),
}
SPATIAL = ((2, 3), [2, 3], (-2, -1), [-2, -1])
RELU_CALLS = {F.relu, F.relu6, torch.relu, "relu"}


class Value(NamedTuple):
    """What one value carries: the makers of its channels in order; ``flat`` where they are no maps."""

    makers: tuple[str, ...]
    flat: bool = False


class Reader(NamedTuple):
    """A layer with a parameter for each channel of what it reads; ``mixes`` if it sums over channels."""

    layer: str
    value: Value
    mixes: bool


@dataclass
class Channels:
    """What :func:`follow` found.

    Attributes:
        widths: channels of each maker: a layer's name, or that of a value nobody can widen.
        readers: layers that must change when their makers do.
        locked: makers that cannot change, with the reason.
        tied: for each maker, the set of those that must have the same channels as it.
        outputs: what each called module puts out, by its name (the last call, if there are several).
    """

    widths: dict[str, int | None] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)
    locked: dict[str, str] = field(default_factory=dict)
    tied: dict[str, set[str]] = field(default_factory=dict)
    outputs: dict[str, Value] = field(default_factory=dict)

    def make(self, name: str, width: int | None, *, locked: str = "") -> Value:
        """A value with channels of its own."""
        if name not in self.widths:
            self.widths[name], self.tied[name] = width, {name}
        if locked:
            self.locked.setdefault(name, locked)
        return Value((name,))

    def lock(self, value: Value, reason: str) -> None:
        """Let nobody change the makers of ``value``."""
        for maker in value.makers:
            self.locked.setdefault(maker, reason)

    def tie(self, a: Value, b: Value, where: str) -> None:
        """Channel by channel, ``a`` meets ``b``."""
        widths = [[self.widths[maker] for maker in value.makers] for value in (a, b)]
        if widths[0] != widths[1] or None in widths[0] or a.flat != b.flat:
            for value in (a, b):
                self.lock(value, f"meet others, not one to one, in {where}")
            return
        for one, other in zip(a.makers, b.makers, strict=True):
            union = self.tied[one] | self.tied[other]
            for maker in union:
                self.tied[maker] = union


class PatientTracer(fx.Tracer):
    """Passes the checks that networks make of their images."""

    def to_bool(self, obj: fx.Proxy) -> bool:
        """Take a question for false where it is asked by a function that returns nothing: a check.

        Such a function can only raise or return, so that no answer alters what is computed.
        """
        frame = inspect.currentframe()
        while frame is not None and frame.f_globals["__name__"] in (__name__, "torch.fx.proxy"):
            frame = frame.f_back
        asker: Any = None if frame is None else frame.f_globals.get(frame.f_code.co_name)
        known = frame is not None and getattr(asker, "__code__", None) is frame.f_code
        if known and inspect.signature(asker).return_annotation in (None, "None"):
            return False
        return super().to_bool(obj)


def trace(model: nn.Module) -> fx.Graph:
    """The calls of ``model`` in its present mode, those without effect left out.

    Raises:
        Net2NetError: if its code decides by the values that come in, so that one run is not the whole story.
    """
    try:
        graph = fx.GraphModule(model, PatientTracer().trace(model)).graph
    except (fx.proxy.TraceError, TypeError) as error:
        reason = str(error).split(". ")[0].splitlines()[0]
        raise Net2NetError(f"cannot follow {type(model).__name__} through its code: {reason}") from None
    graph.eliminate_dead_code()
    return graph


def follow(model: nn.Module) -> Channels:
    """Follow the channels through ``model`` in both modes, as auxiliary heads exist in training only.

    Raises:
        Net2NetError: if its code cannot be followed.
    """
    found, probe = Channels(), copy.deepcopy(model)
    for mode in (True, False):
        values: dict[fx.Node, Value] = {}
        for node in trace(probe.train(mode)).nodes:
            values[node] = _value(node, values, probe, found)
            if node.op == "call_module":
                found.outputs[str(node.target)] = values[node]
    return found


def _value(node: fx.Node, values: dict[fx.Node, Value], model: nn.Module, found: Channels) -> Value:
    """What ``node`` carries, given what its inputs carry; notes readers, ties and locks on the way."""
    inputs = [values[n] for n in node.all_input_nodes]
    if node.op == "call_module" and len(inputs) == 1:
        value = _through_module(str(node.target), model.get_submodule(str(node.target)), inputs[0], found)
    elif node.op in ("call_function", "call_method"):
        value = _through_call(node, inputs, found)
    else:
        value = None
    if value is None:  # images, the model's output, and whatever is not known to keep channels apart
        for taken in inputs:
            found.lock(taken, f"go into {_name(node, model)}")
        value = found.make(f"({node.name})", None, locked="do not come from a convolution or linear layer")
    return value


def _name(node: fx.Node, model: nn.Module) -> str:
    """What to call a step in a message."""
    if node.op == "output":
        return "the model's output"
    if node.op == "call_module":
        return f"{type(model.get_submodule(str(node.target))).__name__} {node.target!r}"
    return getattr(node.target, "__name__", str(node.target))


def _through_module(name: str, module: nn.Module, taken: Value, found: Channels) -> Value | None:
    if isinstance(module, nn.Linear):
        found.readers.append(Reader(name, taken, mixes=True))
        return found.make(name, module.out_features)
    if isinstance(module, nn.Conv2d):
        if module.groups == 1:
            found.readers.append(Reader(name, taken, mixes=True))
            return found.make(name, module.out_channels)
        if module.groups == module.in_channels == module.out_channels:
            found.readers.append(Reader(name, taken, mixes=False))
            return taken
        found.lock(taken, f"go into the grouped convolution {name!r}")
        return found.make(name, module.out_channels, locked="come from a grouped convolution")
    if isinstance(module, Norm) or (isinstance(module, nn.PReLU) and module.num_parameters > 1):
        found.readers.append(Reader(name, taken, mixes=False))
        return taken
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
        return taken._replace(flat=True)
    return taken if isinstance(module, KEEPS_CHANNELS) or type(module) is nn.PReLU else None


def _through_call(node: fx.Node, inputs: list[Value], found: Channels) -> Value | None:
    call: Any = node.target
    rest: dict[Any, Any] = {**dict(enumerate(node.args)), **node.kwargs}  # by place or by name
    if call in (torch.cat, torch.concat) and rest.get("dim", rest.get(1)) == 1:
        parts = rest["tensors"] if "tensors" in rest else rest[0]
        if not any(value.flat for value in inputs):
            known = dict(zip(node.all_input_nodes, inputs, strict=True))
            return Value(tuple(maker for part in parts for maker in known[part].makers))
    if len(inputs) == 1:
        flattens = call in ("flatten", torch.flatten) and rest.get("start_dim", rest.get(1)) == 1
        averages = (
            call in ("mean", torch.mean, "amax", torch.amax) and rest.get("dim", rest.get(1)) in SPATIAL
        )
        if flattens or averages:
            return inputs[0]._replace(flat=True)
        return inputs[0] if call in KEEPING_CALLS | PAIRING_CALLS else None
    if len(inputs) == 2 and call in PAIRING_CALLS:
        found.tie(inputs[0], inputs[1], getattr(call, "__name__", call))
        return inputs[0]
    return None

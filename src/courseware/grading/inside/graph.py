"""A network as data: its layers with their settings, and which result goes where.

A student's network is traced inside the sandbox and leaves it as this data; outside, `rebuild` makes a
network of fresh layers from it. Only the layers and operations listed here exist in it, so nothing of the
student's own code can run outside, and its parameters can be counted by somebody else.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

LAYERS: dict[str, tuple[type[nn.Module], tuple[str, ...]]] = {
    layer.__name__: (layer, tuple(arguments.split()))
    for layer, arguments in (
        (nn.Conv2d, "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode"),
        (nn.Linear, "in_features out_features bias"),
        (nn.BatchNorm1d, "num_features eps momentum affine"),
        (nn.BatchNorm2d, "num_features eps momentum affine"),
        (nn.InstanceNorm2d, "num_features eps affine"),
        (nn.GroupNorm, "num_groups num_channels eps affine"),
        (nn.MaxPool2d, "kernel_size stride padding dilation ceil_mode"),
        (nn.AvgPool2d, "kernel_size stride padding ceil_mode count_include_pad"),
        (nn.AdaptiveAvgPool2d, "output_size"),
        (nn.AdaptiveMaxPool2d, "output_size"),
        (nn.Dropout, "p"),
        (nn.Dropout2d, "p"),
        (nn.Flatten, "start_dim end_dim"),
        (nn.ChannelShuffle, "groups"),
        (nn.LeakyReLU, "negative_slope"),
        (nn.PReLU, "num_parameters"),
        (nn.ELU, "alpha"),
        (nn.GELU, "approximate"),
        *((plain, "") for plain in (nn.Identity, nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Mish)),
        *((plain, "") for plain in (nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh)),
    )
}
NUMBERS = ("add", "mul", "mean", "amax", "relu", "sigmoid", "tanh")
MOVES = ("cat", "chunk", "split", "flatten", "reshape", "permute", "transpose", "unsqueeze", "squeeze")
ACTIVATIONS = ("relu", "relu6", "elu", "gelu", "silu", "hardswish", "hardsigmoid", "leaky_relu")
POOLS = ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "pad")
OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "getitem", "iadd", "imul", "neg")
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"operator.{name}": getattr(operator, name) for name in OPERATORS},
    **{f"torch.{name}": getattr(torch, name) for name in NUMBERS + MOVES},
    **{f"F.{name}": getattr(F, name) for name in ACTIVATIONS + POOLS},
}
NAMES = {function: name for name, function in reversed(FUNCTIONS.items())}
SHAPES = ("flatten", "view", "reshape", "permute", "transpose", "contiguous", "unsqueeze", "squeeze", "size")
SUMS = ("add", "sub", "mul", "div", "add_", "mul_", "mean", "amax", "sum")
METHODS = frozenset((*SHAPES, *SUMS, "relu", "relu_", "sigmoid", "tanh", "chunk", "split"))
MAX_NODES = 2_000
MAX_NUMBER = 4_096  # in settings and arguments
MAX_VALUES = 20_000_000  # in all results together for one image


class GraphError(ValueError):
    """A network that cannot be told as data; the message says what is in the way."""


def trace(network: nn.Module) -> dict[str, Any]:
    """Return the network as data.

    Raises:
        GraphError: if its forward depends on the values it sees, or uses a layer or operation not listed.
    """
    try:
        graph = fx.Tracer().trace(network)
    except Exception as error:
        raise GraphError(
            f"forward cannot be traced: it may not branch on its input ({type(error).__name__})"
        ) from error
    modules = dict(network.named_modules())
    found: dict[str, Any] = {}
    numbers = {node: number for number, node in enumerate(graph.nodes)}
    nodes = []
    for node in graph.nodes:
        target: Any = node.target
        if node.op == "call_module":
            found[target] = _layer(modules[target])
        elif node.op == "call_function":
            shape = target is getattr and node.args[1] == "shape"
            target = "shape" if shape else NAMES.get(target)
            if target is None:
                name = getattr(node.target, "__name__", node.target)
                raise GraphError(f"{name} is not on the list of operations")
        elif node.op == "call_method" and target not in METHODS:
            raise GraphError(f"the method {target} is not on the list of operations")
        elif node.op == "get_attr":
            raise GraphError(f"{target} is a parameter outside a layer: use the layers of torch.nn")
        nodes.append([node.op, target, _plain(node.args, numbers), _plain(node.kwargs, numbers)])
    return {"layers": found, "nodes": nodes}


def _layer(layer: nn.Module) -> list[Any]:
    name = type(layer).__name__
    if LAYERS.get(name, (None,))[0] is not type(layer):
        raise GraphError(f"{name} is not on the list of layers")
    settings = {each: getattr(layer, each) for each in LAYERS[name][1]}
    if "bias" in settings:
        settings["bias"] = settings["bias"] is not None
    return [name, {each: _plain(value, {}) for each, value in settings.items()}]


def _plain(value: Any, numbers: dict[fx.Node, int]) -> Any:
    """An argument as data; `numbers` counts the steps."""
    if isinstance(value, fx.Node):
        return {"node": numbers[value]}
    if isinstance(value, list | tuple):
        return [_plain(each, numbers) for each in value]
    if isinstance(value, dict):
        return {"named": {str(name): _plain(each, numbers) for name, each in value.items()}}
    if isinstance(value, slice):
        return {"slice": [_plain(each, numbers) for each in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": 0}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise GraphError(f"a {type(value).__name__} among the arguments cannot be told as data")


class Rebuilt(nn.Module):
    """A network made from data: (N, C, H, W) -> whatever the data says.

    Raises:
        GraphError: if the data is not what `trace` writes, or a number in it is out of bounds.
    """

    def __init__(self, data: Any) -> None:
        super().__init__()
        try:
            self.nodes = [(str(op), str(target), args, named) for op, target, args, named in data["nodes"]]
            built = {name: _build(*layer) for name, layer in data["layers"].items()}
        except GraphError:
            raise
        except Exception as error:
            raise GraphError(f"not a network: {type(error).__name__}") from None
        if len(self.nodes) > MAX_NODES or len(built) > MAX_NODES:
            raise GraphError(f"more than {MAX_NODES} steps")
        self.places = {name: number for number, name in enumerate(built)}
        self.parts = nn.ModuleList(built.values())

    def forward(self, x: Tensor) -> Any:
        """Run the steps in order."""
        results: list[Any] = []
        values = 0
        for op, target, args, named in self.nodes:
            given = [_value(each, results) for each in args]
            options = _value(named, results)
            results.append(self._step(op, target, given, options, x))
            if op == "output":
                return results[-1]
            values += _count(results[-1])
            if values > MAX_VALUES * len(x):
                raise GraphError(f"its steps make more than {MAX_VALUES:,} values an image")
        raise GraphError("the network returns nothing")

    def _step(self, op: str, target: str, given: list[Any], options: dict[str, Any], x: Tensor) -> Any:
        if op == "placeholder":
            return x
        if op == "output":
            return given[0]
        if op == "call_module":
            return self.parts[self.places[target]](*given, **options)
        if op == "call_method" and target in METHODS and isinstance(given[0], Tensor):
            return getattr(given[0], target)(*given[1:], **options)
        if op == "call_function" and target == "shape" and isinstance(given[0], Tensor):
            return given[0].shape
        if op == "call_function" and target in FUNCTIONS:
            return FUNCTIONS[target](*given, **options)
        raise GraphError(f"{op} {target} is not on the list of operations")


def rebuild(data: Any, image: tuple[int, ...], max_params: int) -> Rebuilt:
    """Return the network with freshly initialised layers, after a run without numbers in it.

    Raises:
        GraphError: if it is not valid, has more than `max_params` parameters, or fails on such images.
    """
    with torch.device("meta"):
        shadow = Rebuilt(data)
        params = sum(each.numel() for each in shadow.parameters())
        if params > max_params:
            raise GraphError(f"the network has {params:,} parameters; {max_params:,} are allowed")
        try:
            shadow.eval()(torch.empty(2, *image))
        except GraphError:
            raise
        except Exception as error:
            raise GraphError(
                f"on images of shape {image} it raises {type(error).__name__}: {error}"
            ) from None
    return Rebuilt(data)


def _build(name: str, settings: Any) -> nn.Module:
    layer, arguments = LAYERS[name]
    if set(settings) != set(arguments):
        raise GraphError(f"{name} with the wrong settings")
    return layer(**{each: _value(value, []) for each, value in settings.items()})


def _value(data: Any, results: list[Any]) -> Any:
    """An argument from data, its numbers within bounds."""
    if isinstance(data, list | tuple):
        return tuple(_value(each, results) for each in data)
    if isinstance(data, dict):
        ((key, content),) = data.items()
        if key == "node" and type(content) is int and 0 <= content < len(results):
            return results[content]
        if key == "named":
            return {str(name): _value(each, results) for name, each in content.items()}
        if key == "slice":
            return slice(*(_value(each, results) for each in content))
        if key == "ellipsis":
            return Ellipsis
        raise GraphError("an argument that is none")
    if isinstance(data, int | float) and not abs(data) <= MAX_NUMBER:
        raise GraphError(f"{data} is out of bounds")
    if data is None or isinstance(data, bool | int | float | str):
        return data
    raise GraphError("an argument that is none")


def _count(result: Any) -> int:
    """The numbers in a result: a tensor, or several."""
    parts = result if isinstance(result, list | tuple) else (result,)
    return sum(each.numel() for each in parts if isinstance(each, Tensor))

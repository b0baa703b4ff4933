"""What a claim can be about, and how each is computed from a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from convbook.claims.depth import depth
from convbook.models import create_model, describe
from convbook.profile import LayerRow, Profile, profile
from convbook.shapes import ShapesOnly

if TYPE_CHECKING:
    from convbook.claims.claim import Claim

__all__ = ["QUANTITIES", "Quantity", "compute", "profile_of"]

OTHER = "other:"  # a network that a paper compares with and the library does not hold


@dataclass(frozen=True)
class Quantity:
    """One thing that papers print numbers of.

    A quantity without ``of`` cannot be computed from a network; ``why`` then says what it would take,
    and ``data`` names the data whose records would measure it.
    """

    label: str
    of: Callable[["Claim"], float] | None = None
    unit: str = ""
    why: str = ""
    data: tuple[str, ...] = ()
    needs_layer: bool = False
    needs_baseline: bool = False


def compute(claim: "Claim") -> float | None:
    """Compute what the claim is about; None if a network alone does not tell."""
    of = QUANTITIES[claim.quantity].of
    return None if of is None else of(claim)


def profile_of(model: str, overrides: dict[str, Any], input_size: Sequence[int] = ()) -> Profile:
    """Profile a registered network; each combination only once."""
    return _profile(model, _frozen(overrides), tuple(input_size))


Overrides = tuple[tuple[str, Any], ...]


def _frozen(overrides: dict[str, Any]) -> Overrides:
    return tuple(sorted((key, _hashable(value)) for key, value in overrides.items()))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


@lru_cache(maxsize=512)
def _profile(model: str, overrides: Overrides, input_size: tuple[int, ...]) -> Profile:
    return profile(_build(model, overrides), input_size or describe(model).input_size, name=model)


@lru_cache(maxsize=512)
def _build(model: str, overrides: Overrides) -> nn.Module:
    """A network without numbers; much quicker than a profile where a forward pass tells nothing more."""
    with torch.device("meta"), ShapesOnly():
        return create_model(model, **dict(overrides))


def _this(claim: "Claim") -> Profile:
    return profile_of(claim.model, claim.overrides, claim.input_size)


def _other(claim: "Claim") -> Profile:
    return profile_of(claim.baseline, claim.baseline_overrides, claim.baseline_input_size)


def _part(claim: "Claim") -> LayerRow:
    return _this(claim).layer(claim.layer)


def _params(claim: "Claim") -> float:
    return _count_params(claim.model, _frozen(claim.overrides), claim.layer)


@lru_cache(maxsize=512)
def _count_params(model: str, overrides: Overrides, layer: str) -> int:
    return sum(p.numel() for p in _build(model, overrides).get_submodule(layer).parameters())


def _megabytes(claim: "Claim") -> float:
    """Four bytes a parameter."""
    return 4 * _params(claim) / 1e6


def _macs(claim: "Claim") -> float:
    return _part(claim).macs if claim.layer else _this(claim).macs


def _inside(claim: "Claim") -> list[LayerRow]:
    """The layers of the part that the claim is on; of all, if it names none."""
    rows = _this(claim).rows
    if not claim.layer:
        return rows
    _part(claim)  # names what is near if there is no such layer
    return [r for r in rows if r.name == claim.layer or r.name.startswith(claim.layer + ".")]


def _weights(claim: "Claim") -> float:
    """Weights of convolutions and linear layers, without biases and normalisation."""
    part = _build(claim.model, _frozen(claim.overrides)).get_submodule(claim.layer)
    return sum(_count_weights(module) for module in part.modules())


def _count_weights(module: nn.Module) -> int:
    return module.weight.numel() if isinstance(module, nn.Conv2d | nn.Linear) else 0


BESIDE = {"downsample", "attention", "gate"}


def _weight_layers(claim: "Claim") -> float:
    """Layers with weights as papers count them: projections on shortcuts and gates stand beside the path."""
    modules = _build(claim.model, _frozen(claim.overrides)).named_modules()
    return sum(
        1
        for name, module in modules
        if isinstance(module, nn.Conv2d | nn.Linear) and not BESIDE.intersection(name.split("."))
    )


def _depth(claim: "Claim") -> float:
    """The longest path; other than ``layers`` it counts branches that run side by side only once."""
    network = _build(claim.model, _frozen(claim.overrides))
    return depth(network, claim.input_size or describe(claim.model).input_size)


def _depth_added(claim: "Claim") -> float:
    network = _build(claim.baseline, _frozen(claim.baseline_overrides))
    return _depth(claim) - depth(network, claim.baseline_input_size or describe(claim.baseline).input_size)


def _connections(claim: "Claim") -> float:
    from convbook.models.lenet import EarlyLeNet, LeNet5, connections

    network = _build(claim.model, _frozen(claim.overrides))
    if not isinstance(network, LeNet5 | EarlyLeNet):
        raise ValueError(f"connections are counted for lenet1, 4 and 5 only, not for {claim.model}")
    with ShapesOnly():
        counts = connections(network)
    return (
        counts[{"output": "RBF"}.get(claim.layer, claim.layer.upper())]
        if claim.layer
        else sum(counts.values())
    )


def _neurons(claim: "Claim") -> float:
    """Output units of all layers with weights."""
    rows = [r for r in _inside(claim) if r.kind in ("Conv2d", "Linear")]
    return sum(torch.Size(r.output_shape).numel() for r in rows)


def _is_pointwise(r: LayerRow) -> bool:
    return r.kind == "Conv2d" and r.kernel_size == (1, 1)


def _is_depthwise(r: LayerRow) -> bool:
    return r.kind == "Conv2d" and r.groups > 1 and r.groups == r.output_shape[0]


def _is_dense_3x3(r: LayerRow) -> bool:
    return r.kind == "Conv2d" and r.kernel_size == (3, 3) and r.groups == 1


def _is_linear(r: LayerRow) -> bool:
    return r.kind == "Linear"


def _share_of_macs(kind: Callable[[LayerRow], bool]) -> Callable[["Claim"], float]:
    """Per cent of a network's MACs in layers of one kind."""
    return lambda claim: 100 * sum(r.macs for r in _this(claim).rows if kind(r)) / _this(claim).macs


def _share_of_weights(kind: Callable[[LayerRow], bool]) -> Callable[["Claim"], float]:
    """Per cent of a network's convolution and linear weights in layers of one kind."""

    def of(claim: "Claim") -> float:
        modules = dict(_build(claim.model, _frozen(claim.overrides)).named_modules())
        weights = {r: _count_weights(modules[r.name]) for r in _this(claim).rows}
        return 100 * sum(n for r, n in weights.items() if kind(r)) / sum(weights.values())

    return of


def _ratio(quantity: str) -> Callable[["Claim"], float]:
    """How many times as many the baseline has."""
    return lambda claim: getattr(_other(claim), quantity) / getattr(_this(claim), quantity)


def _added(quantity: str) -> Callable[["Claim"], float]:
    return lambda claim: getattr(_this(claim), quantity) - getattr(_other(claim), quantity)


def _added_percent(quantity: str) -> Callable[["Claim"], float]:
    return lambda claim: 100 * _added(quantity)(claim) / getattr(_other(claim), quantity)


def _side(claim: "Claim") -> float:
    return _part(claim).output_shape[-1]


def _channels(claim: "Claim") -> float:
    return _part(claim).output_shape[0]


def _stride(claim: "Claim") -> float:
    return _part(claim).stride[0]


_KINDS: dict[str, tuple[str, Callable[[LayerRow], bool]]] = {
    "pointwise": ("1×1 convolutions", _is_pointwise),
    "depthwise": ("depthwise convolutions", _is_depthwise),
    "dense3x3": ("full 3×3 convolutions", _is_dense_3x3),
    "linear": ("linear layers", _is_linear),
}

_IMAGENET = "takes training on ImageNet's 1.28 million images"
_SMALL = "takes training on {}; no record of this network yet"
_CLOCK = "a time on the authors' machine"

QUANTITIES: dict[str, Quantity] = {
    "params": Quantity("parameters", _params),
    "megabytes": Quantity("size of float32 parameters", _megabytes, "MB"),
    "weights": Quantity("weights of convolutions and linear layers", _weights),
    "macs": Quantity("MACs", _macs),
    "connections": Quantity("connections", _connections),
    "neurons": Quantity("units", _neurons),
    "layers": Quantity("layers with weights", _weight_layers),
    "depth": Quantity("layers with weights on the longest path", _depth),
    "depth_added": Quantity("layers added to the longest path", _depth_added, needs_baseline=True),
    "output_size": Quantity("side of the output", _side, needs_layer=True),
    "output_channels": Quantity("output channels", _channels, needs_layer=True),
    "stride": Quantity("stride", _stride, needs_layer=True),
    "receptive_field": Quantity(
        "receptive field", lambda c: float(_part(c).receptive_field or 0), needs_layer=True
    ),
    **{
        f"{kind}_macs_share": Quantity(f"share of MACs in {words}", _share_of_macs(test), "%")
        for kind, (words, test) in _KINDS.items()
    },
    **{
        f"{kind}_weights_share": Quantity(f"share of weights in {words}", _share_of_weights(test), "%")
        for kind, (words, test) in _KINDS.items()
    },
    "params_ratio": Quantity("times fewer parameters", _ratio("params"), "×", needs_baseline=True),
    "macs_ratio": Quantity("times fewer MACs", _ratio("macs"), "×", needs_baseline=True),
    "params_added": Quantity("parameters added", _added("params"), needs_baseline=True),
    "params_added_percent": Quantity("parameters added", _added_percent("params"), "%", needs_baseline=True),
    "macs_added_percent": Quantity("MACs added", _added_percent("macs"), "%", needs_baseline=True),
    "top1_error": Quantity("top-1 error", unit="%", why=_IMAGENET),
    "top5_error": Quantity("top-5 error", unit="%", why=_IMAGENET),
    "top1_accuracy": Quantity("top-1 accuracy", unit="%", why=_IMAGENET),
    "top5_accuracy": Quantity("top-5 accuracy", unit="%", why=_IMAGENET),
    **{
        f"{name}_{measure}": Quantity(
            f"{measure} on {data}", unit="%", why=_SMALL.format(data), data=(data, *same)
        )
        for name, data, same in (
            ("mnist", "MNIST", ()),
            ("cifar10", "CIFAR-10", ("CIFAR-10 (JPEG)",)),
            ("cifar100", "CIFAR-100", ()),
            ("svhn", "SVHN", ()),
        )
        for measure in ("error", "accuracy")
    },
    "mnist_error_distorted": Quantity(
        "error on MNIST with distorted training data", unit="%", why=_SMALL.format("distorted MNIST")
    ),
    "mean_iou": Quantity("mean intersection over union", unit="%", why=_SMALL.format("dense labels")),
    "fasteval14k_map": Quantity("MAP@100 on FastEval14k", why="takes training on Google's own JFT images"),
    "milliseconds": Quantity("time", unit="ms", why=_CLOCK),
    "images_per_second": Quantity("images a second", why=_CLOCK),
    "batches_per_second": Quantity("batches a second", why=_CLOCK),
}

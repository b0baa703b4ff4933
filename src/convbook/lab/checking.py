"""What the checks of all labs share: a failure that helps, and looks into a network."""

from collections.abc import Callable, Iterable
from types import CodeType
from typing import TypeVar

import torch
from torch import Tensor, fx, nn

Check = Callable[[Callable], None]
ModuleType = TypeVar("ModuleType", bound=nn.Module)
LOOKUPS = {"getattr", "eval", "exec", "compile", "__import__", "importlib", "vars", "globals", "locals"}


class CheckFailed(Exception):
    """An exercise is not right yet; the message says what to look at, never the answer."""


def require(condition: bool, hint: str) -> None:
    """Raise CheckFailed with ``hint`` unless ``condition`` holds."""
    if not condition:
        raise CheckFailed(hint)


def require_tensor(value: object, shape: tuple[int, ...], what: str) -> Tensor:
    """``value``, if it is a tensor of this shape with finite numbers."""
    require(
        isinstance(value, Tensor), f"{what} should be a tensor, not {type(value).__name__}: a missing return?"
    )
    assert isinstance(value, Tensor)
    require(tuple(value.shape) == shape, f"{what} has shape {tuple(value.shape)}; expected {shape}")
    require(bool(value.isfinite().all()), f"{what} holds values that are not finite")
    return value


def require_close(value: Tensor, expected: Tensor, hint: str, tolerance: float = 1e-4) -> None:
    """Raise CheckFailed unless both agree up to rounding."""
    gap = (value.detach() - expected.detach()).abs().max().item()
    scale = max(1.0, expected.abs().max().item())
    require(gap <= tolerance * scale, f"{hint} (largest difference {gap:.3g})")


def is_close(value: Tensor, expected: Tensor) -> bool:
    """Whether both agree up to rounding: to recognise a mistake, for instance."""
    return torch.allclose(value.detach().to(expected), expected, rtol=1e-4, atol=1e-4)


def require_module(value: object, what: str) -> nn.Module:
    """``value``, if it is a module."""
    require(isinstance(value, nn.Module), f"{what} should be an nn.Module, not {type(value).__name__}")
    assert isinstance(value, nn.Module)
    return value


def require_without(function: Callable, names: Iterable[str]) -> None:
    """Raise CheckFailed if the code of a function uses one of these names, or looks names up as text."""
    code = getattr(function, "__code__", None)
    used = _names(code) if isinstance(code, CodeType) else set()
    found = sorted(used & (set(names) | LOOKUPS))
    require(not found, f"write it yourself, without {', '.join(found)}")


def _names(code: CodeType) -> set[str]:
    """Global names and attributes that a function uses, with those of the functions inside it."""
    inner = (_names(each) for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*inner)


def parts(module: nn.Module, kind: type[ModuleType]) -> list[ModuleType]:
    """All layers of one kind inside a module, in the order in which they were made."""
    return [each for each in module.modules() if isinstance(each, kind)]


def kernels(module: nn.Module) -> list[tuple[int, int]]:
    """The kernel sizes of its convolutions."""
    return [(conv.kernel_size[0], conv.kernel_size[1]) for conv in parts(module, nn.Conv2d)]


def unsettle(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give each batch norm its own statistics and weights, so that leaving one out shows; evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for norm in parts(module, nn.BatchNorm2d):
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            assert tensor is not None
            tensor.data.normal_(0, 0.5, generator=generator)
        assert norm.running_var is not None
        norm.running_var.data.uniform_(0.5, 2, generator=generator)
    return module.eval()


def silence(module: nn.Module) -> nn.Module:
    """Make every batch norm put out zeros, so that a branch that ends in one vanishes; evaluation mode."""
    for norm in parts(module, nn.BatchNorm2d):
        nn.init.zeros_(norm.weight)
        nn.init.zeros_(norm.bias)
    return module.eval()


def require_traceable(network: nn.Module, what: str) -> None:
    """Raise CheckFailed unless the network is a fixed list of steps on the layers of PyTorch.

    A network to be judged by what it learns is handed over as such a list.
    """
    try:
        steps = fx.Tracer().trace(network).nodes
    except Exception as error:
        raise CheckFailed(
            f"{what}: forward must do the same steps for all images, whatever their values "
            f"({type(error).__name__}: {error})"
        ) from error
    loose = [str(step.target) for step in steps if step.op == "get_attr"]
    require(not loose, f"{what}: {', '.join(loose)} is no part of a layer: use layers of torch.nn")

"""Looking inside a network: the outputs of chosen modules."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial

import torch
from torch import Tensor, nn

Wanted = str | type[nn.Module]


def capture(model: nn.Module, images: Tensor, names_or_types: Wanted | Sequence[Wanted]) -> dict[str, Tensor]:
    """Run ``images`` through ``model`` in eval mode and keep what the chosen modules put out.

    Args:
        model: left as it was: training modes restored, hooks removed, no gradients.
        images: (N, C, H, W), moved to the model's device.
        names_or_types: module names as in ``model.named_modules()``, patterns such as ``"layer*.gate"``, or
            module classes; one or several.

    Returns:
        Module name -> its output on the CPU, in the network's order. A module that runs more than once keeps
        its last output.

    Raises:
        ValueError: if a name or type fits no module, or a chosen module did not run or gives no tensor.
    """
    single = isinstance(names_or_types, str | type)
    wanted: list[Wanted] = [names_or_types] if single else list(names_or_types)  # type: ignore[arg-type,list-item]
    chosen: dict[str, nn.Module] = {}
    for item in wanted:
        fitting = {name: module for name, module in model.named_modules() if _fits(item, name, module)}
        if not fitting:
            raise ValueError(
                f"{type(model).__name__} has no module {_label(item)}: see model.named_modules()"
            )
        chosen |= fitting

    outputs: dict[str, Tensor] = {}
    modes = [(module, module.training) for module in model.modules()]
    hooks = [module.register_forward_hook(partial(_keep, outputs, name)) for name, module in chosen.items()]
    parameter = next(model.parameters(), None)
    try:
        model.eval()
        with torch.no_grad():
            model(images if parameter is None else images.to(parameter.device))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    idle = sorted(chosen.keys() - outputs.keys())
    if idle:
        raise ValueError(f"the forward pass never ran {', '.join(idle)}")
    return {name: outputs[name] for name, _ in model.named_modules() if name in outputs}


def _fits(item: Wanted, name: str, module: nn.Module) -> bool:
    return fnmatchcase(name, item) if isinstance(item, str) else isinstance(module, item)


def _label(item: Wanted) -> str:
    return repr(item) if isinstance(item, str) else f"of type {item.__name__}"


def _keep(outputs: dict[str, Tensor], name: str, module: nn.Module, inputs: object, output: object) -> None:
    if not isinstance(output, Tensor):
        raise ValueError(f"{name} puts out {type(output).__name__}, not a tensor")
    # A copy, because an in-place ReLU behind this module would change it.
    outputs[name] = output.detach().to("cpu", copy=True)

"""How long each layer of a network takes, measured."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Timing", "measure_layers"]


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one forward pass in evaluation mode, medians over repeats."""

    total: float  # measured without the layers' clocks
    layers: dict[str, float]  # a module without children, by its name
    device: str


def measure_layers(
    model: nn.Module, input_size: Sequence[int], *, batch: int = 1, repeats: int = 5, device: str = "cpu"
) -> Timing:
    """Time a network and each of its layers on random images.

    The layers' clocks cost a little themselves, and on a GPU they wait for each layer to end, which a
    network left alone does not: ``total`` is measured without them. Random images are as good as any,
    for the time of a layer does not depend on what it sees.

    Args:
        model: moved to the device and put into evaluation mode.
        input_size: (C, H, W) of one image.
        batch: images at once.
        repeats: timed passes after one that warms up.
        device: "cpu" or "cuda".

    Raises:
        ValueError: if ``repeats`` or ``batch`` is below 1.
    """
    if repeats < 1 or batch < 1:
        raise ValueError(f"repeats={repeats} and batch={batch} must be 1 or more")
    model = model.to(device).eval()
    images = torch.randn(batch, *input_size, device=device)
    leaves = {name: m for name, m in model.named_modules() if next(m.children(), None) is None}
    starts: dict[nn.Module, float] = {}
    spent: dict[nn.Module, float] = {}

    def before(module: nn.Module, args: object) -> None:
        starts[module] = _now(device)

    def after(module: nn.Module, args: object, result: object) -> None:
        spent[module] = spent.get(module, 0.0) + _now(device) - starts[module]

    totals, layers = [], []
    with torch.no_grad():
        model(images)
        totals = [_pass(model, images, device) for _ in range(repeats)]
        handles = [m.register_forward_pre_hook(before) for m in leaves.values()]
        handles += [m.register_forward_hook(after) for m in leaves.values()]
        try:
            for _ in range(repeats):
                spent.clear()
                model(images)
                layers.append({name: spent.get(m, 0.0) for name, m in leaves.items()})
        finally:
            for handle in handles:
                handle.remove()
    medians = {name: 1000 * statistics.median(run[name] for run in layers) for name in leaves}
    return Timing(1000 * statistics.median(totals), medians, _device_name(device))


def _pass(model: nn.Module, images: Tensor, device: str) -> float:
    start = _now(device)
    model(images)
    return _now(device) - start


def _now(device: str) -> float:
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def _device_name(device: str) -> str:
    if device != "cpu":
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads != 1)}"

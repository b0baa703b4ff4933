"""The gates of a trained squeeze-and-excitation block, to be moved by hand: what becomes of the answer?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.data import ImageSet
from convbook.explore.packed import address, pack, unpack
from convbook.explore.shell import Explorable, ExplorableError
from convbook.layers.attention import SqueezeExcite
from convbook.models.resnet import ResNet
from convbook.models.resnet_blocks import ResidualBlock
from convbook.tables import html_table


def gates(model: ResNet, images: ImageSet, shown: int = 6) -> Explorable:
    """Move the gates of a network's last block: its scaled maps and its answer follow, computed in the page.

    Behind the last gate a residual network is short: sum with the shortcut, ReLU, mean over positions, one
    linear layer. The page holds the maps before the gate in 256 steps, the gates, and that layer.

    Args:
        model: a trained ResNet with ``attention="se"``.
        images: gates are averaged over all of them; the first of each class is shown, then further ones.
        shown: images on the page.

    Raises:
        ExplorableError: if the last block has no such gate, or there are fewer images than ``shown``.
    """
    data = gate_data(model, images, shown)
    rows = [[each["name"], *map("{:.3f}".format, _right(data, each))] for each in data["images"]]
    count, size = len(data["mean"]), " × ".join(map(str, data["images"][0]["branch"]["shape"][1:]))
    return Explorable(
        "gates",
        data,
        title="The last block's gates, moved by hand",
        alt=f"An image, the {count} maps of {size} of the last block, and a slider for each map's gate. The "
        "scaled maps and the probabilities of the classes follow the gates.",
        fallback=html_table(
            "Probability of the right class by the gates of the last block",
            ["Image", *_presets(data["images"][0], data["mean"])],
            rows,
            numeric=range(1, 6),
        ),
    )


def gate_data(model: ResNet, images: ImageSet, shown: int) -> dict[str, Any]:
    """What the page computes with; see ``gates``."""
    block = last_block(model)
    if not 0 < shown <= len(images):
        raise ExplorableError(f"shown={shown} images asked for; there are {len(images)}")
    chosen = _one_of_each(images.labels, shown)
    with torch.no_grad(), _watched(block) as seen:
        model.eval()(images.float_images().cpu())
    pictures = []
    for number, i in enumerate(chosen.tolist()):
        label = int(images.labels[i])
        pictures.append(
            {
                "name": f"{number + 1}: {images.classes[label]}",
                "label": label,
                "src": address(images.images[i]),
                "branch": pack(seen["branch"][i]),
                "shortcut": pack(seen["shortcut"][i]),
                "gates": seen["gates"][i].flatten(),
            }
        )
    head = {"weight": model.fc.weight.detach(), "bias": model.fc.bias.detach()}
    mean = seen["gates"].mean(dim=0).flatten()
    return {"classes": images.classes, "images": pictures, "mean": mean, **head}


def last_block(model: nn.Module) -> ResidualBlock:
    """The last residual block.

    Raises:
        ExplorableError: if there is none, or it has no squeeze-and-excitation.
    """
    blocks = [module for module in model.modules() if isinstance(module, ResidualBlock)]
    if not isinstance(model, ResNet) or not blocks or not isinstance(blocks[-1].attention, SqueezeExcite):
        raise ExplorableError('gates wants a ResNet with gates: create_model(..., attention="se")')
    return blocks[-1]


def answer(branch: Tensor, shortcut: Tensor, gate: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Probabilities (K,) of maps (C, H, W) behind the gate (C,): what the page computes too."""
    out = F.relu(branch * gate[:, None, None] + shortcut)
    return torch.softmax(weight @ out.mean(dim=(1, 2)) + bias, dim=0)


@contextmanager
def _watched(block: ResidualBlock) -> Iterator[dict[str, Tensor]]:
    """What comes to a block's gate, what the gate says, and the shortcut, while the network runs."""
    seen: dict[str, Tensor] = {}

    def before(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        seen["shortcut"] = args[0].clone() if block.downsample is None else block.downsample(args[0])

    def scale(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        seen["branch"], seen["gates"] = args[0].clone(), module.get_submodule("gate")(args[0])

    assert block.attention is not None
    hooks = [block.register_forward_pre_hook(before), block.attention.register_forward_hook(scale)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _one_of_each(labels: Tensor, count: int) -> Tensor:
    """Indices of the first image of each class, of the second, and so on."""
    seen: dict[int, int] = {}
    rank = []
    for i, label in enumerate(labels.tolist()):
        seen[label] = seen.get(label, 0) + 1
        rank.append((seen[label], label, i))
    return torch.tensor([i for *_, i in sorted(rank)[:count]])


def _presets(image: dict[str, Any], mean: Tensor) -> dict[str, Tensor]:
    own = image["gates"]
    return {
        "its own": own,
        "mean over images": mean,
        "all 1": torch.ones_like(own),
        "inverted, 1 − g": 1 - own,
        "all 0": torch.zeros_like(own),
    }


def _right(data: dict[str, Any], image: dict[str, Any]) -> list[float]:
    """The right class's probability for each preset, from the packed maps."""
    maps = unpack(image["branch"]), unpack(image["shortcut"])
    head = data["weight"].double(), data["bias"].double()
    choices = _presets(image, data["mean"]).values()
    return [answer(*maps, gate.double(), *head)[image["label"]].item() for gate in choices]

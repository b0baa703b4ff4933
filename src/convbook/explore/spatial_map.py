"""CBAM's spatial gate over an image: what it reads, what it says, and what the answer owes to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from convbook.data import ImageSet
from convbook.explore.packed import address, pack
from convbook.explore.shell import Explorable, ExplorableError
from convbook.layers.attention import SpatialGate
from convbook.plots.capture import capture
from convbook.tables import html_table

# What a block's map is replaced by, (1, 1, H, W) -> the same shape.
GATINGS = {
    "as trained": lambda gate: gate,
    "its mean": lambda gate: gate.mean().expand_as(gate),
    "off (all 1)": torch.ones_like,
}


def spatial_map(model: nn.Module, pictures: Mapping[str, Tensor], data: ImageSet) -> Explorable:
    """The spatial gates of a trained CBAM network over images, block by block.

    Args:
        model: a network with :class:`convbook.layers.attention.SpatialGate` in it.
        pictures: images by what they show, uint8 (3, H, W), of any size that the network takes.
        data: what the network was trained on: normalises the pictures, and names the classes.

    Raises:
        ExplorableError: if the network has no spatial gate, or there is no picture.
    """
    content = map_data(model, pictures, data)
    rows = [
        [
            picture["name"],
            block["name"],
            *map("{:.2f}".format, block["range"]),
            *_answers(block, data.classes),
        ]
        for picture in content["pictures"]
        for block in picture["blocks"]
    ]
    return Explorable(
        "spatial_map",
        content,
        title="Where the spatial gate opens",
        alt="An image with the spatial gate of a block laid over it, and the two descriptions that the gate "
        "reads. Image, block, opacity, threshold and position can be changed, and the gate switched off.",
        fallback=html_table(
            "Spatial gates, and what the network answers",
            ["Image", "Block", "Smallest", "Mean", "Largest", *content["gatings"]],
            rows,
            numeric={2, 3, 4},
        ),
    )


def map_data(model: nn.Module, pictures: Mapping[str, Tensor], data: ImageSet) -> dict[str, Any]:
    """For each picture and block: the gate in 65,536 steps, what it reads in 256, and the answers."""
    gates = {name: module for name, module in model.named_modules() if isinstance(module, SpatialGate)}
    if not gates or not pictures:
        raise ExplorableError("spatial_map wants pictures, and a network with spatial gates, such as CBAM's")
    shown = []
    for name, image in pictures.items():
        x = data.normalise(image[None])
        inputs = _inputs(model, x, gates)
        seen = capture(model, x, list(gates))
        blocks = []
        for module, gate in seen.items():
            maps = inputs[module][0]
            blocks.append(
                {
                    "name": _block_name(module),
                    "gate": pack(gate[0, 0], bits=16),
                    "range": [gate.min().item(), gate.mean().item(), gate.max().item()],
                    "average": pack(maps.mean(dim=0)),
                    "maximum": pack(maps.amax(dim=0)),
                    "answers": _probabilities(model, x, gates[module]),
                }
            )
        # JPEG-like WebP shrinks a photograph; a small scan stays as it is.
        kind = "WEBP" if image[0].numel() > 64 * 64 else "PNG"
        shown.append({"name": name, "src": address(image, kind), "blocks": blocks})
    return {"pictures": shown, "classes": data.classes, "gatings": list(GATINGS)}


def _inputs(model: nn.Module, x: Tensor, gates: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """What each gate reads: the maps behind the channel gate, (1, C, H, W)."""
    seen: dict[str, Tensor] = {}
    hooks = [
        gate.register_forward_pre_hook(lambda module, args, name=name: seen.update({name: args[0].clone()}))
        for name, gate in gates.items()
    ]
    try:
        with torch.no_grad():
            model.eval()(x)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _probabilities(model: nn.Module, x: Tensor, gate: nn.Module) -> dict[str, list[float]]:
    """What the network answers (K,) with each of ``GATINGS`` in the place of one gate."""
    answers = {}
    for name, change in GATINGS.items():
        hook = gate.register_forward_hook(lambda module, args, out, change=change: change(out))
        try:
            with torch.no_grad():
                answers[name] = torch.softmax(model.eval()(x)[0], dim=0).tolist()
        finally:
            hook.remove()
    return answers


def _block_name(module: str) -> str:
    """'layer2.0.attention.spatial_gate' -> 'stage 2, block 1'; other names as they are."""
    stage, _, rest = module.partition(".")
    block = rest.partition(".")[0]
    if not stage.startswith("layer") or not block.isdigit():
        return module
    return f"stage {stage.removeprefix('layer')}, block {int(block) + 1}"


def _answers(block: Mapping[str, Any], classes: tuple[str, ...]) -> list[str]:
    """The likeliest class and its probability for each gating."""
    best = [max(range(len(p)), key=p.__getitem__) for p in block["answers"].values()]
    return [f"{classes[k]} ({p[k]:.2f})" for k, p in zip(best, block["answers"].values(), strict=True)]

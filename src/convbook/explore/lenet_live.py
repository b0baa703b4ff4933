"""A trained LeNet that runs in the page: draw a digit and watch every layer."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from convbook.data import ImageSet
from convbook.explore.shell import Explorable, ExplorableError
from convbook.layers.rbf import RBFOutput
from convbook.layers.subsampling import Subsample, TableConv2d
from convbook.models.lenet import LeNet5, ModernLeNet5
from convbook.profile import profile
from convbook.tables import html_table
from convbook.training import predict

MISREAD = 5  # at most so many wrongly read scans are among the samples

# How a drawing is made to look like the scans. A fine bitmap, four by four of its pixels a cell, is fitted
# with the drawing: `box` is the width and height that it may fill there, `pen` half a stroke's width.
PREPARED: dict[str, dict[str, Any]] = {
    # scikit-learn's scans are 32x32 bitmaps, all as high as the bitmap, at most about 20 wide, and all with
    # nearly the same share of ink, which sets the pen; their cells are then enlarged, see convbook.data.
    "digits": {"cells": 8, "enlarge": 3, "box": [20, 32], "pen": 3, "by_mass": False},
    # MNIST's fit 20x20 of 28x28 cells and lie with their centre of mass in the middle; the pen is our choice.
    "MNIST": {"cells": 28, "enlarge": 1, "box": [80, 80], "pen": 5, "by_mass": True},
}


def lenet_live(model: LeNet5 | ModernLeNet5, samples: ImageSet) -> Explorable:
    """A digit is drawn, and all maps and the answer of a trained network follow.

    The page computes with the weights rounded to 16 bits, see ``rounded``; what that changes is counted on
    ``samples`` and told there.

    Args:
        model: the trained network.
        samples: held-out grey scans of its size, as ``convbook.data.load`` gives them; their mean and
            standard deviation normalise the drawing.

    Raises:
        ExplorableError: for another network, other images, or data whose preparation is not known.
    """
    if samples.name not in PREPARED:
        raise ExplorableError(
            f"how drawings become like {samples.name} is not known: take {' or '.join(PREPARED)}"
        )
    side = samples.shape[1]
    layers, weights = export(model)
    if samples.shape != (model.in_channels, model.image_size, model.image_size) or model.in_channels != 1:
        raise ExplorableError(
            f"the network must read the samples, {samples.shape}: build it with image_size={side}"
        )
    model = copy.deepcopy(model).cpu().eval()
    before, after = (predict(each, samples, "cpu").argmax(dim=1) for each in (model, rounded(model)))
    right, kept = (int((answer == samples.labels.cpu()).sum()) for answer in (before, after))
    prepare = {**PREPARED[samples.name], "ink": None}
    if samples.name == "digits":
        field = (prepare["cells"] * prepare["enlarge"]) ** 2
        prepare["ink"] = float(samples.images.float().mean()) / 255 * side**2 / field
    total = len(samples)
    return Explorable(
        "lenet_live",
        {
            "side": side,
            "layers": layers,
            "weights": weights,
            "classes": list(samples.classes),
            "mean": float(samples.mean) * 255,
            "std": float(samples.std) * 255,
            "prepare": prepare,
            "samples": list(_samples(samples, after)),
            "start": int(samples.labels[0]),
            "accuracy": f"Of {total:,} scans that it was not trained on, it reads {right:,} rightly, and "
            f"{kept:,} with its weights rounded to 16 bits, as here.",
        },
        title=f"Draw a digit: {type(model).__name__} reads it in this page",
        alt="A field to draw a digit on, the digit as the network sees it, the maps of every layer, and the "
        "scores of the ten digits. Scans can be chosen instead of a drawing.",
        fallback=_table(model, side, f"Read rightly: {right:,} of {total:,} held-out scans."),
    )


def rounded(model: nn.Module) -> nn.Module:
    """A copy of the network with every parameter rounded to 16-bit floating point: what the page runs."""
    model = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    return model


def export(model: LeNet5 | ModernLeNet5) -> tuple[list[dict[str, Any]], str]:
    """A network's layers in order, and their weights: base64 of 16-bit floats, little-endian.

    A linear layer is written as the convolution that it is, its kernel as large as the maps. In the weights
    each layer has its kernels (one a wire, or codes, or coefficients), then its biases.

    Raises:
        ExplorableError: for a network or layer that the page cannot run.
    """
    if type(model) is LeNet5:
        named = [(name.upper(), layer, "scaled_tanh") for name, layer in model.named_children()]
        named[-1] = ("RBF", model.output, "")
    elif type(model) is ModernLeNet5:
        named = list(
            _with_activations([*model.features.named_children(), *model.classifier.named_children()])
        )
    else:
        raise ExplorableError(
            f"lenet_live runs LeNet5 and ModernLeNet5, not {type(model).__name__}: give it one of them"
        )
    layers, values = [], []
    maps, side = model.in_channels, model.image_size
    for name, module, squash in named:
        told, numbers = _layer(name, module, maps, side)
        maps, side = told["maps"], told["side"]
        layers.append({"name": name, "squash": squash, **told})
        values += [each.detach().flatten() for each in numbers]
    halves = torch.cat(values).cpu().numpy().astype("<f2")
    return layers, base64.b64encode(halves.tobytes()).decode()


def _with_activations(children: list[tuple[str, nn.Module]]) -> Iterator[tuple[str, nn.Module, str]]:
    """Each layer with the name of the activation that follows it, or ''."""
    squashes = {nn.ReLU: "relu", nn.Tanh: "tanh"}
    following = [squashes.get(type(module), "") for _, module in children[1:]] + [""]
    for (name, module), squash in zip(children, following, strict=True):
        if type(module) not in squashes and not isinstance(module, nn.Flatten):
            yield name, module, squash


def _layer(name: str, module: nn.Module, maps: int, side: int) -> tuple[dict[str, Any], list[Tensor]]:
    """What the page needs to run one layer on ``maps`` maps of ``side`` x ``side``, and its weights."""
    pooled = {"maps": maps, "side": side // 2}
    match module:
        case nn.Conv2d(stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=Tensor() as bias):
            k = module.kernel_size[0]
            told = {"kind": "convolution", "k": k, "maps": module.out_channels, "side": side - k + 1}
            return told, [module.weight, bias]
        case TableConv2d():
            k, wires = module.kernel_size, torch.stack([module.source, module.target], dim=1)
            told = {"kind": "convolution", "k": k, "maps": module.out_channels, "side": side - k + 1}
            return {**told, "wires": wires}, [module.weight, module.bias]
        case nn.Linear(bias=Tensor()):
            told = {"kind": "convolution", "k": side, "maps": module.out_features, "side": 1}
            return told, [module.weight, module.bias]
        case Subsample():
            return {"kind": "sum", **pooled}, [module.coefficient, module.bias]
        case nn.AvgPool2d(kernel_size=2):
            return {"kind": "sum", **pooled}, [torch.full((maps,), 1 / 4), torch.zeros(maps)]
        case nn.MaxPool2d(kernel_size=2):
            return {"kind": "max", **pooled}, []
        case RBFOutput():
            return {"kind": "codes", "maps": len(module.codes), "side": 1}, [module.codes]
    raise ExplorableError(
        f"the page cannot run layer {name}, {module}: use the layers that models.lenet builds"
    )


def _samples(samples: ImageSet, read: Tensor) -> Iterator[dict[str, Any]]:
    """The first scan of each class, then the first few that are misread, as base64 of bytes."""
    labels = samples.labels.cpu()
    first = [int((labels == digit).nonzero()[0]) for digit in labels.unique()]
    wrong = (read != labels).nonzero()[:MISREAD, 0].tolist()
    for number, i in enumerate([*first, *wrong]):
        pixels = base64.b64encode(samples.images[i, 0].cpu().numpy().tobytes()).decode()
        yield {"label": int(labels[i]), "read": int(read[i]), "extra": number >= len(first), "pixels": pixels}


def _table(model: nn.Module, side: int, remark: str) -> str:
    rows = []
    for row in profile(model, (1, side, side)).rows:
        shape = " × ".join(map(str, row.output_shape))
        rows.append([row.name, row.kind, shape, f"{row.params:,}"])
    headings = ["Layer", "Kind", "Output", "Parameters"]
    return (
        html_table(f"{type(model).__name__}, layer by layer", headings, rows, numeric={3})
        + f"<p>{remark}</p>"
    )

"""Shapes without numbers are those that PyTorch gives with them."""

import itertools

import torch
from torch import nn

from convbook.shapes import ShapesOnly


def shape_of(layer: nn.Module, image: torch.Tensor) -> tuple[int, ...] | None:
    """The output's shape; None where the layer refuses the image."""
    try:
        return tuple(layer(image).shape)
    except RuntimeError:
        return None


def test_max_pooling_rounds_as_pytorch_does_whether_up_or_down():
    cases = itertools.product(range(1, 12), (2, 3, 5), (1, 2, 3), (0, 1), (False, True))
    for side, kernel, stride, padding, ceil in cases:
        layer = nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)
        with_numbers = shape_of(layer, torch.zeros(1, 1, side, side + 3))
        with ShapesOnly():
            without = shape_of(layer, torch.empty(1, 1, side, side + 3, device="meta"))
        assert without == with_numbers, (side, layer)

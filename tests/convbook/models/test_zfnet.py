"""ZFNet by the sides and the kernels that figure 3 of Zeiler & Fergus 2014 prints."""

import pytest
import torch
from proof import parameters
from torch import nn

from convbook import create_model

BY_HAND = [  # (filters, their volume) of each layer
    (96, 7 * 7 * 3),
    (256, 5 * 5 * 96),
    (384, 3 * 3 * 256),
    (384, 3 * 3 * 384),
    (256, 3 * 3 * 384),
    (4096, 6 * 6 * 256),
    (4096, 4096),
    (1000, 4096),
]


def sides(model: nn.Module, side: int) -> list[int]:
    """Side of the maps after each convolution and each pooling."""
    x, found = torch.empty(1, 3, side, side, device="meta"), []
    for layer in model.features:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            found.append(x.shape[-1])
    return found


def test_maps_have_the_sides_of_figure_3():
    with torch.device("meta"):
        assert sides(create_model("zfnet"), 224) == [110, 55, 26, 13, 13, 13, 13, 6]


def test_parameters_are_those_of_figure_3_by_hand():
    with torch.device("meta"):
        assert parameters(create_model("zfnet")) == sum(n * (v + 1) for n, v in BY_HAND) == 62_357_608


def test_the_wide_variant_changes_layers_3_to_6_only():
    with torch.device("meta"):
        wide = create_model("zfnet", widths=(96, 256, 512, 1024, 512))
    wider = [*BY_HAND]
    wider[2:6] = [(512, 9 * 256), (1024, 9 * 512), (512, 9 * 1024), (4096, 36 * 512)]
    assert parameters(wide) == sum(n * (v + 1) for n, v in wider)


def test_pooling_comes_before_normalisation():
    kinds = [type(m).__name__ for m in create_model("zfnet", widths=(1,) * 5, hidden=1).features]
    assert kinds[:8] == ["Conv2d", "ReLU", "MaxPool2d", "LocalResponseNorm"] * 2


def test_it_starts_as_section_3_says():
    torch.manual_seed(0)
    net = create_model("zfnet", widths=(16, 16, 16, 16, 16), hidden=64)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.bias.abs().max() == 0
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_wrong_widths_are_named():
    with pytest.raises(ValueError, match=r"widths=\(96, 256\) must be five numbers"):
        create_model("zfnet", widths=(96, 256))

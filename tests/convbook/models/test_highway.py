import math

import pytest
import torch
from proof import parameters
from torch import nn

from convbook import create_model
from convbook.models.highway import HighwayConv


def test_the_layer_is_equation_3():
    torch.manual_seed(0)
    layer, x = HighwayConv(4), torch.randn(2, 4, 5, 5)
    transform, gate = torch.relu(layer.transform(x)), torch.sigmoid(layer.gate(x))
    torch.testing.assert_close(layer(x), transform * gate + x * (1 - gate))


@pytest.mark.parametrize(("bias", "open_gate"), [(-30.0, False), (30.0, True)])
def test_a_closed_gate_carries_and_an_open_one_transforms(bias, open_gate):
    layer, x = HighwayConv(4), torch.randn(2, 4, 5, 5)
    nn.init.zeros_(layer.gate.weight)
    nn.init.constant_(layer.gate.bias, bias)
    expected = torch.relu(layer.transform(x)) if open_gate else x
    torch.testing.assert_close(layer(x), expected)


def test_a_new_network_has_its_gates_nearly_closed_and_weights_that_fan_in_variance():
    torch.manual_seed(0)
    model = create_model("highway19_cifar")
    gates = [m for m in model.modules() if isinstance(m, HighwayConv)]
    assert len(gates) == 14
    closed = create_model("highway19_cifar", carry_bias=3.0).get_submodule("stages.0.2").gate
    assert (closed.bias == -3).all()
    assert all((layer.gate.bias == -2).all() and (layer.transform.bias == 0).all() for layer in gates)
    weight = gates[-1].transform.weight
    assert weight.std().item() == pytest.approx(1 / math.sqrt(128 * 9), rel=0.02)


def conv(from_channels: int, to: int, side: int = 3) -> int:
    return from_channels * to * side**2 + to


def by_hand(stages: list[tuple[int, int]]) -> int:
    """A plain convolution and its highway layers a stage, each with two convolutions; then 1x1 and linear."""
    count, channels = 0, 3
    for depth, width in stages:
        count += conv(channels, width) + depth * 2 * conv(width, width)
        channels = width
    return count + conv(channels, 100, 1) + conv(100, 10, 1)


@pytest.mark.parametrize(
    ("name", "stages", "layers", "published"),
    [
        ("highway19_cifar", [(4, 32), (5, 80), (5, 128)], 19, 2.3e6),
        ("highway32_cifar", [(9, 32), (9, 48), (9, 64)], 32, 1.25e6),
    ],
)
def test_parameters_and_depth_come_near_the_published_ones(name, stages, layers, published):
    with torch.device("meta"):
        model = create_model(name)
    assert parameters(model) == by_hand(stages) == pytest.approx(published, rel=0.02)
    kinds = [name for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert sum(not name.endswith("gate") for name in kinds) == layers


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"depths": (1, 1)}, "one width each"),
        ({"carry_bias": 0.0}, "carry_bias=0.0 would not carry"),
        ({"dropout": 1.0}, "dropout=1.0 is no probability"),
    ],
)
def test_an_impossible_network_is_refused_at_once_in_one_line(overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model("highway19_cifar", **overrides)
    assert "\n" not in str(caught.value)

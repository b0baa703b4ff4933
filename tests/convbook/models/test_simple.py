"""SimpleNet and SimpNet against counts made by hand from the authors' published definitions."""

import pytest
import torch
from proof import parameters
from torch import nn

from convbook import create_model
from convbook.layers.pooling import SAFPool2d
from convbook.profile import profile

# (width, kernel, side of its map, with batch normalisation), layer by layer, of images of 32 pixels
NORMED = True
LAYERS = {
    "simplenet_cifar": [
        *[(width, 3, 32, NORMED) for width in (64, 128, 128, 128)],
        *[(width, 3, 16, NORMED) for width in (128, 128, 256)],
        *[(width, 3, 8, NORMED) for width in (256, 256)],
        (512, 3, 4, NORMED),
        (2048, 1, 4, False),
        (256, 1, 4, False),
        (256, 3, 2, False),
    ],
    "simpnet_cifar": [
        *[(width, 3, 32, NORMED) for width in (66, 128, 128, 128, 192)],
        *[(width, 3, 16, NORMED) for width in (192, 192, 192, 192, 288)],
        *[(width, 3, 8, NORMED) for width in (288, 355, 432)],
    ],
    "simpnet_slim_300k_cifar": [
        *[(width, 3, 32, NORMED) for width in (30, 40, 40, 40, 50)],
        *[(width, 3, 16, NORMED) for width in (50, 50, 50, 50, 58)],
        *[(width, 3, 8, NORMED) for width in (58, 70, 90)],
    ],
    "simpnet_slim_600k_cifar": [
        *[(width, 3, 32, NORMED) for width in (40, 60, 60, 60, 72)],
        *[(width, 3, 16, NORMED) for width in (73, 73, 73, 75, 81)],
        *[(width, 3, 8, NORMED) for width in (82, 90, 120)],
    ],
}
PARAMETERS = {  # "5.48M", "5.48M", "300K", "600K" in the papers
    "simplenet_cifar": 5_493_258,
    "simpnet_cifar": 5_478_223,
    "simpnet_slim_300k_cifar": 300_964,
    "simpnet_slim_600k_cifar": 601_021,
}


@pytest.mark.parametrize("name", LAYERS)
def test_thirteen_layers_have_the_sizes_parameters_and_macs_of_the_hand_count(name):
    table = profile(name)
    convolutions = [row for row in table.rows if row.kind == "Conv2d"]
    assert len(LAYERS[name]) == 13
    channels, macs, total = 3, 0, 0
    for row, (width, kernel, side, normed) in zip(convolutions, LAYERS[name], strict=True):
        weights = channels * width * kernel**2
        assert row.output_shape == (width, side, side)
        assert row.kernel_size == (kernel, kernel)
        assert (row.params, row.macs) == (weights + width, weights * side**2)
        macs += weights * side**2
        total += weights + width + 2 * width * normed  # scale and shift
        channels = width
    assert table.macs == macs + 10 * channels
    assert table.params == total + 10 * channels + 10 == PARAMETERS[name]


def test_every_layer_is_followed_by_its_dropout_and_a_stage_ends_in_saf_pooling():
    with torch.device("meta"):
        model = create_model("simpnet_cifar")
    ends = [m for m in model.features if isinstance(m, nn.Dropout | SAFPool2d)]
    rates = [m.dropout.p if isinstance(m, SAFPool2d) else m.p for m in ends]
    pools = [i for i, m in enumerate(ends, start=1) if isinstance(m, SAFPool2d)]
    assert rates == [0.2] * 9 + [0.3] * 4
    assert pools == [5, 10, 13]


def test_weights_start_with_variance_one_over_fan_in_and_biases_at_zero():
    torch.manual_seed(0)
    model = create_model("simpnet_slim_300k_cifar")
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            assert module.weight.abs().max() <= (3 / fan_in) ** 0.5
            assert float(module.weight.detach().var()) * fan_in == pytest.approx(1, abs=0.2)
            assert not module.bias.any()


def test_one_rate_stands_for_all_layers():
    model = create_model("simpnet_cifar", stages=((4, 4), (4,)), dropout=0.4)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.4] * 3
    assert parameters(model) == (3 * 4 + 4 * 4 + 4 * 4) * 9 + 3 * 12 + 50


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"stages": ((4, 4), ())}, "stages"),
        ({"stages": ()}, "stages"),
        ({"dropout": (0.1, 0.2)}, "dropout has 2 rates for 13 layers"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"pointwise": (14,)}, r"pointwise=\(14,\)"),
        ({"bare": (0,)}, r"bare=\(0,\)"),
    ],
)
def test_wrong_arguments_are_named(overrides, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        create_model("simpnet_cifar", **overrides)

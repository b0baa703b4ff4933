"""The seven kinds of convolution are what the course's own blocks are made of."""

import pytest
import torch
from torch import nn

from convbook import explore
from convbook.explore.cost import START, designs
from convbook.layers import AsymmetricConv2d, DepthwiseSeparable
from convbook.models.resnet_blocks import Bottleneck
from convbook.models.shufflenet import ShuffleUnit
from convbook.profile import profile


def convolutions(module, channels, size=28):
    """Parameters and MACs of the convolutions alone, layer by layer."""
    rows = profile(module, (channels, size, size)).rows
    return [(row.params, row.macs) for row in rows if "Conv" in row.kind]


@pytest.mark.parametrize(("channels", "groups"), [(64, 2), (256, 8)])
def test_blocks_cost_what_the_networks_own_blocks_cost(channels, groups):
    ours = designs(channels, channels, groups=groups)
    real = {
        "Depthwise separable": DepthwiseSeparable(channels, channels),
        "Asymmetric": AsymmetricConv2d(channels, channels),
        "Bottleneck": Bottleneck(channels, channels // 4),
        "Shuffled groups": ShuffleUnit(
            channels, channels, stride=1, groups=groups, first_groups=groups, shuffle=True
        ),
    }
    for name, block in real.items():
        assert convolutions(ours[name], channels) == convolutions(block, channels), name


def test_every_kind_maps_channels_and_size_as_said():
    x = torch.zeros(1, 64, 7, 9)
    for name, layer in designs(64, 32, k=5, stride=2).items():
        assert layer(x).shape == (1, 64 if name == "Depthwise" else 32, 4, 5), name
        assert not [p for p in layer.parameters() if p.ndim == 1], f"{name} has a bias"


def test_at_one_group_the_grouped_convolution_is_the_standard_one():
    kinds = designs(32, 64, groups=1)
    plain = nn.Conv2d(32, 64, 3, padding=1, bias=False)
    for name in ("Standard", "Grouped"):
        assert convolutions(kinds[name], 32) == convolutions(plain, 32)


def test_cost_shows_a_table_where_no_script_runs_with_the_papers_saving():
    shown = explore.cost().fallback
    saving = 100 * (1 / START["outputs"] + 1 / START["k"] ** 2)  # Howard et al. 2017, section 3.1
    assert f"{saving:.1f} %" in shown.split("Depthwise separable")[1].split("</tr>")[0]
    assert shown.count('<th scope="row">') == 7

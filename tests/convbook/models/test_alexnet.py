"""AlexNet's arguments, and torchvision's weights in its one tower."""

import pytest
import torch
import torchvision
from proof import parameters
from torch import nn

from convbook import create_model
from convbook.models import load_torchvision_weights

BY_HAND = [  # Krizhevsky et al. 2012, section 3.5: (kernels, their volume) of each layer
    (96, 11 * 11 * 3),
    (256, 5 * 5 * 48),
    (384, 3 * 3 * 256),
    (384, 3 * 3 * 192),
    (256, 3 * 3 * 192),
    (4096, 6 * 6 * 256),
    (4096, 4096),
    (1000, 4096),
]


def test_alexnet_has_the_parameters_of_section_3_5():
    with torch.device("meta"):
        net = create_model("alexnet")
    assert parameters(net) == sum(n * (volume + 1) for n, volume in BY_HAND) == 60_965_224


def test_torchvisions_weights_load_and_another_head_is_left_alone():
    theirs = torchvision.models.alexnet(num_classes=3)
    ours = create_model("alexnet_one_tower", num_classes=7)
    load_torchvision_weights(ours, theirs.state_dict(), head=False)
    assert torch.equal(ours.features[0].weight, theirs.features[0].weight)
    assert ours.classifier[-1].out_features == 7


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"groups": 5}, "groups=5 does not divide 96 and 256 and 384 and 384 and 256 channels"),
        ({"groups": 0}, "groups=0 does not divide"),
        ({"widths": (8, 8, 8)}, r"widths=\(8, 8, 8\) must be five numbers"),
        ({"widths": (8, 8, 7, 8, 8)}, "groups=2 does not divide 8 and 8 and 7"),
        ({"dropout": 1.5}, "dropout probability has to be between 0 and 1, but got 1.5"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(wrong, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message) as caught:
        create_model("alexnet", **wrong)
    assert "\n" not in str(caught.value)


def test_hidden_sets_both_linear_layers():
    net = create_model("alexnet", widths=(2,) * 5, hidden=6)
    sizes = [(m.in_features, m.out_features) for m in net.classifier if isinstance(m, nn.Linear)]
    assert sizes == [(2 * 36, 6), (6, 6), (6, 1000)]

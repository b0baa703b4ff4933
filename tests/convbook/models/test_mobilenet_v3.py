"""MobileNetV3 against torchvision and timm, and torchvision's weights in the small networks of this part."""

import pytest
import timm
import torch
import torchvision
from proof import assert_same_function, parameters

from convbook import create_model
from convbook.models import load_torchvision_weights
from convbook.models.mobilenet_v3 import LARGE, SMALL

NAMES = ["mobilenet_v3_large", "mobilenet_v3_small"]


@pytest.mark.parametrize("name", NAMES)
def test_torchvisions_weights_load_and_compute_the_same(name):
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name, weights=None, num_classes=10, dropout=0.0).double()
    ours = create_model(name, num_classes=10, dropout=0.0).double()
    load_torchvision_weights(ours, theirs.state_dict())
    assert_same_function(ours, theirs, 64)


@pytest.mark.parametrize("name", ["mobilenet_v2", *NAMES])
def test_torchvisions_weights_load_in_full_size(name):
    theirs = torchvision.models.get_model(name, weights=None)
    ours = load_torchvision_weights(create_model(name), theirs.state_dict())
    assert parameters(ours) == parameters(theirs)
    assert torch.equal(next(ours.parameters()), next(theirs.parameters()))


@pytest.mark.parametrize(
    ("name", "timms"),
    [("mobilenet_v3_large", "mobilenetv3_large_100"), ("mobilenet_v3_small", "mobilenetv3_small_100")],
)
def test_parameter_counts_equal_timms(name, timms):
    with torch.device("meta"):
        assert parameters(create_model(name)) == parameters(timm.create_model(timms))


@pytest.mark.parametrize("size", ["large", "small"])
def test_narrow_ones_have_timms_count_too(size):
    with torch.device("meta"):
        ours = create_model(f"mobilenet_v3_{size}", width_mult=0.75)
        assert parameters(ours) == parameters(timm.create_model(f"mobilenetv3_{size}_075"))


def test_tables_1_and_2_end_in_7x7_maps_and_stride_32():
    for table in (LARGE, SMALL):
        strides = [row[5] for row in table]
        assert 2 ** (1 + strides.count(2)) == 32


def test_gates_have_a_quarter_of_the_expansion_in_multiples_of_8():
    with torch.device("meta"):
        net = create_model("mobilenet_v3_large")
    hidden = [m.gate[1].out_channels for m in net.modules() if type(m).__name__ == "HardSqueezeExcite"]
    assert hidden == [24, 32, 32, 120, 168, 168, 240, 240]  # of 72, 120, 120, 480, 672, 672, 960, 960


def test_running_averages_decay_by_099_as_section_6_has_it():
    net = create_model("mobilenet_v3_small", width_mult=0.25)
    assert {m.momentum for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.01}


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r'config has the non-linearity .XX.: take "RE" or "HS"'):
        create_model("mobilenet_v3_small", config=((3, 16, 16, True, "XX", 2),))
    with pytest.raises(ValueError, match="width_mult leaves no channels"):
        create_model("mobilenet_v3_small", width_mult=0.0)

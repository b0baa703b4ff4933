"""The same weights in torchvision's or timm's network must give the same output and the same gradient."""

import pytest
import timm
import torch
import torchvision
from proof import assert_same_function, copy_in_order, parameters, shapes
from torch import nn
from torchvision.models.resnet import Bottleneck as TorchvisionBottleneck
from torchvision.models.resnet import ResNet as TorchvisionResNet

from convbook import create_model
from convbook.models import load_torchvision_weights

SAME_FUNCTION = {  # side of the images, overrides
    "resnet18": (64, {}),
    "resnet50": (64, {}),
    "resnext50_32x4d": (64, {}),
    "mobilenet_v2": (64, {"dropout": 0.0}),
    "alexnet_one_tower": (64, {"dropout": 0.0}),
}
SAME_SHAPES = ["resnet34", "resnet101", "resnet152", "resnext101_64x4d", *SAME_FUNCTION]
SAME_COUNT = {
    "resnext101_32x4d": "resnext101_32x4d",
    "mobilenet_v1": "mobilenetv1_100",
    "se_resnet50": "seresnet50",
    "se_resnet101": "legacy_seresnet101",
    "se_resnet152": "legacy_seresnet152",
    "se_resnext50_32x4d": "seresnext50_32x4d",
}


def torchvisions(name: str, **kwargs: object) -> nn.Module:
    return torchvision.models.get_model(name.removesuffix("_one_tower"), weights=None, **kwargs)


@pytest.mark.parametrize("name", SAME_FUNCTION)
def test_torchvisions_weights_load_and_compute_the_same(name):
    torch.manual_seed(0)
    side, kwargs = SAME_FUNCTION[name]
    theirs = torchvisions(name, num_classes=10, **kwargs).double()
    ours = create_model(name, num_classes=10, **kwargs).double()
    load_torchvision_weights(ours, theirs.state_dict())
    assert_same_function(ours, theirs, side)


def test_base_width_128_is_torchvisions_wide_resnet():
    torch.manual_seed(0)
    depths = [1, 1, 1, 1]
    theirs = TorchvisionResNet(TorchvisionBottleneck, depths, width_per_group=128, num_classes=10).double()
    ours = create_model("resnet50", depths=depths, base_width=128, num_classes=10).double()
    ours.load_state_dict(theirs.state_dict())
    assert_same_function(ours, theirs, 64)


@pytest.mark.parametrize("name", SAME_SHAPES)
def test_every_tensor_has_torchvisions_name_and_shape(name):
    with torch.device("meta"):
        assert shapes(create_model(name)) == shapes(torchvisions(name))


@pytest.mark.parametrize(
    ("ours", "theirs", "kwargs"),
    [("mobilenet_v1", "mobilenetv1_100", {"activation": nn.ReLU6}), ("se_resnet50", "seresnet50", {})],
)
def test_timms_weights_in_their_order_compute_the_same(ours, theirs, kwargs):
    torch.manual_seed(0)
    other = timm.create_model(theirs, num_classes=10).double()
    mine = create_model(ours, num_classes=10, **kwargs).double()
    copy_in_order(other, mine)
    assert_same_function(mine, other, 64)


@pytest.mark.parametrize("name", SAME_COUNT)
def test_parameter_counts_equal_timms(name):
    with torch.device("meta"):
        assert parameters(create_model(name)) == parameters(timm.create_model(SAME_COUNT[name]))

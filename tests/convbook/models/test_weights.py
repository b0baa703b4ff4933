"""Weights that torchvision publishes load into our networks of the same name, or are refused whole."""

import pytest
import torch
from torchvision import models as torchvision_models

from convbook import create_model, list_models
from convbook.models import WeightsError, load_torchvision_weights

NAMES = {"alexnet_one_tower": "alexnet"} | {
    name: name for name in list_models() if name in torchvision_models.list_models() and name != "alexnet"
}
TORCHVISIONS_OWN = {  # where torchvision's network is not the paper's
    "googlenet": {"torchvision": True},
}
AUXILIARY = {"googlenet", "inception_v3"}  # torchvision's files hold their auxiliary classifiers


def theirs(name: str, **options: object) -> torch.nn.Module:
    if name in AUXILIARY:
        options["init_weights"] = False
    return torchvision_models.get_model(NAMES[name], weights=None, **options)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_that_torchvision_has_takes_its_state_dict(name):
    with torch.device("meta"):
        ours = create_model(name, **TORCHVISIONS_OWN.get(name, {}))
        state = theirs(name).state_dict()
    assert load_torchvision_weights(ours, state) is ours
    left_out = {key for key in state if name in AUXILIARY and key.lower().startswith("aux")}
    assert len(ours.state_dict()) == len(state) - len(left_out)


def test_numbers_arrive_where_they_belong():
    source = torchvision_models.resnet18(num_classes=3)
    ours = load_torchvision_weights(create_model("resnet18", num_classes=3), source.state_dict())
    for key, value in source.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value, rtol=0, atol=0)


def test_another_number_of_classes_is_refused_unless_the_head_may_stay():
    source = torchvision_models.resnet18(num_classes=3).state_dict()
    ours = create_model("resnet18", num_classes=5)
    before = ours.fc.weight.detach().clone()
    with pytest.raises(WeightsError, match=r"fc.weight is \(3, 512\), ResNet wants \(5, 512\): build with"):
        load_torchvision_weights(ours, source)
    assert not torch.equal(ours.conv1.weight, source["conv1.weight"])  # nothing was loaded
    load_torchvision_weights(ours, source, head=False)
    assert torch.equal(ours.conv1.weight, source["conv1.weight"])
    assert torch.equal(ours.fc.weight, before)


def test_weights_of_another_network_are_refused_in_one_line():
    with torch.device("meta"):
        ours, other = create_model("resnet18"), theirs("mobilenet_v2")
        deeper = torchvision_models.resnet34()
    with pytest.raises(WeightsError, match=r"ResNet has no classifier\.1\.bias.* and \d+ more: are these"):
        load_torchvision_weights(ours, other.state_dict())
    with pytest.raises(WeightsError, match=r"ResNet has no layer1\.2\.bn1\.bias") as caught:
        load_torchvision_weights(ours, deeper.state_dict())
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="the weights lack"):
        load_torchvision_weights(ours, {})

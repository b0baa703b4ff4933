"""Ideas read off a network's wiring agree with its modules, with other libraries' networks and by hand."""

import pytest
import torch
import torchvision
from torch import nn

from convbook.claims import load_papers
from convbook.ideas import IDEAS, SEARCHED, ideas_in, ideas_of
from convbook.layers.attention import CBAM, SqueezeExcite
from convbook.models import create_model, describe, list_models

WIRING = {"plain", "branches", "skip", "dense", "attention", "scales"}
# What the papers draw: how maps are joined.
DRAWN = {
    "alexnet": {"plain"},
    "vgg16": {"plain"},
    "mobilenet_v1": {"plain"},
    "squeezenet1_0": {"branches"},
    "googlenet": {"branches"},
    "resnet18": {"skip"},
    "plain18": {"plain"},
    "resnext50_32x4d": {"skip"},
    "xception": {"skip"},
    "densenet121": {"dense"},
    "mobilenet_v2": {"skip"},
    "se_resnet50": {"skip", "attention"},
    "cbam_resnet18": {"skip", "attention"},
    "inception_resnet_v1": {"branches", "skip"},
    "shufflenet_v1_g3": {"skip"},
    "shufflenet_v2_x1_0": {"branches"},
    "highway19_cifar": {"skip", "attention"},
    "fractalnet20_cifar": {"branches"},
    "hrnet_w18": {"branches", "skip", "scales"},
}


@pytest.mark.parametrize("name", DRAWN)
def test_wiring_is_as_the_papers_draw_it(name):
    assert ideas_of(name) & WIRING == DRAWN[name]


@pytest.mark.parametrize("name", DRAWN)
def test_kinds_of_convolutions_are_those_of_the_modules(name):
    with torch.device("meta"):
        modules = list(create_model(name).modules())
    convolutions = [m for m in modules if isinstance(m, nn.Conv2d)]
    maps = [m for m in convolutions if m.in_channels > 1]
    expected = {
        "depthwise": any(m.groups == m.in_channels for m in maps),
        "groups": any(1 < m.groups < m.in_channels for m in maps),
        "asymmetric": any(m.kernel_size[0] != m.kernel_size[1] for m in convolutions),
        "norm": any(isinstance(m, nn.BatchNorm2d) for m in modules),
    }
    found = ideas_of(name)
    assert {key: key in found for key in expected} == expected
    gated = any(isinstance(m, CBAM | SqueezeExcite) for m in modules)
    assert not gated or "attention" in found


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "googlenet", "mobilenet_v2", "vgg11"])
def test_torchvisions_networks_have_the_ideas_of_ours(name):
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)(**options)
    ours = set(ideas_of(name))
    ours |= {"norm"} if name == "googlenet" else set()  # torchvision's has batch normalisation
    assert ideas_in(theirs, (3, 224, 224)) == ours


class Joined(nn.Module):
    """Two convolutions and a way to join what they make."""

    def __init__(self, join):
        super().__init__()
        self.a, self.b, self.join = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), join

    def forward(self, x):
        return self.join(x, self.a(x), self.b)


@pytest.mark.parametrize(
    ("join", "idea"),
    [
        (lambda x, y, b: b(y), "plain"),
        (lambda x, y, b: x + b(y), "skip"),
        (lambda x, y, b: b(y).add_(x), "skip"),
        (lambda x, y, b: b(x) + y, "branches"),
        (lambda x, y, b: torch.cat([x, b(y)], 1), "dense"),
        (lambda x, y, b: torch.cat([b(x), y], 1), "branches"),
        (lambda x, y, b: x * b(y).mean((2, 3), keepdim=True).sigmoid(), "attention"),
        (lambda x, y, b: 2 * y + 1, "plain"),
    ],
)
def test_each_way_to_join_two_maps_is_its_idea(join, idea):
    with torch.device("meta"):
        network = Joined(join)
    assert ideas_in(network, (4, 8, 8)) == {idea}


def test_a_projection_on_a_shortcut_is_no_branch():
    with torch.device("meta"):
        network = Joined(lambda x, y, b: b(y) + nn.functional.conv2d(x, x.new_empty(4, 4, 1, 1)))
    assert "branches" not in ideas_in(network, (4, 8, 8))


def test_what_was_searched_is_stated_for_papers_of_registered_networks_with_its_place():
    papers = {describe(name).paper for name in list_models()}
    assert set(SEARCHED) <= papers
    assert all(place.startswith("section ") for place in SEARCHED.values())
    oldest = load_papers()["zoph2017neural"].year  # the first search in the ledger
    assert all(load_papers()[key].year > oldest for key in SEARCHED)
    assert "search" in ideas_of("mobilenet_v3_small") and "search" not in ideas_of("mobilenet_v2")


def test_every_idea_found_has_a_name_and_a_sign():
    assert set().union(*(ideas_of(name) for name in DRAWN)) <= set(IDEAS)
    assert all(idea.label and idea.sign.endswith(".") for idea in IDEAS.values())

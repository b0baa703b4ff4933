"""The explorer of architectures: its packed counts against fresh profiles, PyTorch and torchvision."""

import json
from functools import cache
from math import prod

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from convbook import explore
from convbook.explore.blueprint import Blueprint
from convbook.models import create_model, describe, list_models
from convbook.profile import profile
from convbook.shapes import ShapesOnly

LIMIT = 40_000  # bytes of a part
ONE_EACH = sorted({describe(name).cls: name for name in list_models()}.values())
STAGES = {  # sides of the maps from image to head, by the papers' tables
    "vgg16": [224, 112, 56, 28, 14, 7],
    "googlenet": [112, 56, 28, 14, 7],
    "resnet50": [112, 56, 28, 14, 7],
    "densenet121": [112, 56, 28, 14, 7],
    "mobilenet_v2": [112, 56, 28, 14, 7],
    "nasnet_a_mobile": [111, 56, 28, 14, 7],
    "scse": [256, 128, 64, 32, 16, 32, 64, 128, 256],
    "lenet5": [28, 14, 10, 5],
}


@cache
def blueprint(name):
    made = Blueprint(name)
    return made, json.loads(json.dumps(made.pack()))


def rows(packed, w, r):
    """Unpack, as a reader of the format would: (path, params, macs, activations) of every layer."""

    def one(value):
        return value[w] if isinstance(value, list) else value

    def inside(path, place):
        entry = packed["modules"][place]
        if isinstance(entry[0], str):
            yield from (row for part in entry[1] for row in copies(f"{path}.", part))
            return
        kind, grid, channels, params, *counted = entry
        if counted:
            macs, activations = (each[w * len(packed["sides"]) + r] for each in counted)
        else:
            side = packed["grids"][grid][r]
            positions = prod(side) if isinstance(side, list) else side**2 or 1
            calls, bias, share = packed["kinds"][kind][2:]
            macs = share * (one(params) - bias * one(channels)) * positions
            activations = calls * one(channels) * positions
        yield path, one(params), macs, activations

    def copies(before, part):
        for _ in range(part[2] if len(part) > 2 else 1):
            yield from inside(before + part[0], part[1])

    return [row for stage in packed["stages"] for part in stage["parts"] for row in copies("", part)]


def totals(packed, w, r):
    return [sum(column) for column in list(zip(*rows(packed, w, r), strict=True))[1:]]


def counted(name, side, **overrides):
    whole = profile(name, (describe(name).input_size[0], side, side), **overrides)
    return [whole.params, whole.macs, sum(row.activations for row in whole.rows)]


@pytest.mark.parametrize("name", sorted({*ONE_EACH, *STAGES}))
def test_layers_add_up_to_the_real_networks_parameters_and_profile(name):
    made, packed = blueprint(name)
    w, r = packed["factors"].index(1), packed["sides"].index(packed["side"])
    with torch.device("meta"), ShapesOnly():
        params = sum(p.numel() for p in create_model(name).parameters())
    whole = made.whole
    assert totals(packed, w, r) == [params, whole.macs, sum(row.activations for row in whole.rows)]
    assert len(rows(packed, w, r)) == len(whole.rows)
    assert len(json.dumps(packed, separators=(",", ":"))) < LIMIT


@pytest.mark.parametrize("name", ONE_EACH)
def test_another_resolution_and_width_together_equal_a_fresh_profile(name):
    made, packed = blueprint(name)
    for w, r in {(0, len(packed["sides"]) - 1), (len(packed["factors"]) - 1, 0)}:
        overrides = dict(made.widths[packed["factors"][w]].overrides)
        assert totals(packed, w, r) == counted(name, packed["sides"][r], **overrides)


def test_macs_are_half_of_what_pytorchs_counter_counts():
    _, packed = blueprint("mobilenet_v2")
    w, r = packed["factors"].index(0.5), packed["sides"].index(112)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        torchvision.models.mobilenet_v2(width_mult=0.5).eval()(torch.empty(1, 3, 112, 112))
    with torch.device("meta"):
        params = sum(p.numel() for p in torchvision.models.mobilenet_v2(width_mult=0.5).parameters())
    assert totals(packed, w, r)[:2] == [params, counter.get_total_flops() // 2]


@pytest.mark.parametrize(("name", "expected"), STAGES.items())
def test_stages_have_the_sizes_of_the_papers_tables(name, expected):
    _, packed = blueprint(name)
    r = packed["sides"].index(packed["side"])
    sides = [packed["grids"][stage["grid"]][r] for stage in packed["stages"] if not stage["head"]]
    assert sides == expected
    assert packed["stages"][-1]["head"] is (name != "scse")  # which gives a class a pixel


def test_residual_stages_keep_the_names_of_the_network():
    _, packed = blueprint("resnet50")
    last = [stage["parts"][-1][0] for stage in packed["stages"]]
    assert last == ["relu", "layer1", "layer2", "layer3", "layer4", "fc"]


def test_what_a_forward_pass_leaves_out_stands_apart():
    _, packed = blueprint("msdnet_cifar")
    assert packed["exits"] == 11
    assert [stage["ran"] for stage in packed["stages"]].count(False) == 1


def test_a_network_without_a_knob_offers_its_published_size_only():
    _, packed = blueprint("lenet5")
    assert packed["sides"] == [32] and packed["argument"] == "" and packed["factors"] == [1]


def test_in_a_notebook_only_the_networks_that_were_named_lie_in_the_output():
    shown = explore.architectures("lenet5", "lenet1")
    assert list(shown.parts) == ["lenet5", "lenet1"] == shown.data["shown"]
    assert [row["name"] for row in shown.data["networks"]] == ["lenet5", "lenet1"]
    assert len(shown.html()) < 60_000


def test_an_unknown_network_gets_its_neighbours_in_one_line():
    with pytest.raises(explore.ExplorableError, match=r"'resnet51': did you mean .*resnet50") as error:
        explore.architectures("resnet51")
    assert "\n" not in str(error.value)

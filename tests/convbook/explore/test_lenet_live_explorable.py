"""What the page is given to run LeNet: the network's own weights, its table, its scans."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from torch import nn

from convbook import data, explore, models
from convbook.data import ImageSet
from convbook.explore.lenet_live import export, rounded
from convbook.layers.rbf import bitmap_codes
from convbook.models.lenet import C3_TABLE


def data_in(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])


@pytest.fixture(scope="module")
def val():
    return data.load("digits")[1]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return models.create_model("lenet5")


@pytest.fixture(scope="module")
def told(net, val):
    return data_in(explore.lenet_live(net, val).html())


def halves(text):
    return np.frombuffer(base64.b64decode(text), "<f2")


def test_the_weights_are_all_of_the_networks_in_16_bits_and_the_codes(net):
    weights = halves(export(net)[1])
    assert len(weights) == 60_000 + 840  # the paper's count, and ten codes of 84
    assert np.array_equal(weights[:150], net.c1.weight.detach().flatten().numpy().astype("<f2"))
    assert np.array_equal(weights[-840:], bitmap_codes().flatten().numpy())


def test_the_connection_table_of_c3_is_the_papers(net):
    wires = export(net)[0][2]["wires"].tolist()
    assert wires == [[read, out] for out, reads in enumerate(C3_TABLE) for read in reads] and len(wires) == 60


def test_layers_have_the_sizes_of_the_papers_figure(net):
    layers = export(net)[0]
    sizes = {layer["name"]: (layer["maps"], layer["side"]) for layer in layers}
    first = {"C1": (6, 28), "S2": (6, 14), "C3": (16, 10), "S4": (16, 5), "C5": (120, 1), "F6": (84, 1)}
    assert sizes == {**first, "RBF": (10, 1)}
    assert [layer["squash"] for layer in layers] == ["scaled_tanh"] * 6 + [""]


@pytest.mark.parametrize("pool", ["max", "avg"])
def test_todays_network_keeps_its_pooling_and_activation(pool):
    net = models.create_model("lenet5_modern", pool=pool, activation="tanh")
    layers, weights = export(net)
    assert [layer["kind"] for layer in layers][1] == {"max": "max", "avg": "sum"}[pool]
    assert [layer["squash"] for layer in layers] == ["tanh", "", "tanh", "", "tanh", "tanh", ""]
    assert len(halves(weights)) == 61_706 + (pool == "avg") * 2 * (6 + 16)


def test_the_page_carries_the_statistics_and_a_scan_of_each_class(told, val):
    scans = [np.frombuffer(base64.b64decode(each["pixels"]), np.uint8) for each in told["samples"]]
    assert [each["label"] for each in told["samples"][:10]] == list(range(10))
    seven = int((val.labels == 7).nonzero()[0])
    assert np.array_equal(scans[7], val.images[seven].flatten().numpy())
    white = (255 - told["mean"]) / told["std"]
    assert white == pytest.approx(float(val.normalise(torch.full((1, 1, 1, 1), 255.0))), abs=1e-4)
    assert told["prepare"]["ink"] == pytest.approx(float(val.images[:, :, 4:28, 4:28].float().mean()) / 255)


def test_rightly_read_scans_are_counted_with_the_rounded_weights_too(told, net, val):
    with torch.no_grad():
        right = [
            int((each(val.float_images()).argmax(1) == val.labels).sum()) for each in (net, rounded(net))
        ]
    assert [int(n) for n in re.findall(r"\d+", told["accuracy"])] == [360, *right, 16]


def test_the_misread_scans_are_misread(told):
    extra = [each for each in told["samples"] if each["extra"]]
    assert len(extra) == 5 and all(each["label"] != each["read"] for each in extra)


def test_the_page_stays_light_and_the_network_is_left_as_it_was(net, val):
    before = net.c5.weight.clone()
    net.train()
    html = explore.lenet_live(net, val).html()
    assert len(html) < 230_000
    assert net.training and torch.equal(net.c5.weight, before)


def test_another_network_or_layer_is_refused_in_one_line(val):
    with pytest.raises(explore.ExplorableError, match="LeNet5 and ModernLeNet5, not EarlyLeNet"):
        explore.lenet_live(models.create_model("lenet4"), val)
    changed = models.create_model("lenet5_modern")
    changed.features.pool1 = nn.LPPool2d(2, 2)
    with pytest.raises(explore.ExplorableError, match="cannot run layer pool1") as error:
        export(changed)
    assert "\n" not in str(error.value)
    padded = models.create_model("lenet5_modern")
    padded.features.conv1 = nn.Conv2d(1, 6, 5, padding=2)
    with pytest.raises(explore.ExplorableError, match="cannot run layer conv1"):
        export(padded)


def test_other_images_are_refused(net, val):
    small = ImageSet(val.images[..., 2:30, 2:30], val.labels, val.classes, "digits")
    with pytest.raises(explore.ExplorableError, match="image_size=28"):
        explore.lenet_live(net, small)
    letters = ImageSet(val.images, val.labels, val.classes, "letters")
    with pytest.raises(explore.ExplorableError, match="letters is not known: take digits or MNIST"):
        explore.lenet_live(net, letters)

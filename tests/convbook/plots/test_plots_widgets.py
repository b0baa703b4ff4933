"""Live controls, driven by their traits: what they compute and what they put on the page."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convbook import create_model
from convbook.plots import capture, widgets
from convbook.profile import ProfileError, profile

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(6 * 4 * 4, 10)).train()


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 12, 12, generator=torch.Generator().manual_seed(1))


def shown(live):
    return live.children[-1].value


def test_receptive_field_computes_pytorchs_gradient_and_frames_it(network, image):
    live = widgets.receptive_field(network, image)
    assert list(live.controls["layer"].options) == ["0", "1", "2", "3"]  # those that put out maps
    live.controls["layer"].value = "3"
    assert (live.controls["row"].max, live.controls["row"].value) == (3, 2)
    live.controls["row"].value, live.controls["column"].value = 1, 3

    pixels = image[None].clone().requires_grad_()
    maps = network[3](F.max_pool2d(torch.relu(network[0](pixels)), 2))
    (expected,) = torch.autograd.grad(maps[0, :, 1, 3].sum(), pixels)
    assert torch.allclose(live.result, expected[0, 0].abs())
    rows, columns = (live.result.sum(dim).nonzero().flatten().tolist() for dim in (1, 0))
    assert f"rows {rows[0]} to {rows[-1]} and columns {columns[0]} to {columns[-1]}" in live.words
    assert "field is 8 pixels" in live.words  # 1 + 2 + 1 + 2 * 2
    assert network.training and all(p.grad is None for p in network.parameters())


def test_units_behind_an_operation_in_place_have_their_own_gradient(network, image):
    live = widgets.receptive_field(network, image)  # layer "0", before the ReLU that overwrites it
    expected = network[0].weight.detach().sum(dim=(0, 1)).abs()
    assert torch.allclose(live.result[5:8, 5:8], expected, atol=1e-6) and live.result.count_nonzero() == 9


def test_feature_maps_are_what_the_layer_puts_out(network, image):
    live = widgets.feature_maps(network, image)
    live.controls["layer"].value = "3"
    live.controls["channel"].value = 5
    assert torch.equal(live.result, capture(network, image[None], "3")["3"][0, 5])
    live.controls["layer"].value = "2"
    assert live.controls["channel"].max == live.controls["channel"].value == 3
    assert torch.equal(live.result, capture(network, image[None], "2")["2"][0, 3])


def test_layer_costs_follow_size_quantity_and_choices():
    live = widgets.layer_costs("mobilenet_v1", width_mult=(1.0, 0.5))
    assert (live.result.params, live.result.macs) == (4_231_976, profile("mobilenet_v1").macs)
    live.controls["width_mult"].value, live.controls["side"].value = 0.5, 112
    expected = profile("mobilenet_v1", (3, 112, 112), width_mult=0.5)
    assert (live.result.params, live.result.macs) == (expected.params, expected.macs)
    before = shown(live)
    live.controls["quantity"].value = "parameters"
    assert shown(live) != before and f"{expected.macs:,} multiply-accumulates" in live.words


def test_temperature_divides_the_logits():
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 3.0, 1.0]])
    live = widgets.temperature(logits, ["cat", "dog", "cow"])
    live.controls["image"].value, live.controls["log2"].value = 1, 2.0
    assert torch.allclose(live.result, (logits[1] / 4).softmax(0))
    assert live.words.startswith("Image 1 at temperature 4: dog 0.") and "cat" in live.words


def test_pictures_carry_their_words_and_no_figure_stays_open(network, image):
    import matplotlib.pyplot as plt

    for live in (widgets.feature_maps(network, image), widgets.temperature(torch.eye(3))):
        label = re.search(r'(?:alt|aria-label)="([^"]+)"', shown(live))
        assert label[1] == live.words and f"<p>{live.words}</p>" in shown(live)
    assert not plt.get_fignums()


def test_what_cannot_be_computed_is_said_in_place_of_the_picture(network, image):
    live = widgets.layer_costs(network, (1, 12, 12))
    live.controls["side"].value = 24  # the linear layer is made for 12
    assert live.result is None and live.words.startswith("RuntimeError")
    assert "<img" not in shown(live) and "<svg" not in shown(live) and "RuntimeError" in shown(live)
    live.controls["side"].value = 12
    assert live.result.params == profile(network, (1, 12, 12)).params and "<svg" in shown(live)


def test_unfit_arguments_are_refused_in_one_line(network, image):
    with pytest.raises(ValueError, match=r"image must be floats \(C, H, W\)"):
        widgets.feature_maps(network, (255 * image).byte())
    with pytest.raises(ValueError, match="no layer of Sequential puts out maps"):
        widgets.receptive_field(nn.Sequential(nn.Flatten(), nn.Linear(144, 2)), image)
    with pytest.raises(ProfileError, match="overrides go with a name"):
        widgets.layer_costs(network, (1, 12, 12), width_mult=(1.0,))
    with pytest.raises(ValueError, match="2 names for 3 classes"):
        widgets.temperature(torch.eye(3), ["a", "b"])


def test_a_registered_network_can_be_looked_into():
    torch.manual_seed(0)
    network = create_model("resnet20_cifar").eval()
    live = widgets.receptive_field(network, torch.rand(3, 32, 32))
    live.controls["layer"].value = "layer3.2.conv2"
    assert live.result.shape == (32, 32) and live.result.count_nonzero() > 0
    assert f"field is {profile(network, (3, 32, 32)).layer('layer3.2.conv2').receptive_field} " in live.words


def test_no_chapter_asks_a_kernel_that_its_readers_do_not_have():
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        code = [c["source"] for c in json.loads(path.read_text("utf-8"))["cells"] if c["cell_type"] == "code"]
        text = "\n".join("".join(source) for source in code)
        assert not re.search(r"\bwidgets\b|\binteract(ive)?\b", text), f"{path.name} uses live controls"
    sources = [p.read_text("utf-8") for p in (ROOT / "src" / "convbook").rglob("*.py")]
    assert sum("import ipywidgets" in text for text in sources) == 1  # convbook.plots.widgets

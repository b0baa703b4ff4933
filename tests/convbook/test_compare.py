"""Networks side by side: what stands beside what, and that nothing is lost or invented."""

import time

import pytest
import torch
from torch import nn

from convbook.compare import compare, short
from convbook.models import UnknownModelError
from convbook.profile import profile
from convbook.timing import measure_layers


@pytest.fixture(scope="module")
def pair():
    return compare("resnet18", "mobilenet_v2", time=False)


def test_totals_are_the_profiles(pair):
    for cost in pair.totals():
        whole = profile(cost.layer)
        assert (cost.params, cost.macs, cost.memory) == (whole.params, whole.macs, whole.activation_bytes)


def test_layers_of_a_network_add_up_to_its_totals(pair):
    for network in pair.to_dicts():
        for what in ("params", "macs", "memory"):
            assert sum(layer[what] for layer in network["layers"]) == network["total"][what]


def test_layers_beside_each_other_have_the_same_resolution(pair):
    shapes = [{row.name: row.output_shape for row in profile(p.name).rows} for p in pair.profiles]
    for heading, lines in pair.sections():
        for line in lines:
            for cost, known in zip(line, shapes, strict=True):
                if cost is not None and heading != "head":
                    assert f"{known[cost.layer][-1]}×{known[cost.layer][-1]}" == heading
    assert [heading for heading, _ in pair.sections()] == [
        "112×112",
        "56×56",
        "28×28",
        "14×14",
        "7×7",
        "head",
    ]


def test_a_gate_stands_with_the_block_that_it_serves():
    found = compare("se_resnet20_cifar", "resnet20_cifar", time=False)
    first = dict(found.sections())["32×32"]
    assert any(left and ".attention." in left.layer for left, _ in first)


def test_depth_sums_up_modules():
    found = compare("resnet18", "plain18", depth=1, time=False)
    lines = dict(found.sections())["28×28"]
    assert [cost.layer for cost in lines[0]] == ["layer2", "layer2"]
    assert lines[0][0].params == profile("resnet18").layer("layer2").params


def test_times_are_measured_and_slow_layers_take_longer():
    class Slow(nn.Module):
        def forward(self, x):
            time.sleep(0.02)
            return x

    timing = measure_layers(nn.Sequential(nn.Identity(), Slow()), (1, 2, 2), repeats=2)
    assert timing.layers["1"] >= 20 > timing.layers["0"]
    assert timing.total >= 20
    assert "CPU" in timing.device


def test_timing_leaves_no_hooks_and_reaches_every_layer():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    timing = measure_layers(net, (3, 8, 8), repeats=1)
    assert timing.layers.keys() == {"0", "1"}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    with pytest.raises(ValueError, match="repeats=0"):
        measure_layers(net, (3, 8, 8), repeats=0)


def test_a_timed_comparison_shows_times_in_every_form():
    found = compare("resnet20_cifar", "plain20_cifar", repeats=1, image_size=16)
    assert found.headings() == ["output", *("layer", "params", "MACs", "memory", "field", "ms") * 2]
    assert all(cost.ms > 0 for cost in found.totals())
    html = found._repr_html_()
    assert html.count("<tr>") == len(found.rows()) + 1 and "(3 × 16 × 16)" in html
    assert found.to_markdown().splitlines()[-1].startswith("| total | resnet20_cifar | 270k |")


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (0, "", "0"),
        (999, "", "999"),
        (1000, "", "1.00k"),
        (9_996, "", "10.0k"),
        (99_960, "", "100k"),
        (999_600, "", "1.00M"),
        (25_557_032, "", "25.6M"),
        (4_089_184_256, "", "4.09G"),
        (3_211_264, "B", "3.06MiB"),
        (1023.9, "B", "1.00KiB"),
    ],
)
def test_short_numbers_have_three_digits(number, unit, text):
    assert short(number, unit) == text


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="two networks or more"):
        compare("resnet18")
    with pytest.raises(UnknownModelError, match="did you mean"):
        compare("resnet18", "resnet19")
    with pytest.raises(ValueError, match="too small"):
        compare("resnet18", "resnet34", image_size=8)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_layers_are_timed_on_a_gpu():
    timing = measure_layers(nn.Sequential(nn.Conv2d(3, 64, 3)), (3, 64, 64), device="cuda")
    assert timing.layers["0"] > 0 and "CPU" not in timing.device

"""What explorables say is counted on real networks, and agrees with what is known elsewhere."""

import json
import re

import pytest
import torch
import torchvision

from convbook import explore
from convbook.explore.cardinality import cardinality_options
from convbook.explore.multipliers import multiplier_grid
from convbook.explore.reduction import reduction_costs


def data_in(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])


def test_cardinality_gives_the_widths_and_networks_of_the_resnext_paper():
    options = {o["cardinality"]: o for o in cardinality_options()}
    assert {c: options[c]["width"] for c in (1, 2, 4, 8, 32)} == {
        1: 64,
        2: 40,
        4: 24,
        8: 14,
        32: 4,
    }  # table 2
    assert (options[1]["weights"], options[32]["weights"]) == (69_632, 70_144)
    with torch.device("meta"):
        nets = {1: torchvision.models.resnet50(), 32: torchvision.models.resnext50_32x4d()}
    for c, net in nets.items():
        assert options[c]["network_params"] == sum(p.numel() for p in net.parameters())


def test_cardinality_weights_follow_the_formula_that_the_page_uses():
    for o in cardinality_options():
        c, d = o["cardinality"], o["width"]
        assert o["weights"] == 256 * c * d + 9 * c * d * d + c * d * 256
        assert o["macs"] == o["weights"] * 56 * 56


def test_multiplier_grid_has_the_papers_corner_and_its_accuracies():
    rows = {(row["alpha"], row["resolution"]): row for row in multiplier_grid()}
    assert len(rows) == 16
    assert rows[1.0, 224]["params"] == 4_231_976
    assert round(rows[1.0, 224]["macs"] / 1e6) == 569  # table 8
    assert (
        rows[1.0, 224]["top1"] == 70.6 and rows[0.25, 224]["top1"] == 50.6 and rows[1.0, 128]["top1"] == 64.4
    )
    assert rows[0.75, 160]["top1"] is None
    assert rows[0.5, 128]["params"] == rows[0.5, 224]["params"]


def test_reduction_costs_equal_a_count_by_hand():
    data = reduction_costs("resnet50", (4, 16))
    depths, widths = (3, 4, 6, 3), (256, 512, 1024, 2048)
    for option in data["options"]:
        r = option["reduction"]
        by_hand = [n * (2 * c * c // r + c // r + c) for n, c in zip(depths, widths, strict=True)]
        assert option["params"] == by_hand
        assert option["macs"] == [n * 2 * c * c // r for n, c in zip(depths, widths, strict=True)]
    assert data["base"]["params"] == 25_557_032
    assert [o["printed"] for o in data["options"]] == ["35.7M", "28.1M"]


def test_convolution_carries_the_images_own_pixels_and_counts_c1():
    image = torch.randint(0, 256, (1, 32, 32), dtype=torch.uint8)
    shown = explore.convolution(image).html()
    assert data_in(shown)["image"] == image[0].tolist()
    row = re.search(r'<tr><th scope="row">5×5</th>(.*?)</tr>', shown)[1]
    assert re.findall(r">([^<]+)</td>", row) == ["1", "0", "1", "forwards", "6 × 28 × 28", "156", "117,600"]


def test_convolution_without_an_image_takes_the_first_embedded_digit():
    from convbook.data import load

    assert data_in(explore.convolution().html())["image"] == load("digits")[0].images[0, 0].tolist()


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 4, 4), (1, 1, 32, 32)])
def test_convolution_refuses_other_images(shape):
    with pytest.raises(explore.ExplorableError, match="one grey uint8 image"):
        explore.convolution(torch.zeros(shape, dtype=torch.uint8))


def test_multipliers_refuse_a_table_with_holes_or_without_accuracies():
    row = {"alpha": 1.0, "resolution": 224, "params": 1, "macs": 1, "top1": 70.6}
    with pytest.raises(explore.ExplorableError, match="every pair"):
        explore.multipliers([row, row])
    with pytest.raises(explore.ExplorableError, match="every pair"):
        explore.multipliers([row, {**row, "alpha": 0.5, "resolution": 128}])
    with pytest.raises(explore.ExplorableError, match="at least two rows"):
        explore.multipliers([row])


def test_reduction_refuses_a_start_that_is_no_choice():
    with pytest.raises(explore.ExplorableError, match="start=3"):
        explore.reduction(reductions=(16,), start=3)

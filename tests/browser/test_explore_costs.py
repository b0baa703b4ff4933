"""Cardinality, multipliers and reduction in Chromium, compared with the profiler."""

import pytest
from driving import data_in, fact, number, press

from convbook.layers.aggregated import GroupedBlock
from convbook.profile import profile

pytestmark = pytest.mark.browser


def test_cardinality_counts_what_the_profiler_counts(visit, samples):
    page = visit("cardinality")
    for option in data_in(samples("cardinality"))["options"]:
        page.get_by_label(str(option["cardinality"]), exact=True).check()
        assert page.get_by_role("slider", name="Width d of a group", exact=True).input_value() == str(
            option["width"]
        )
        assert number(page, "Weights of the block") == option["weights"]
        assert number(page, "MACs at 56 × 56") == option["macs"]
        assert number(page, "Whole network") == option["network_params"]
    page.get_by_label("8", exact=True).check()
    press(page, "Width d of a group", "ArrowRight", 6)
    block = profile(GroupedBlock(256, 8, 20), (256, 56, 56))
    assert number(page, "Weights of the block") * 56 * 56 == block.macs == number(page, "MACs at 56 × 56")
    assert number(page, "Width of the 3×3 layer") == 160
    assert fact(page, "Whole network") == "–"
    page.get_by_label("64", exact=True).focus()
    page.keyboard.press("ArrowLeft")  # a radio group moves by arrow keys
    assert page.get_by_label("32", exact=True).is_checked() and number(page, "Weights of the block") == 70_144


def test_multipliers_show_every_networks_counts_and_only_published_accuracies(visit, samples):
    page = visit("multipliers")
    for row in data_in(samples("multipliers"))["table"]:
        page.get_by_label(f"{row['alpha']:.2f}", exact=True).check()
        page.get_by_label(str(row["resolution"]), exact=True).check()
        assert number(page, "Parameters") == row["params"]
        assert number(page, "Multiply-accumulates") == row["macs"]
        accuracy = "not published" if row["top1"] is None else f"{row['top1']:g} %"
        assert fact(page, "Top-1 accuracy (paper)") == accuracy


def test_reduction_adds_what_the_profiler_counts(visit, samples):
    page = visit("reduction")
    for option in data_in(samples("reduction"))["options"]:
        page.get_by_label(str(option["reduction"]), exact=True).check()
        assert number(page, "Added parameters") == sum(option["params"])
        assert number(page, "Added MACs") == sum(option["macs"])
        for unit in ("params", "macs"):
            page.get_by_label(
                {"params": "parameters", "macs": "multiply-accumulates"}[unit], exact=True
            ).check()
            texts = " ".join(page.locator("svg text").all_text_contents())
            assert all(f"{n:,} (" in texts for n in option[unit])

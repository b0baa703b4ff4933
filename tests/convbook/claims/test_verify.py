"""Statuses on made-up claims whose answers are known."""

import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from convbook.claims import Claim, ClaimError, check, table, verify
from convbook.claims.tables import printed
from convbook.claims.verify import count_statuses

RESNET50_PARAMS = 25_557_032


def claim(value: float, shown_as: str, **fields: Any) -> Claim:
    given = {"model": "resnet50", "quantity": "params", "where": "Table 0"} | fields
    return Claim(paper="made-up", number=1, value=value, shown_as=shown_as, **given)


def verdict(*args, **fields):
    return verify([claim(*args, **fields)])[0]


def test_the_same_number_is_exact():
    result = verdict(RESNET50_PARAMS, "25,557,032")
    assert (result.status, result.computed, result.ok) == ("exact", RESNET50_PARAMS, True)


@pytest.mark.parametrize(
    ("value", "shown_as", "status"),
    [
        (25.6e6, "25.6 × 10⁶", "agrees"),
        (25.56e6, "25.56M", "agrees"),
        (26e6, "26 million", "agrees"),
        (25.5e6, "25.5 × 10⁶", "differs"),  # cut, not rounded
        (25.7e6, "25.7M", "differs"),
        (25.55e6, "25.55M", "differs"),
        (25.560e6, "25.560M", "differs"),  # a printed zero is a digit
    ],
)
def test_the_printed_digits_decide_what_agrees(value, shown_as, status):
    assert verdict(value, shown_as).status == status


@pytest.mark.parametrize(
    ("value", "status"), [(25_557_031.5, "agrees"), (25_557_032.5, "agrees"), (25_557_031.4, "differs")]
)
def test_half_a_step_of_the_last_digit_still_agrees(value, status):
    assert verdict(value, "", precision=1.0).status == status


def test_precision_widens_what_the_digits_would_allow():
    assert verdict(25e6, "25 million").status == "differs"
    assert verdict(30e6, "30 million", precision=10e6).status == "agrees"


def test_an_undeclared_difference_is_a_surprise():
    result = verdict(24e6, "24 million")
    assert (result.status, result.ok) == ("differs", False)
    assert "printed 24 million" in result.reason and "no reason is declared" in result.reason


def test_a_declared_difference_is_none():
    result = verdict(24e6, "24 million", reason="It counts convolutions alone.")
    assert (result.status, result.ok, result.reason) == ("differs", True, "It counts convolutions alone.")


def test_a_declared_difference_that_agrees_is_a_surprise():
    result = verdict(25.6e6, "25.6M", reason="It should not.")
    assert (result.status, result.ok) == ("agrees", False)
    assert "drop its reason" in result.reason


def test_a_claim_that_cannot_be_computed_is_a_surprise_not_a_crash():
    result = verdict(3, "3", quantity="macs", layer="layer9")
    assert not result.ok and "cannot be computed" in result.reason and "layer9" in result.reason
    result = verdict(3, "3", model="resnet5O")
    assert not result.ok and "did you mean" in result.reason


def test_an_error_without_a_record_is_not_recomputed_and_says_why():
    result = verdict(23.9, "23.9 %", quantity="top1_error")
    assert (result.status, result.computed, result.ok) == ("not recomputed", None, True)
    assert "ImageNet" in result.reason


@dataclass
class FakeRecord:
    model: str
    data: str
    final: dict[str, float]
    options: dict[str, Any] = field(default_factory=dict)


def test_an_error_with_a_record_of_the_same_network_and_data_is_measured(monkeypatch):
    records = [
        FakeRecord("resnet20_cifar", "CIFAR-10 (JPEG)", {"val_accuracy": 0.91}, {"num_classes": 10}),
        FakeRecord("resnet20_cifar", "CIFAR-10 (JPEG)", {"val_accuracy": 0.92}),
        FakeRecord("resnet20_cifar", "CIFAR-10 (JPEG)", {"val_accuracy": 0.5}, {"shortcut": "B"}),
        FakeRecord("resnet20_cifar", "digits", {"val_accuracy": 0.99}),
    ]
    monkeypatch.setattr("convbook.records.load_records", lambda model=None, data=None: records)
    result = verdict(8.75, "8.75 %", model="resnet20_cifar", quantity="cifar10_error")
    assert result.status == "measured" and result.ok
    assert result.computed == pytest.approx(8.5)
    assert result.reason.startswith("2 runs on CIFAR-10 (JPEG)")


def test_an_override_makes_it_another_network():
    wide = verdict(6.0e6, "6.0M", model="mobilenet_v1", overrides={"width_mult": 0.5}, reason="x")
    assert wide.computed == 1_331_592


def test_a_layer_narrows_the_claim():
    assert verdict(69_632, "69,632", quantity="weights", layer="layer1.1").status == "exact"
    assert (
        verdict(70_144, "70,144", quantity="weights", layer="layer1.1", model="resnext50_32x4d").status
        == "exact"
    )


def test_a_baseline_makes_a_ratio():
    result = verdict(2.0, "2×", quantity="params_ratio", model="resnet18", baseline="resnet50")
    assert result.computed == pytest.approx(RESNET50_PARAMS / 11_689_512)
    result = verdict(
        2.5, "2.5 million", model="se_resnet50", quantity="params_added", baseline="resnet50", reason="x"
    )
    assert result.computed == 28_088_024 - RESNET50_PARAMS


def test_check_prints_one_line_of_counts(capsys):
    check("lecun1998gradient")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.startswith("lecun1998gradient: 63 claims, 30 exact")


def test_check_lists_every_surprise(monkeypatch):
    claims = [claim(24e6, "24 million"), claim(23e6, "23 million")]
    monkeypatch.setattr(sys.modules["convbook.claims.verify"], "load_claims", lambda *a: claims)
    with pytest.raises(AssertionError, match="2 of 2 claims surprise") as error:
        check("made-up")
    assert "24 million" in str(error.value) and "23 million" in str(error.value)
    assert "made-up.toml, claim 1" in str(error.value)


def test_check_refuses_to_check_nothing():
    with pytest.raises(ClaimError, match="no claim fits"):
        check("he2016deep", model="lenet5")
    with pytest.raises(ClaimError, match="no claims file for 'he2016'; near: he2016deep"):
        check("he2016")


def test_a_changed_network_makes_its_paper_surprise(monkeypatch):
    from convbook.claims import quantities
    from convbook.models.resnet_blocks import Bottleneck

    quantities._build.cache_clear()
    quantities._profile.cache_clear()
    monkeypatch.setattr(Bottleneck, "expansion", 3)
    with pytest.raises(AssertionError, match="claims surprise"):
        check("xie2017aggregated", where="Table 1")
    quantities._build.cache_clear()
    quantities._profile.cache_clear()


def test_counts_have_every_status_in_the_ledgers_order():
    counts = count_statuses(
        verify([claim(RESNET50_PARAMS, "25,557,032"), claim(1.0, "1.0", quantity="top1_error")])
    )
    assert counts == {"exact": 1, "agrees": 0, "differs": 0, "measured": 0, "not recomputed": 1}


@pytest.mark.parametrize(
    ("value", "shown_as", "quantity", "text"),
    [
        (569e6, "569", "macs", "569 million"),
        (4.2e6, "4.2", "params", "4.2 million"),
        (2578.0, "2,578", "params", "2,578"),
        (25.6e6, "25.6M", "params", "25.6M"),
        (94.75, "94.75", "cifar10_accuracy", "94.75 %"),
        (8140.0, "8.14 s", "milliseconds", "8.14 s"),
        (650_000.0, "650,000", "neurons", "650,000"),
    ],
)
def test_a_bare_number_is_shown_with_the_scale_or_unit_of_its_column(value, shown_as, quantity, text):
    assert printed(claim(value, shown_as, quantity=quantity)) == text


def test_a_papers_table_shows_printed_and_computed():
    rows = table("xie2017aggregated", where="Table 1", quantities=["params", "macs"]).rows()
    assert [row[0] for row in rows] == ["resnet50", "resnext50_32x4d", "resnet50", "resnext50_32x4d"]
    assert rows[1][2:5] == ["25.0 × 10⁶", "25,028,904", "agrees"]
    one_place = table("xie2017aggregated", where="Table 1")
    assert one_place.headings()[-1] == "Verdict" and "Table 1" in one_place.caption
    html = one_place._repr_html_()
    assert '<th scope="row" role="rowheader">resnext50_32x4d</th>' in html and 'role="region"' in html
    assert (
        "| resnext50_32x4d | MACs | 4.2 × 10⁹ | 4,230,479,872 | agrees | Table 1 |"
        in table("xie2017aggregated").to_markdown()
    )

"""The files: what they must say, and how a mistake in one is reported."""

import re
import sys
import time
from pathlib import Path

import pytest

from convbook.claims import ClaimError, load_claims, load_papers, networks, quantities, verify
from convbook.claims.claim import load_file
from convbook.claims.quantities import QUANTITIES
from convbook.models import describe, list_models

ROOT = Path(__file__).parents[3]
CHAPTERS = {
    "lecun1998gradient",
    "xie2017aggregated",
    "howard2017mobilenets",
    "hu2018squeeze",
    "woo2018cbam",
}


@pytest.fixture(scope="module")
def verified():
    """Every claim's verdict from nothing, and the seconds of one core that they took."""
    for cached in (quantities._build, quantities._profile, quantities._count_params):
        cached.cache_clear()
    start = time.process_time()
    found = verify()
    return found, time.process_time() - start


@pytest.fixture(scope="module")
def verdicts(verified):
    return verified[0]


def test_every_claim_verifies_without_surprise(verdicts):
    assert [f"{v.claim.place}: {v.reason}" for v in verdicts if not v.ok] == []


def test_there_are_claims_for_each_chapter_and_enough_of_them():
    assert load_papers().keys() >= CHAPTERS
    assert len(load_claims()) >= 120
    assert all(len(load_claims(key)) >= 20 for key in CHAPTERS)


def test_every_claim_names_a_table_or_section():
    places = {c.place: c.where for c in load_claims()}
    named = re.compile(r"^(Tables? \d|Section |Abstract|Figure )")
    assert {k: w for k, w in places.items() if not named.match(w)} == {}


def test_every_difference_declares_a_reason_in_words(verdicts):
    reasons = {v.claim.place: v.claim.reason for v in verdicts if v.status == "differs"}
    assert len(reasons) > 10
    assert {k: r for k, r in reasons.items() if len(r.split()) < 5 or not r.endswith(".")} == {}


def test_every_count_is_recomputed_and_every_measured_error_has_its_figure(verdicts):
    for v in verdicts:
        assert (v.computed is None) == (v.status == "not recomputed")
        other = v.claim.model.startswith("other:")
        assert v.computed is not None or other or QUANTITIES[v.claim.quantity].of is None


def test_numbers_that_reasons_and_notes_call_computed_are_the_computed_ones(verdicts):
    found = 0
    for v in verdicts:
        for text in re.findall(r"[Cc]omputed (\d[\d,]{6,})(?![\d.])", v.claim.reason):
            found += 1
            assert int(text.replace(",", "")) == v.computed, v.claim.place
    assert found >= 3


def test_no_claim_stands_twice():
    seen: dict[tuple, str] = {}
    for c in load_claims():
        key = (
            c.paper,
            c.model,
            str(c.overrides),
            c.input_size,
            c.layer,
            c.quantity,
            c.where,
            c.protocol,
            c.baseline,
        )
        assert key not in seen, f"{c.place} repeats {seen[key]}"
        seen[key] = c.place


def test_every_paper_says_what_its_operations_are():
    assert {p.key for p in load_papers().values() if len(p.counts) < 20} == set()


def test_every_paper_of_a_claim_or_a_network_is_in_the_references():
    bib = (ROOT / "references.bib").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{([^,]+),", bib, flags=re.MULTILINE))
    assert load_papers().keys() | {describe(name).paper for name in list_models()} <= keys


def test_all_claims_verify_in_a_minute_of_one_core(verified):
    assert verified[1] < 60


def test_sharing_claims_out_to_processes_changes_nothing(monkeypatch):
    monkeypatch.setattr(sys.modules["convbook.claims.verify"], "WORTH_SHARING", 2)
    claims = load_claims("iandola2016squeezenet") + load_claims("roy2018concurrent")
    assert verify(claims, jobs=2) == verify(claims)


def test_networks_tell_the_timeline_what_it_needs():
    rows = {row["name"]: row for row in networks()}
    assert rows["alexnet"]["year"] == 2012
    assert rows["alexnet"]["top1_error"] == 40.7
    assert rows["resnext50_32x4d"] | {"protocol": ""} == {
        "name": "resnext50_32x4d",
        "year": 2017,
        "top1_error": 22.2,
        "protocol": "",
        "paper": "xie2017aggregated",
        "params": 25_028_904,
        "macs": 4_230_479_872,
    }
    assert rows["mobilenet_v1"]["top1_error"] == pytest.approx(29.4)
    assert "lenet5" not in rows and "resnet20_cifar" not in rows
    assert all(row["protocol"] for row in rows.values() if row["top1_error"] is not None)


GOOD = """
[paper]
key = "made2020up"
title = "T"
short = "S"
year = 2020
counts = "MACs"

[[claim]]
model = "resnet50"
quantity = "params"
value = 25.6e6
shown_as = "25.6M"
where = "Table 1"
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("shown_as", "show_as", "claim 1: unknown field 'show_as'; did you mean 'shown_as'?"),
        (
            'quantity = "params"',
            'quantity = "parms"',
            "claim 1: unknown quantity 'parms'; did you mean 'params'?",
        ),
        ('where = "Table 1"', "", "claim 1: where is missing"),
        ('where = "Table 1"', 'where = " "', "claim 1: where is empty; name the table or section"),
        ("25.6e6", '"25.6e6"', "claim 1: value is '25.6e6', which is no whole number or number"),
        ("25.6e6", "25.7e6", "claim 1: value 2.57e+07 and shown_as '25.6M' do not agree"),
        ('"params"', '"output_size"', "claim 1: output_size needs a layer"),
        ('"params"', '"params_ratio"', "claim 1: params_ratio needs a baseline to compare with"),
        ("[[claim]]", "[[claims]]", "has a section 'claims'; it may have [paper], [[claim]] and [[recipe]]"),
        ("year = 2020", "", "[paper]: year is missing"),
        ("made2020up", "made2021up", "key 'made2021up' must be the file's name"),
        ('"Table 1"', '"Table 1', "is not TOML"),
    ],
)
def test_a_slip_in_a_file_gives_one_line_with_file_and_claim(tmp_path, old, new, message):
    path = tmp_path / "made2020up.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ClaimError) as error:
        load_file(path)
    assert message in str(error.value)
    assert str(error.value).startswith("made2020up.toml")
    assert "\n" not in str(error.value)


def test_a_good_file_is_read(tmp_path):
    path = tmp_path / "made2020up.toml"
    path.write_text(GOOD, encoding="utf-8")
    paper, claims = load_file(path)
    assert (paper.year, len(claims), claims[0].unit) == (2020, 1, pytest.approx(1e5))


def test_the_references_are_whole_entries_and_none_stands_twice():
    bib = (ROOT / "references.bib").read_text(encoding="utf-8")
    entries = re.findall(r"^@\w+\{([^,]+),\n(?:  .*\n)+\}$", bib, flags=re.MULTILINE)
    assert len(entries) == bib.count("@") and len(set(entries)) == len(entries)

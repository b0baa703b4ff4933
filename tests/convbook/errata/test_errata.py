"""Every slip is settled by a computation that asserts it, or dropped with a reason in words."""

import re
from pathlib import Path

import pytest

from convbook.errata import KINDS, errata_markdown, load_errata, settle
from convbook.errata.page import SUBJECTS

ERRATA = load_errata()
COMPUTED = [each.number for each in ERRATA if each.compute]
BIB = (Path(__file__).parents[3] / "references.bib").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", COMPUTED)
def test_the_computation_holds_and_says_a_number_that_it_computed(number):
    finding = settle(number)
    assert re.search(r"\d", finding.result), "a finding without a number"
    assert finding.result.endswith(".")
    assert "assert " in finding.erratum.code, "a computation that asserts nothing cannot fail"
    computed = [line for line in finding.erratum.code.splitlines() if "return" in line or 'f"' in line]
    assert any("{" in line for line in computed), "the finding must be made from computed values"


def test_all_leads_are_settled_or_dropped():
    assert [each.number for each in ERRATA] == list(range(1, 102))


def test_every_slip_says_what_is_stated_where_and_what_is_right():
    for each in ERRATA:
        assert each.kind in KINDS and each.subject in SUBJECTS, each.number
        assert (each.kind == "dropped") == (each.compute is None), each.number
        for text in (each.said, each.right):
            assert len(text.split()) >= 5 and text.rstrip().endswith((".", "`", ":")), each.number
        assert each.title and len(each.source.split()) >= 2, each.number


def test_every_paper_that_is_cited_is_in_the_references():
    keys = set(re.findall(r"^@\w+\{([^,]+),", BIB, flags=re.MULTILINE))
    assert {key for each in ERRATA for key in each.papers} <= keys


def test_the_page_has_a_section_and_the_code_of_each():
    page = errata_markdown()
    for each in ERRATA:
        assert page.count(f"(erratum-{each.number})=") == 1
        assert each.code.rstrip() in page
    assert page.count("```python") == len(COMPUTED)


def test_an_unknown_number_is_refused():
    with pytest.raises(KeyError, match="no erratum 999"):
        settle(999)

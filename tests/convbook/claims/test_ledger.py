"""The ledger's page, as text; the browser tests open it."""

import re
from html.parser import HTMLParser

import pytest

from convbook.claims import Claim, Verdict, ledger_html, load_claims, verify


@pytest.fixture(scope="module")
def verdicts():
    return verify(load_claims("lecun1998gradient") + load_claims("krizhevsky2012imagenet"))


def test_the_ledger_lists_every_claim_and_counts_each_status(verdicts):
    text = ledger_html(verdicts)
    assert text.count("<tr data-status=") == len(verdicts)
    for status in ("exact", "agrees", "differs", "measured", "not recomputed"):
        count = sum(v.status == status for v in verdicts)
        assert f"<li><strong>{count}</strong> {status}:" in text


def test_the_ledger_is_a_complete_table_without_its_script(verdicts):
    plain = re.sub(r"<script>.*?</script>", "", ledger_html(verdicts), flags=re.DOTALL)
    assert plain.count('<th scope="row">') == len(verdicts)
    assert plain.count('<th scope="col"') == 6
    assert "<caption>" in plain and 'role="region" tabindex="0" aria-label="Ledger of claims"' in plain
    assert "<div class='cb-controls' hidden>" in plain  # no dead control


def test_each_papers_rows_stand_together_with_their_number(verdicts):
    bodies = re.findall(r'<tbody style="--rows: (\d+)">(.*?)</tbody>', ledger_html(verdicts), flags=re.DOTALL)
    assert [len(set(re.findall(r'data-paper="([^"]+)"', rows))) for _, rows in bodies] == [1, 1]
    assert [int(number) for number, _ in bodies] == [rows.count("<tr") for _, rows in bodies]


def test_the_ledgers_tags_are_balanced(verdicts):
    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.stack = []

        def handle_starttag(self, tag, attrs):
            if tag != "col":  # has no end tag
                self.stack.append(tag)

        def handle_endtag(self, tag):
            assert self.stack.pop() == tag

    parser = Balance()
    parser.feed(ledger_html(verdicts))
    assert parser.stack == []


def test_text_from_claims_is_escaped():
    odd = Claim("made-up", 1, "resnet18", "top1_error", 1.0, "1.0 <b>", "Table <1>")
    text = ledger_html([Verdict(odd, "not recomputed", None, "a & b < c")])
    assert "1.0 &lt;b&gt;" in text and "Table &lt;1&gt;" in text and "a &amp; b &lt; c" in text


def test_a_surprise_is_told_at_the_top():
    odd = Claim("made-up", 1, "resnet18", "params", 1.0, "1.0", "Table 1")
    assert "1 claims surprise" in ledger_html([Verdict(odd, "differs", 2.0, "why", ok=False)])

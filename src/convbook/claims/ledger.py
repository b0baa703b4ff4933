"""The book's page of all claims: one table that can be searched, filtered and sorted without a kernel."""

import html
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from convbook.claims.claim import load_papers
from convbook.claims.tables import printed, quantity, shown, subject
from convbook.claims.verify import STATUSES, Verdict, count_statuses, verify

__all__ = ["ledger_html"]

MEANINGS = {
    "exact": "the same number",
    "agrees": "the same at the printed precision",
    "differs": "another number, and why",
    "measured": "a recorded run of this book",
    "not recomputed": "takes more than a network, and what",
}
HEADINGS = ("Source", "Network", "Quantity", "Printed", "Computed", "Verdict")
NUMERIC = ("Printed", "Computed")

_STYLE = """<style>
.cb-ledger table { border-collapse: collapse; font-size: 0.85em; line-height: 1.35; }
.cb-ledger table { table-layout: fixed; width: 100%; min-width: 56em; }
.cb-ledger caption { caption-side: top; text-align: start; font-weight: 600; padding: 0.3em 0; }
.cb-ledger th, .cb-ledger td { padding: 0.3em 0.6em; border-bottom: 1px solid #8886; text-align: start; }
.cb-ledger td, .cb-ledger tbody th { vertical-align: top; font-weight: 400; }
.cb-ledger tbody th, .cb-ledger td { overflow-wrap: break-word; }
.cb-ledger tbody th span { display: block; }
.cb-ledger col:nth-child(4), .cb-ledger col:nth-child(5) { width: 7.5em; }
.cb-ledger col:last-child { width: 32%; }
.cb-ledger .cb-number { text-align: end; font-variant-numeric: tabular-nums; }
.cb-ledger thead button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; }
.cb-ledger thead button { padding: 0; cursor: pointer; text-decoration: underline; white-space: nowrap; }
.cb-ledger .cb-controls:not([hidden]) { display: flex; flex-wrap: wrap; gap: 0.6em 1em; margin: 0.6em 0; }
.cb-ledger .cb-controls label { display: flex; gap: 0.4em; align-items: center; flex-wrap: wrap; }
.cb-ledger .cb-controls label { min-width: 0; max-width: 100%; }
.cb-ledger input, .cb-ledger select { font: inherit; color: inherit; background: transparent; }
.cb-ledger input, .cb-ledger select { border: 1px solid currentColor; max-width: 100%; padding: 0.2em 0.4em; }
.cb-ledger select { max-width: min(100%, 20em); }
.cb-ledger option { color: #000; background: #fff; }
.cb-ledger .cb-region { overflow-x: auto; max-width: 100%; }
</style>"""


def ledger_html(verdicts: Iterable[Verdict] | None = None) -> str:
    """Return the page's counts and table; with no script it is a plain table of every claim.

    Args:
        verdicts: by default of all claims.
    """
    verdicts = verify() if verdicts is None else list(verdicts)
    counts = count_statuses(verdicts)
    surprises = sum(not v.ok for v in verdicts)
    summary = "".join(
        f"<li><strong>{counts[status]:,}</strong> {status}: {MEANINGS[status]}</li>" for status in STATUSES
    )
    warning = f"<p><strong>{surprises} claims surprise: see their reasons.</strong></p>" if surprises else ""
    head = "".join(
        f'<th scope="col"{" class=cb-number" if name in NUMERIC else ""}>{name}</th>' for name in HEADINGS
    )
    bodies = "".join(_body(list(alike)) for _, alike in groupby(verdicts, lambda v: v.claim.paper))
    papers = len({v.claim.paper for v in verdicts})
    script = (Path(__file__).parent / "ledger.js").read_text(encoding="utf-8")
    return (
        f'{_STYLE}<div class="cb-ledger"><p>{len(verdicts):,} claims from {papers} papers:</p>'
        f"<ul>{summary}</ul>{warning}<div class='cb-controls' hidden></div>"
        "<p class='cb-shown' role='status'></p>"
        '<div class="cb-region" role="region" tabindex="0" aria-label="Ledger of claims">'
        f"<table><caption>What the papers print, and what comes out</caption>{'<col>' * len(HEADINGS)}"
        f"<thead><tr>{head}</tr></thead>"
        f"{bodies}</table></div></div><script>{script}</script>"
    )


def _body(verdicts: list[Verdict]) -> str:
    """A paper's rows; their number tells how long they are before they are laid out."""
    return f'<tbody style="--rows: {len(verdicts)}">{"".join(map(_row, verdicts))}</tbody>'


def _row(verdict: Verdict) -> str:
    claim = verdict.claim
    paper = load_papers().get(claim.paper)
    status = verdict.status + ("" if verdict.ok else " (unexpected)")
    value = f"{claim.value!r}"
    computed = "" if verdict.computed is None else f"{float(verdict.computed)!r}"
    cells = [
        ("", subject(claim)),
        ("", quantity(claim)),
        (f' class="cb-number" data-sort="{value}"', printed(claim)),
        (f' class="cb-number" data-sort="{computed}"', shown(verdict)),
        ("", f"{status}: {verdict.reason}" if verdict.reason else status),
    ]
    name, where = html.escape(paper.short if paper else claim.paper), html.escape(claim.where)
    first = f'<th scope="row"><span>{name}</span> {where}</th>'
    rest = "".join(f"<td{attributes}>{html.escape(text)}</td>" for attributes, text in cells)
    return f'<tr data-status="{verdict.status}" data-paper="{name}">{first}{rest}</tr>'

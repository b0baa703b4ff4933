"""What `course claims` prints: the verdicts of `convbook.claims`, as a table, JSON or Markdown."""

import json
import os
from collections import Counter
from difflib import get_close_matches
from typing import Any

from convbook.claims import STATUSES, ClaimError, ClaimTable, Verdict, load_claims, verify
from convbook.claims.quantities import OTHER
from convbook.claims.tables import printed, quantity, shown, subject
from courseware.notebooks import CourseError

COLOURS = {
    "exact": "green",
    "agrees": "green",
    "differs": "yellow",
    "measured": "cyan",
    "not recomputed": "bright_black",
}
WIDTH = 160  # columns when the output is no terminal


def verdicts(paper: str | None = None, model: str | None = None) -> list[Verdict]:
    """Recompute the claims of one paper, on one network, or all.

    Raises:
        CourseError: if there are none, naming what is near.
    """
    try:
        claims = load_claims(paper, model)
        names = sorted({claim.model for claim in load_claims(paper) if not claim.model.startswith(OTHER)})
    except ClaimError as error:
        raise CourseError(str(error)) from None
    if not claims:
        near = get_close_matches(model or "", names, n=3, cutoff=0.4) or names
        of = f" of {paper}" if paper else ""
        raise CourseError(f"no claim{of} is about {model!r}; there are claims about {', '.join(near)}")
    return verify(claims, jobs=cores())


def cores() -> int:
    """Processes worth starting: more than a few would each import PyTorch for little."""
    return min(4, os.cpu_count() or 1)


def print_table(verdicts: list[Verdict]) -> None:
    """Print a row a claim, the reasons of declared differences, and how many claims have which status."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("Paper", "Where", "Network", "Quantity"):
        table.add_column(heading)
    for heading in ("Printed", "Computed"):
        table.add_column(heading, justify="right")
    table.add_column("Verdict", no_wrap=True)
    for verdict in verdicts:
        claim = verdict.claim
        cells = (claim.paper, claim.where, subject(claim), quantity(claim), printed(claim), shown(verdict))
        colour = COLOURS[verdict.status] if verdict.ok else "bold red"
        words = verdict.status + ("" if verdict.ok else " (surprise)")
        table.add_row(*map(Text, cells), Text(words, style=colour))
    console.print(table)
    for verdict in verdicts:
        if verdict.ok and verdict.status == "differs":
            console.print(Text(explain(verdict)), soft_wrap=True)
    console.print(Text(summary(verdicts)))


def as_json(verdicts: list[Verdict]) -> str:
    """Return a JSON list, an object a claim."""
    return json.dumps([_fields(verdict) for verdict in verdicts], indent=1, ensure_ascii=False)


def as_markdown(verdicts: list[Verdict]) -> str:
    """Return the table that chapters show, as Markdown, with the counts beneath."""
    return f"{ClaimTable('', verdicts).to_markdown()}\n\n{summary(verdicts)}"


def summary(verdicts: list[Verdict]) -> str:
    """Return how many claims have each status, and how many surprise."""
    counts = Counter(verdict.status for verdict in verdicts)
    surprises = sum(not verdict.ok for verdict in verdicts)
    parts = [f"{counts[status]} {status}" for status in STATUSES if counts[status]]
    parts.append(f"{surprises or 'no'} surprise{'s' * (surprises > 1)}")
    return f"{len(verdicts)} claim{'s' * (len(verdicts) != 1)}: {', '.join(parts)}"


def explain(verdict: Verdict) -> str:
    """Return one line on why a claim differs."""
    claim = verdict.claim
    return f"{claim.place} ({subject(claim)}, {quantity(claim)}): {verdict.reason}"


def _fields(verdict: Verdict) -> dict[str, Any]:
    claim = verdict.claim
    return {
        "paper": claim.paper,
        "where": claim.where,
        "model": claim.model,
        "overrides": claim.overrides,
        "quantity": claim.quantity,
        "layer": claim.layer,
        "shown_as": claim.shown_as,
        "value": claim.value,
        "computed": verdict.computed,
        "status": verdict.status,
        "ok": verdict.ok,
        "reason": verdict.reason,
    }

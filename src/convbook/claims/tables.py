"""A paper's numbers beside ours, as a table."""

import math
from dataclasses import dataclass

from convbook.claims.claim import NUMBER, Claim, load_claims, load_papers
from convbook.claims.quantities import QUANTITIES
from convbook.claims.verify import Verdict, verify
from convbook.tables import html_table

__all__ = ["ClaimTable", "printed", "shown", "subject", "table"]

SCALES = {1e3: "thousand", 1e6: "million", 1e9: "billion"}
HEADINGS = ("Network", "Quantity", "Printed", "Computed", "Verdict", "Where")


@dataclass(frozen=True, repr=False)
class ClaimTable:
    """Verdicts under a caption; a notebook shows it as an accessible table."""

    caption: str
    verdicts: list[Verdict]

    def headings(self) -> tuple[str, ...]:
        """Return the names of the columns; where all rows come from one place, the caption says which."""
        return HEADINGS if len({v.claim.where for v in self.verdicts}) > 1 else HEADINGS[:-1]

    def rows(self) -> list[list[str]]:
        """Return the cells as text."""
        columns = len(self.headings())
        return [
            [
                subject(v.claim),
                quantity(v.claim),
                printed(v.claim),
                shown(v),
                v.status + ("" if v.ok else " (unexpected)") + (f": {v.reason}" if v.reason else ""),
                v.claim.where,
            ][:columns]
            for v in self.verdicts
        ]

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        headings = list(self.headings())
        rules = ["---", "---", "--:", "--:", "---", "---"][: len(headings)]
        lines = [headings, rules, *self.rows()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def __repr__(self) -> str:
        return f"{self.caption}\n\n{self.to_markdown()}"

    def _repr_html_(self) -> str:
        return html_table(self.caption, self.headings(), self.rows(), numeric={2, 3}, wide=4)


def table(
    paper: str | None = None,
    model: str | None = None,
    where: str | None = None,
    *,
    quantities: list[str] | None = None,
    caption: str | None = None,
) -> ClaimTable:
    """Verify some claims and set them out.

    Args:
        paper: its key in the references; None takes all papers.
        model: only this network.
        where: only this table or section, as the claims file writes it.
        quantities: only these; all by default.
        caption: by default the paper and the place.
    """
    claims = [c for c in load_claims(paper, model, where) if not quantities or c.quantity in quantities]
    if caption is None:
        name = load_papers()[paper].short if paper else model or "All claims"
        caption = f"{name}, {where}: printed and computed" if where else f"{name}: printed and computed"
    return ClaimTable(caption, verify(claims))


def subject(claim: Claim) -> str:
    """The network, with what was changed in it."""
    changes = [f"{k}={v}" for k, v in claim.overrides.items()]
    if claim.input_size:
        changes.append(f"{claim.input_size[-1]} px")
    name = claim.model.removeprefix("other:")
    return name + (f" ({', '.join(changes)})" if changes else "")


def quantity(claim: Claim) -> str:
    """What the claim is about, its part and its protocol."""
    text = QUANTITIES[claim.quantity].label
    text += f" of {claim.layer}" if claim.layer else ""
    text += f" (against {claim.baseline})" if claim.baseline else ""
    return text + (f" ({claim.protocol})" if claim.protocol else "")


def printed(claim: Claim) -> str:
    """The number as printed, with its scale or unit where these stand in a table's head or in the text."""
    if not NUMBER.fullmatch(claim.shown_as):
        return claim.shown_as
    number = float(claim.shown_as.replace(",", ""))
    words = {1.0: QUANTITIES[claim.quantity].unit} | SCALES
    word = next((word for size, word in words.items() if math.isclose(number * size, claim.value)), "")
    return f"{claim.shown_as} {word}".strip()


def shown(verdict: Verdict) -> str:
    """The computed number: whole numbers in full, others with two digits more than printed."""
    value = verdict.computed
    if value is None:
        return "–"
    unit = QUANTITIES[verdict.claim.quantity].unit
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    return f"{text} {unit}".strip()

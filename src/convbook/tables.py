"""Accessible HTML tables, the same for profiles and for claims."""

import html
from collections.abc import Collection, Sequence

__all__ = ["html_table"]

# Wide tables scroll inside their own region, which the keyboard can reach; the page never does.
_STYLE = """<style>
.cb-region { overflow-x: auto; max-width: 100%; }
.cb-table { border-collapse: collapse; font-size: 0.9em; line-height: 1.35; margin: 0; }
.cb-table caption { caption-side: top; text-align: start; font-weight: 600; padding: 0.3em 0; }
.cb-table caption { color: inherit; }
.cb-table th, .cb-table td { padding: 0.25em 0.6em; border-bottom: 1px solid #8886; text-align: start; }
.cb-table tbody th, .cb-table tfoot th { font-weight: 500; min-width: 8em; overflow-wrap: break-word; }
.cb-told td:not(.cb-number, .cb-wide) { min-width: 9em; overflow-wrap: anywhere; }
.cb-table .cb-number { text-align: end; font-variant-numeric: tabular-nums; white-space: nowrap; }
.cb-table .cb-wide { min-width: 15em; }
.cb-table thead th.cb-number { white-space: normal; }
.cb-table tfoot th, .cb-table tfoot td { border-top: 2px solid currentColor; font-weight: 700; }
@media (max-width: 640px) {
.cb-told, .cb-told :is(caption, tbody) { display: block; }
.cb-told thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.cb-told tbody th { font-weight: 700; }
.cb-told tbody tr { display: grid; grid-template-columns: 1fr 1fr; border-bottom: 1px solid #8886; }
.cb-told tbody :is(th, td) { grid-column: 1 / -1; min-width: 0; padding-block: 0.1em; border: 0; }
.cb-told tbody .cb-number { grid-column: auto; text-align: start; white-space: normal; }
.cb-told .cb-number::before { content: attr(data-label) ": "; }
}
</style>"""


def html_table(
    caption: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: Collection[int] = (),
    wide: int | None = None,
    totals: bool = False,
) -> str:
    """Return a table whose first column names its rows; all text is escaped.

    Args:
        caption: what the table shows; also the scrolling region's accessible name.
        headings: one a column.
        rows: the body, a list of cells a row.
        numeric: indices of columns to align at the end.
        wide: index of a column of sentences, which gets room; on a phone such rows are told part by part.
        totals: whether the last row is a total.
    """
    told = wide is not None

    def role(name: str) -> str:  # a style's `display` takes it away in some browsers
        return f' role="{name}"' if told else ""

    def cells(row: Sequence[str]) -> str:
        parts = []
        for i, text in enumerate(row):
            kind = ' class="cb-number"' if i in numeric else ' class="cb-wide"' if i == wide else ""
            if told and i in numeric:
                kind += f' data-label="{html.escape(headings[i], quote=True)}"'
            tag, scope = ("th", ' scope="row"') if i == 0 else ("td", "")
            kind += role("rowheader" if i == 0 else "cell")
            parts.append(f"<{tag}{scope}{kind}>{html.escape(text)}</{tag}>")
        return f"<tr{role('row')}>{''.join(parts)}</tr>"

    head = "".join(
        f'<th scope="col"{role("columnheader")}{" class=cb-number" if i in numeric else ""}>'
        f"{html.escape(text)}</th>"
        for i, text in enumerate(headings)
    )
    body = rows[:-1] if totals else rows
    foot = f"<tfoot>{cells(rows[-1])}</tfoot>" if totals else ""
    label = html.escape(caption, quote=True)
    return (
        f'{_STYLE}<div class="cb-region" role="region" tabindex="0" aria-label="{label}">'
        f'<table class="cb-table{" cb-told" * told}"{role("table")}><caption>{html.escape(caption)}</caption>'
        f"<thead{role('rowgroup')}><tr{role('row')}>{head}</tr></thead>"
        f"<tbody{role('rowgroup')}>{''.join(map(cells, body))}</tbody>{foot}</table></div>"
    )

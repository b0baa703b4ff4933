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
.cb-table .cb-number { text-align: end; font-variant-numeric: tabular-nums; white-space: nowrap; }
.cb-table .cb-wide { min-width: 15em; }
.cb-table thead th.cb-number { white-space: normal; }
.cb-table tfoot th, .cb-table tfoot td { border-top: 2px solid currentColor; font-weight: 700; }
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
        wide: index of a column of sentences, which gets room.
        totals: whether the last row is a total.
    """

    def cells(row: Sequence[str]) -> str:
        parts = []
        for i, text in enumerate(row):
            kind = ' class="cb-number"' if i in numeric else ' class="cb-wide"' if i == wide else ""
            tag, scope = ("th", ' scope="row"') if i == 0 else ("td", "")
            parts.append(f"<{tag}{scope}{kind}>{html.escape(text)}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    head = "".join(
        f'<th scope="col"{" class=cb-number" if i in numeric else ""}>{html.escape(text)}</th>'
        for i, text in enumerate(headings)
    )
    body = rows[:-1] if totals else rows
    foot = f"<tfoot>{cells(rows[-1])}</tfoot>" if totals else ""
    label = html.escape(caption, quote=True)
    return (
        f'{_STYLE}<div class="cb-region" role="region" tabindex="0" aria-label="{label}">'
        f'<table class="cb-table"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(map(cells, body))}</tbody>{foot}</table></div>"
    )

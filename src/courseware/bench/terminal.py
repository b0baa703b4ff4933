"""A result as a table in the terminal."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from courseware.bench.result import Result
from courseware.bench.words import HEADINGS, cells

COLOURS = {"met": "green", "missed": "bold red"}
WIDTH = 160  # columns when the output is no terminal


def print_result(result: Result) -> None:
    """Print a row a figure, the machine and versions, and how many targets were met."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("case", *HEADINGS):
        table.add_column(heading)
    for figure in result.figures:
        *others, verdict = cells(figure)
        table.add_row(figure.case, *map(Text, others), Text(verdict, style=COLOURS.get(verdict, "yellow")))
    console.print(table)
    for figure in result.figures:
        if figure.note or figure.missing:
            text = f"{figure.case}, {figure.part}: {figure.missing or figure.note}"
            console.print(Text(text), soft_wrap=True)
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    console.print(Text(f"{result.hardware}; {versions}; {result.date} UTC"), soft_wrap=True)
    counts = Counter(figure.verdict for figure in result.figures)
    console.print(
        Text(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "nothing measured")
    )

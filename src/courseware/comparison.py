"""What `course compare` prints: `convbook.compare`, as a table, JSON or Markdown."""

import json
from typing import Any

from convbook.compare import COLUMNS, Comparison
from courseware.notebooks import CourseError

UNLIMITED = 10_000  # columns


def compare(names: tuple[str, ...], **options: Any) -> Comparison:
    """Compare networks by name.

    Raises:
        CourseError: if a name is unknown, an option does not fit, or there is no such device.
    """
    import torch

    from convbook.compare import compare

    if options["device"] not in ("cpu", "cuda"):
        raise CourseError(f"--device {options['device']} is unknown: take cpu or cuda")
    if options["device"] == "cuda" and not torch.cuda.is_available():
        raise CourseError("no GPU here: leave --device out, or pass --no-time for the counts alone")
    try:
        return compare(*names, **options)
    except ValueError as error:
        raise CourseError(str(error)) from None


def print_table(found: Comparison) -> None:
    """Print the totals, then the layers by resolution, as wide as they need."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = COLUMNS[: None if found.timed else -1]
    totals = Table(show_edge=False, pad_edge=False)
    for name in ("network", *columns[1:]):
        totals.add_column(name, justify="left" if name == "network" else "right")
    for cost in found.totals():
        totals.add_row(*map(Text, cost.cells(found.timed)))

    layers = Table(show_edge=False, pad_edge=False)
    layers.add_column("output", no_wrap=True)
    for whole in found.totals():
        for name in columns:
            heading = f"{whole.layer}" if name == "layer" else name
            layers.add_column(heading, justify="left" if name == "layer" else "right", no_wrap=True)
    empty = [""] * len(columns)
    for heading, lines in found.sections():
        for i, line in enumerate(lines):
            cells = [text for cost in line for text in (cost.cells(found.timed) if cost else empty)]
            layers.add_row(*map(Text, [heading if i == 0 else "", *cells]), end_section=i == len(lines) - 1)

    # Cells are never cut: a narrow terminal wraps or scrolls.
    width = Console(width=UNLIMITED).measure(layers).maximum
    console = Console(width=max(Console().width, width))
    console.print(Text(found.caption()), soft_wrap=True)
    console.print(totals)
    console.print()
    console.print(layers)


def as_json(found: Comparison) -> str:
    """Return a JSON list, an object a network."""
    return json.dumps(found.to_dicts(), indent=1, ensure_ascii=False)

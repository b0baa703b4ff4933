"""Bar charts for the pages, in the book's style, as pictures that stand in a page by themselves."""

from __future__ import annotations

import base64
import importlib.util
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from courseware.grading.pages import percent


class Picture(NamedTuple):
    """A drawing as a data address, and the words that stand in for it."""

    source: str
    alt: str


def histogram(edges: Sequence[float], counts: Sequence[int], *, x: str, y: str, alt: str) -> Picture:
    """Upright bars between their edges (one more than there are bars), each with its number."""
    import matplotlib
    from matplotlib.ticker import MaxNLocator

    look = _style()
    figure, axes = look.new_figure(height=3.0)
    with matplotlib.rc_context(look.STYLE):
        places = [i + 0.5 for i in range(len(counts))]
        bars = axes.bar(places, counts, color=look.PALETTE[0], width=0.9)
        axes.bar_label(bars, [str(number or "") for number in counts], padding=2, fontsize=10)
        axes.set_xticks(range(len(edges)), [f"{edge:.3g}" for edge in edges])
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.grid(axis="y")
        axes.margins(y=0.15)
    return Picture(_drawn(figure), alt)


def shares(labels: Sequence[str], values: Sequence[float], *, x: str, alt: str) -> Picture:
    """Bars from the left for shares between 0 and 1, the first on top."""
    import matplotlib

    look = _style()
    figure, axes = look.new_figure(height=0.9 + 0.34 * len(labels))
    with matplotlib.rc_context(look.STYLE):
        bars = axes.barh(
            range(len(labels)), [100 * value for value in values], color=look.PALETTE[0], height=0.7
        )
        axes.bar_label(bars, [percent(value) for value in values], padding=4, fontsize=10)
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, 112)  # room for the longest label
        axes.set_xticks(range(0, 101, 25))
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(x)
        axes.grid(axis="x")
    return Picture(_drawn(figure), alt)


@cache
def _style() -> ModuleType:
    """The book's style, without the package around it: that imports torch, for which no chart has a use."""
    package = importlib.util.find_spec("convbook")
    assert package and package.origin, "convbook is installed wherever courseware is"
    path = Path(package.origin).parent / "plots" / "style.py"
    spec = importlib.util.spec_from_file_location("courseware.grading.style", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _drawn(figure: object) -> str:
    import matplotlib

    content = io.BytesIO()
    with matplotlib.rc_context(_style().STYLE):
        metadata = dict.fromkeys(("Date", "Creator"))  # the same chart gives the same bytes
        figure.savefig(content, format="svg", metadata=metadata)  # type: ignore[attr-defined]
    return f"data:image/svg+xml;base64,{base64.b64encode(content.getvalue()).decode()}"

"""Where in the book something stands: the chapter on a paper, the section that shows an explorable."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from docutils.nodes import make_id  # type: ignore[import-untyped]

_CHECKED = re.compile(r"""\bclaims\.check\(\s*["'](\w+)["']""")
_SHOWN = re.compile(r"\bexplore\.(\w+)\(")
_HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)


def chapters_on_papers(notebooks: Mapping[str, str], up: str = "") -> dict[str, dict[str, str]]:
    """Which chapter is on which paper: the first of the book that ends by checking the paper's claims.

    Args:
        notebooks: a page's name -> the notebook's text, in the book's order.
        up: what leads from the page with the links to the book's root, such as ``"../"``.

    Returns:
        A paper's key -> ``title`` and ``href`` of its chapter.
    """
    found: dict[str, dict[str, str]] = {}
    for page, text in notebooks.items():
        cells = _cells(text)
        for paper in (key for kind, source in cells if kind == "code" for key in _CHECKED.findall(source)):
            found.setdefault(paper, {"title": _title(cells) or page, "href": f"{up}{page}.html"})
    return found


def sections_showing(text: str) -> dict[str, str]:
    """The anchor of the section in which a notebook first calls ``explore.NAME``, by that name."""
    anchor = ""
    found: dict[str, str] = {}
    for kind, source in _cells(text):
        if kind == "markdown":
            headings = _HEADING.findall(source)
            anchor = make_id(headings[-1]) if headings else anchor
        else:
            for name in _SHOWN.findall(source):
                found.setdefault(name, anchor)
    return found


def _cells(text: str) -> list[tuple[str, str]]:
    """Kind and source of every cell."""
    cells: list[dict[str, Any]] = json.loads(text)["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


def _title(cells: list[tuple[str, str]]) -> str:
    for kind, source in cells:
        heading = _HEADING.search(source) if kind == "markdown" else None
        if heading:
            return heading[1]
    return ""

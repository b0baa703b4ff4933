"""What stands beneath the title of a chapter or lab, and beside the arrows to its neighbours.

All of it comes from data: the executed copy's own measurement, the notebook's cells, the lab's assignment,
and `_toc.yml`.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx

from courseware import contents
from courseware.notebooks import MEASURED, Notebook, tags

_TIME = re.compile(r"\*\*Time\*\*: (\d+ to \d+ minutes)")
_TITLE_END = re.compile(r"</h1>")


def chapter_facts(notebook: Notebook) -> list[str]:
    """Say of a chapter how many exercises it solves, and how long it took to execute."""
    facts = []
    solutions = sum("hide-cell" in tags(cell) for cell in notebook["cells"])
    if solutions:
        facts.append(f"{solutions} folded solution{'s' * (solutions > 1)}")
    measured = notebook["metadata"].get(MEASURED)
    if measured:
        facts.append(f"executed in {duration(measured['seconds'])} on {_cores(measured['threads'])}")
    return facts


def lab_facts(source: Path, notebook: Notebook) -> list[str]:
    """Say of a lab how long a student needs, what is asked, and what it is worth."""
    text = "\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    time = _TIME.search(text)
    facts = [time[1]] if time else []
    from courseware.grading.assignment import AssignmentError, find_assignment  # loads torch

    try:
        exercises = find_assignment(source).exercises
    except AssignmentError:  # not graded
        return facts
    return [*facts, f"{len(exercises)} exercises", f"{sum(each.points for each in exercises)} points"]


def duration(seconds: float) -> str:
    """Seconds in words: `41 s`, or `2 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _cores(number: int) -> str:
    return "one core" if number == 1 else f"{number} cores"


def links(buttons: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return (words, address) of Colab and of the download, as the theme's menus have them."""
    flat = [inner for button in buttons for inner in (button, *button.get("buttons", ()))]
    wanted = {"Colab": "Open in Colab", ".ipynb": "Download notebook"}
    return [(wanted[each["text"]], each["url"]) for each in flat if each.get("text") in wanted]


def head_html(part: str, facts: list[str], leading: list[tuple[str, str]]) -> str:
    """Return the lines beneath a title."""
    words = [f'<li class="cb-part">{escape(part)}</li>'] if part else []
    words += [f"<li>{escape(fact)}</li>" for fact in facts]
    words += [f'<li class="cb-open"><a href="{escape(url)}">{escape(text)}</a></li>' for text, url in leading]
    return f'<ul class="cb-head">{"".join(words)}</ul>'


def put(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put the head beneath the title, and each neighbour's part above its name."""
    parts = contents.parts(Path(app.srcdir))
    neighbours = getattr(app.builder, "relations", {}).get(pagename, (None, None, None))[1:]
    for side, name in zip(("prev", "next"), neighbours, strict=True):
        if context.get(side) and name in parts:
            above = f'<span class="cb-part">{escape(parts[name])}</span> '
            context[side] = {**context[side], "title": above + context[side]["title"]}
    text = getattr(app, "convbook_notebooks", {}).get(pagename)
    if text is None or not context.get("body"):
        return
    notebook = _joined(json.loads(text))
    source = Path(app.srcdir, f"{pagename}.ipynb")
    facts = lab_facts(source, notebook) if contents.is_lab(pagename) else chapter_facts(notebook)
    head = head_html(parts.get(pagename, ""), facts, links(context.get("header_buttons", [])))
    context["body"] = _TITLE_END.sub(lambda end: end.group() + head, context["body"], count=1)


def _joined(notebook: Notebook) -> Notebook:
    """Join the lines of each source."""
    cells = [dict(cell, source="".join(cell["source"])) for cell in notebook["cells"]]
    return dict(notebook, cells=cells)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("html-page-context", put, priority=950)  # after the buttons have their last addresses

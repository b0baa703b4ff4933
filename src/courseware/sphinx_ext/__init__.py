"""The book's own Sphinx extension: executed notebooks, live tables, and pages that need nothing from afar.

It makes `jupyter-book build .` alone give the same book as `course build`:

- `executed`: pages show executed copies, figures keep their alternative text, labs are the student's version;
- `directives`: ledger, errata, measured runs, benchmarks, explorables are computed while the book is built;
- `front`: the front page's cards, counts and timeline;
- `heads`, `terms` and `equations`: what stands beneath a title, glossary links at first use, numbers;
- `cards` and `feed`: what other places show of a page, and of a version;
- `fresh`: which pages are read and written again;
- `pages` and `html`: repairs of the theme, so that a page needs no other host and passes axe.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from courseware.sphinx_ext import (
    cards,
    directives,
    equations,
    executed,
    feed,
    fresh,
    front,
    heads,
    missing,
    pages,
    terms,
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    for part in (executed, directives, front, equations, terms, pages, heads, cards, feed, missing, fresh):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

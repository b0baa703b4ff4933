"""What the package computes, shown on a page: ledger, errata, measured runs, benchmarks, explorables."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from courseware import computed
from courseware.places import chapters_on_papers
from courseware.sphinx_ext.fresh import looks_beyond


class Ledger(SphinxDirective):
    """Every claim of the literature that the package recomputes, by `convbook.claims.ledger_html`."""

    def run(self) -> list[nodes.Node]:
        """Return the ledger as raw HTML."""
        looks_beyond(self.env)
        html = computed.load("ledger", Path(self.env.app.srcdir))
        return [nodes.raw("", with_roles(html), format="html")]


class Errata(SphinxDirective):
    """Every slip of the literature with its computation, by `convbook.errata.errata_markdown`."""

    def run(self) -> list[nodes.Node]:
        """Settle all slips and parse the page's Markdown: its headings become the page's own."""
        looks_beyond(self.env)
        markdown = computed.load("errata", Path(self.env.app.srcdir))
        return self.parse_text_to_nodes(markdown, allow_section_headings=True)


class Measured(SphinxDirective):
    """Every experiment with the records that exist, by `courseware.measured`."""

    def run(self) -> list[nodes.Node]:
        """Draw the curves and parse the page's Markdown: its headings become the page's own."""
        from courseware.measured import measured_markdown

        looks_beyond(self.env)
        return self.parse_text_to_nodes(measured_markdown(self.draw), allow_section_headings=True)

    def draw(self, name: str, figure: Any, alt: str) -> str:
        """Keep a figure in the build's own folder and return its address from the sources' root."""
        from convbook.plots.display import picture

        return _keep(self.env, f"measured-{name}", picture(figure, alt).data)


class Benchmark(SphinxDirective):
    """The newest measurements of training speed, by `courseware.bench.page`."""

    def run(self) -> list[nodes.Node]:
        """Parse the page's Markdown: its headings become the page's own."""
        from courseware.bench.page import benchmark_markdown

        looks_beyond(self.env)
        return self.parse_text_to_nodes(benchmark_markdown(), allow_section_headings=True)


class Explorable(SphinxDirective):
    """An explorable of `convbook.explore`, with its large parts in files beside the pages.

    One whose data have `chapters` is told which chapter of this book is on which paper.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return its HTML."""
        from convbook.explore import ExplorableError
        from convbook.explore.shell import to_json
        from courseware import explorables

        name = self.arguments[0]
        try:
            explorable = explorables.load(name, Path(self.env.app.srcdir))
        except ExplorableError as error:
            raise self.error(str(error)) from None
        beside = f"_static/explore/{name}/"
        for part, content in explorable.parts.items():
            target = Path(self.env.app.outdir, beside, f"{part}.json")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(to_json(content), "utf-8")
        looks_beyond(self.env, *(f"{beside}{part}.json" for part in explorable.parts))
        up = "../" * self.env.docname.count("/")
        if "chapters" in explorable.data:
            links = chapters_on_papers(getattr(self.env.app, "convbook_notebooks", {}), up)
            explorable = replace(explorable, data={**explorable.data, "chapters": links})
        return [nodes.raw("", explorable.html(up + beside), format="html")]


def _keep(env: BuildEnvironment, name: str, svg: bytes) -> str:
    """Write a figure into the build's own folder; return its address from the sources' root."""
    target = Path(env.app.doctreedir) / "drawn" / f"{name}.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(svg)
    return "/" + os.path.relpath(target, env.srcdir)


def with_roles(table: str) -> str:
    """Name the roles of a table's parts: a style sheet's `display` takes them away in some browsers."""
    for pattern, role in _ROLES:
        table = pattern.sub(rf'<\1 role="{role}"', table)
    return table


_ROLES = (
    (re.compile(r"<(table)\b"), "table"),
    (re.compile(r"<(thead|tbody)\b"), "rowgroup"),
    (re.compile(r"<(tr)\b"), "row"),
    (re.compile(r'<(th)\b(?= scope="col")'), "columnheader"),
    (re.compile(r'<(th)\b(?= scope="row")'), "rowheader"),
    (re.compile(r"<(td)\b"), "cell"),
)


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("benchmark", Benchmark)
    app.add_directive("errata", Errata)
    app.add_directive("explorable", Explorable)
    app.add_directive("ledger", Ledger)
    app.add_directive("measured", Measured)

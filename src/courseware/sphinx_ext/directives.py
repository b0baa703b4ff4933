"""What the package computes, shown on a page: ledger, errata, measured runs, benchmarks, the timeline."""

from __future__ import annotations

import json
import os
import re
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from courseware import computed

Network = dict[str, Any]


class Ledger(SphinxDirective):
    """Every claim of the literature that the package recomputes, by `convbook.claims.ledger_html`."""

    def run(self) -> list[nodes.Node]:
        """Return the ledger as raw HTML."""
        self.env.note_reread()  # the package may have changed although this page has not
        html = computed.load("ledger", Path(self.env.app.srcdir))
        return [nodes.raw("", with_roles(html), format="html")]


class Errata(SphinxDirective):
    """Every slip of the literature with its computation, by `convbook.errata.errata_markdown`."""

    def run(self) -> list[nodes.Node]:
        """Settle all slips and parse the page's Markdown: its headings become the page's own."""
        self.env.note_reread()
        markdown = computed.load("errata", Path(self.env.app.srcdir))
        return self.parse_text_to_nodes(markdown, allow_section_headings=True)


class Measured(SphinxDirective):
    """Every experiment with the records that exist, by `courseware.measured`."""

    def run(self) -> list[nodes.Node]:
        """Draw the curves and parse the page's Markdown: its headings become the page's own."""
        from courseware.measured import measured_markdown

        self.env.note_reread()
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

        self.env.note_reread()
        return self.parse_text_to_nodes(benchmark_markdown(), allow_section_headings=True)


class Explorable(SphinxDirective):
    """An explorable of `convbook.explore`, with its large parts in files beside the pages."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return its HTML."""
        from convbook.explore import ExplorableError
        from convbook.explore.shell import to_json
        from courseware import explorables

        self.env.note_reread()
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
        up = "../" * self.env.docname.count("/")
        return [nodes.raw("", explorable.html(up + beside), format="html")]


class Timeline(SphinxDirective):
    """Year, error and size: the best network of each paper as a figure, then all of them as a table."""

    def run(self) -> list[nodes.Node]:
        """Draw the figure into the build's own folder and return it with its table."""
        from convbook import claims, plots
        from convbook.plots.display import picture

        self.env.note_reread()
        networks: list[Network] = json.loads(computed.load("timeline", Path(self.env.app.srcdir)))
        best: list[Network] = claims.best_of_each_paper(networks)
        alt = describe(best)
        drawn = picture(plots.timeline(best), alt)
        image = nodes.image(uri=_keep(self.env, "timeline", drawn.data), alt=alt)
        image["classes"].append("cb-figure")
        return [image, nodes.raw("", table(networks), format="html")]


def _keep(env: BuildEnvironment, name: str, svg: bytes) -> str:
    """Write a figure into the build's own folder; return its address from the sources' root."""
    target = Path(env.app.doctreedir) / "drawn" / f"{name}.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(svg)
    return "/" + os.path.relpath(target, env.srcdir)


def describe(networks: list[Network]) -> str:
    """Say in words what the timeline shows."""
    shown = sorted(_with_error(networks), key=lambda n: (n["year"], -n["top1_error"]))
    if not shown:
        return "Timeline of networks."
    first, best = shown[0], min(shown, key=lambda n: n["top1_error"])
    return (
        f"Timeline of {len(shown)} networks: year across, published top-1 error up, disc area in proportion "
        f"to parameters. From {first['name']} in {first['year']} with {first['top1_error']} % "
        f"to {best['name']} in {best['year']} with {best['top1_error']} %."
    )


def table(networks: list[Network]) -> str:
    """Give the timeline as a folded HTML table."""
    rows = []
    for net in sorted(networks, key=lambda n: (n["year"], n["name"])):
        error = net.get("top1_error")
        cells = [
            str(net["year"]),
            "not recorded"
            if error is None
            else f"{error} % ({net.get('protocol') or 'protocol not stated'})",
            f"{net['params']:,}",
            f"{net['macs']:,}",
        ]
        head = f'<th scope="row"><code>{escape(str(net["name"]))}</code></th>'
        rows.append(f"<tr>{head}{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    heads = ("network", "year", "published top-1 error", "parameters", "MACs")
    return (
        '<details class="cb-details"><summary>All networks as a table</summary><table class="table">'
        "<caption>Networks by year: errors as published, counts as computed</caption><thead><tr>"
        + "".join(f'<th scope="col">{head}</th>' for head in heads)
        + f"</tr></thead><tbody>{''.join(rows)}</tbody></table></details>"
    )


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


def _with_error(networks: list[Network]) -> list[Network]:
    return [net for net in networks if net.get("top1_error") is not None]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("benchmark", Benchmark)
    app.add_directive("errata", Errata)
    app.add_directive("explorable", Explorable)
    app.add_directive("ledger", Ledger)
    app.add_directive("measured", Measured)
    app.add_directive("timeline", Timeline)

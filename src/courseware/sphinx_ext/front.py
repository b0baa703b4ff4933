"""The front page's moving parts: what there is, which idea came when, and a card for each explorable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from courseware.places import chapters_on_papers, sections_showing
from courseware.sphinx_ext.fresh import looks_beyond

Link = Mapping[str, str]  # title and href


@dataclass(frozen=True)
class Card:
    """An explorable of the book: its picture is ``_static/icons/NAME.svg`` of ``icon``."""

    title: str
    words: str
    page: str
    icon: str
    shown_by: str = ""  # on a chapter: the function of `convbook.explore`, whose section is looked up


CARDS = (
    Card(
        "Convolution arithmetic",
        "Slide the window, change stride and padding, and watch the sums.",
        "play/convolution",
        "convolution",
    ),
    Card(
        "Receptive field",
        "Stack layers and see how much of a photograph one unit sees.",
        "play/receptive-field",
        "receptive-field",
    ),
    Card(
        "Architectures",
        "Two networks side by side, drawn stage by stage to scale.",
        "play/architectures",
        "architectures",
    ),
    Card(
        "Where the cost goes",
        "One layer, built in several ways: what each multiplies.",
        "play/cost",
        "cost",
    ),
    Card(
        "The map of networks",
        "Error against size and year, sifted by the ideas inside.",
        "index",
        "networks",
    ),
    Card(
        "LeNet in your browser",
        "Draw a digit; each layer shows what it makes of it.",
        "chapters/lenet",
        "lenet",
        "lenet_live",
    ),
    Card(
        "Squeeze and excite",
        "Turn a trained network's channels up and down.",
        "chapters/squeeze-excite",
        "gates",
        "gates",
    ),
    Card(
        "Where attention looks",
        "CBAM's spatial map, laid over the image it reads.",
        "chapters/cbam",
        "spatial-map",
        "spatial_map",
    ),
    Card(
        "Temperature",
        "Soften a teacher's answer until it tells what else it saw.",
        "play/temperature",
        "temperature",
    ),
)


class Play(SphinxDirective):
    """A card for each explorable whose page the book has, the present page's own left out."""

    def run(self) -> list[nodes.Node]:
        """Return the cards as a list of links."""
        looks_beyond(self.env)
        found = [card for card in CARDS if card.page in self.env.found_docs - {self.env.docname}]
        items = "".join(card_html(card, self._address(card), self._icon(card)) for card in found)
        return [nodes.raw("", f'<ul class="cb-play">{items}</ul>', format="html")]

    def _address(self, card: Card) -> str:
        notebook = _notebooks(self.env.app).get(card.page)
        anchor = sections_showing(notebook).get(card.shown_by, "") if notebook else ""
        anchor = "the-map" if card.page == "index" else anchor
        return f"{_up(self.env.docname)}{card.page}.html{'#' if anchor else ''}{anchor}"

    def _icon(self, card: Card) -> str:
        return Path(self.env.app.srcdir, "_static", "icons", f"{card.icon}.svg").read_text("utf-8")


class Timeline(SphinxDirective):
    """By year, the ideas that networks of the book have for the first time."""

    def run(self) -> list[nodes.Node]:
        """Return the years as a list."""
        from courseware import explorables

        looks_beyond(self.env)
        counted = explorables.load("networks", Path(self.env.app.srcdir)).data
        chapters = chapters_on_papers(_notebooks(self.env.app), _up(self.env.docname))
        return [nodes.raw("", timeline_html(counted["timeline"], counted["papers"], chapters), format="html")]


class Glance(SphinxDirective):
    """How many networks, papers, published numbers and labs there are."""

    def run(self) -> list[nodes.Node]:
        """Count them."""
        from convbook import claims
        from convbook.models import list_models

        looks_beyond(self.env)
        labs = [page for page in self.env.found_docs if page.startswith("labs/")]
        counts = {
            "networks, built and counted": len(list_models()),
            "papers": len({claim.paper for claim in claims.load_claims()}),
            "published numbers, each with a verdict": len(claims.load_claims()),
            "labs that grade themselves": len(labs),
        }
        items = "".join(f"<div><dd>{n:,}</dd><dt>{escape(term)}</dt></div>" for term, n in counts.items())
        return [nodes.raw("", f'<dl class="cb-glance">{items}</dl>', format="html")]


def card_html(card: Card, address: str, icon: str) -> str:
    """One card: the whole of it can be clicked, its title is the link."""
    picture = icon.replace("<svg ", '<svg aria-hidden="true" ', 1)
    link = f'<a href="{escape(address)}">{escape(card.title)}</a>'
    return f"<li>{picture}<p>{link}</p><p>{escape(card.words)}</p></li>"


def timeline_html(
    years: list[dict[str, Any]], papers: Mapping[str, str], chapters: Mapping[str, Link]
) -> str:
    """Years with their new ideas, each with the papers that have it, and the year's other papers.

    Args:
        years: as ``convbook.explore.networks`` gives them under ``timeline``.
        papers: a paper's key -> what tables call it.
        chapters: a paper's key -> the chapter on it.
    """

    def paper(key: str) -> str:
        name = escape(papers[key].rpartition(" (")[0])
        return f'<a href="{escape(chapters[key]["href"])}">{name}</a>' if key in chapters else name

    def line(idea: dict[str, Any]) -> str:
        origin = ", ".join(map(paper, idea["papers"]))
        return f"<li><strong>{escape(idea['label'])}</strong> <span>{origin}</span></li>"

    items = []
    for year in years:
        ideas = "".join(map(line, year["ideas"]))
        news = f"<ul>{ideas}</ul>" if ideas else ""
        named = {key for idea in year["ideas"] for key in idea["papers"]}
        others = ", ".join(paper(key) for key in year["papers"] if key not in named)
        rest = f"<p>{'also ' if news else ''}{others}</p>" if others else ""
        items.append(f"<li><b>{year['year']}</b><div>{news}{rest}</div></li>")
    return f'<ol class="cb-years">{"".join(items)}</ol>'


def _notebooks(app: Sphinx) -> dict[str, str]:
    return getattr(app, "convbook_notebooks", {})


def _up(page: str) -> str:
    return "../" * page.count("/")


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("glance", Glance)
    app.add_directive("play", Play)
    app.add_directive("timeline", Timeline)

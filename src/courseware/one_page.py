"""The built pages as one page to be printed: title, contents, then every page's article, all links inside."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag

# What only makes sense where one can click, and scripts: the printed page runs none.
_ON_SCREEN = (
    "script, noscript, button, form, input, select, template, .headerlink, .cb-open, .cb-controls, .cb-shown"
)
_REFERRING = ("aria-labelledby", "aria-describedby", "for", "headers")


@dataclass(frozen=True)
class Cover:
    """What stands on the title page."""

    title: str
    subtitle: str
    author: str
    version: str
    address: str
    licence: str


@dataclass(frozen=True)
class Entry:
    """A line of the contents: a part (with no anchor) or a page."""

    title: str
    anchor: str = ""


def one_page(
    html: Path, pages: Iterable[str], parts: Mapping[str, str], cover: Cover, numbers: Mapping[str, int]
) -> str:
    """Return one HTML page with the articles of `pages`, to be written into a folder beside `html`.

    Args:
        html: the folder of built pages.
        pages: names such as `chapters/lenet`, in the book's order.
        parts: the part of the book that a page stands in.
        cover: what stands on the title page.
        numbers: printed page numbers by anchor, as far as they are known.
    """
    listed = list(pages)
    articles, entries, part, styles = [], [], "", ""
    for name in listed:
        soup = BeautifulSoup((html / f"{name}.html").read_text("utf-8"), "html.parser")
        styles = styles or _styles(soup, name, html.name)
        article = soup.select_one("article.bd-article")
        title = article.find("h1") if article else None
        if article is None or title is None:
            continue
        begins = parts.get(name, "") not in ("", part)
        if begins:
            part = parts[name]
            entries.append(Entry(part))
        articles.append(_prepared(article, name, frozenset(listed), html.name, part if begins else ""))
        entries.append(Entry(" ".join(title.get_text().split()), anchor(name)))
    css = (files("courseware") / "print.css").read_text("utf-8")
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        f"<title>{escape(cover.title)}</title>{styles}<style>{css}</style></head><body>"
        f"{_cover(cover)}{_contents(entries, numbers)}<main>{''.join(articles)}</main></body></html>"
    )


def anchor(page: str, inside: str = "") -> str:
    """Return what a page's anchor is called where all pages are one."""
    return f"{page.replace('/', '.')}{f'.{inside}' if inside else ''}"


def _styles(soup: BeautifulSoup, name: str, folder: str) -> str:
    """Return the links to a page's stylesheets, seen from beside the pages."""
    found = soup.select("link[rel~=stylesheet]")
    return "".join(
        f'<link rel="stylesheet" href="{escape(_beside(str(each["href"]), name, folder))}">' for each in found
    )


def _prepared(article: Tag, name: str, pages: frozenset[str], folder: str, part: str) -> str:
    """Return an article for print: nothing to click, everything unfolded, headings one level down."""
    for each in article.select(_ON_SCREEN):
        each.decompose()
    for each in article.select("details"):
        each["open"] = ""
    for each in article.find_all(re.compile(r"^h[1-5]$")):
        each.name = f"h{int(each.name[1]) + 1}"
    for each in article.find_all(id=True):
        each["id"] = anchor(name, str(each["id"]))
    for key in _REFERRING:
        for each in article.find_all(attrs={key: True}):
            each[key] = " ".join(anchor(name, one) for one in str(each[key]).split())
    for each in article.find_all("a", href=True):
        each["href"] = _target(str(each["href"]), name, pages)
    for each in article.find_all("img", src=True):
        each["src"] = _beside(str(each["src"]), name, folder)
        del each["loading"]
    above = f'<h1 class="part">{escape(part)}</h1>' if part else ""
    kind = "page begins" if part else "page"
    return f'<section class="{kind}" id="{anchor(name)}">{above}{article}</section>'


def _beside(address: str, name: str, folder: str) -> str:
    """Return a page's relative address as seen from a folder beside the pages."""
    if urlsplit(address).scheme or address.startswith("//"):
        return address
    return posixpath.join("..", folder, posixpath.normpath(posixpath.join(posixpath.dirname(name), address)))


def _target(address: str, name: str, pages: frozenset[str]) -> str:
    """Return where a page's link leads: within the one page if the book has the target."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return address
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), parts.path)) if parts.path else name
    page = path.removesuffix(".html")
    return f"#{anchor(page, parts.fragment)}" if page in pages else f"#{anchor(name)}"


def _cover(cover: Cover) -> str:
    return (
        f'<header class="cover"><p class="title">{escape(cover.title)}</p>'
        f'<p class="subtitle">{escape(cover.subtitle)}</p><p>{escape(cover.author)}</p>'
        f'<p>Version {escape(cover.version)}</p><p><a href="{escape(cover.address)}">'
        f"{escape(cover.address)}</a></p><p>{escape(cover.licence)}</p></header>"
    )


def _contents(entries: list[Entry], numbers: Mapping[str, int]) -> str:
    lines = []
    for entry in entries:
        if not entry.anchor:
            lines.append(f'<li class="part">{escape(entry.title)}</li>')
            continue
        number = numbers.get(entry.anchor, "")
        lines.append(
            f'<li><a href="#{entry.anchor}"><span>{escape(entry.title)}</span><i></i><b>{number}</b></a></li>'
        )
    return f'<nav class="contents"><h1>Contents</h1><ol>{"".join(lines)}</ol></nav>'

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
_ON_SCREEN_TAGS = {"script", "noscript", "button", "form", "input", "select", "template"}
_ON_SCREEN_CLASSES = {"headerlink", "cb-open", "cb-controls", "cb-shown", "toctree-wrapper"}
_REFERRING = ("aria-labelledby", "aria-describedby", "for", "headers")
_ARTICLE = re.compile(
    r'<article class="bd-article".*?</article>', re.DOTALL
)  # html.parser is slow: only this
_STYLE = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*>')
_HREF = re.compile(r'\bhref="([^"]*)"')


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


@dataclass(frozen=True)
class OnePage:
    """All articles of the book, ready to be printed.

    Attributes:
        cover: what stands on the title page.
        entries: the lines of the contents.
        styles: links to the pages' stylesheets.
        articles: their HTML, in the book's order.
    """

    cover: Cover
    entries: tuple[Entry, ...]
    styles: str
    articles: str

    def html(self, numbers: Mapping[str, int]) -> str:
        """Return the page, with printed page numbers by anchor as far as they are known."""
        css = (files("courseware") / "print.css").read_text("utf-8")
        head = f"<title>{escape(self.cover.title)}</title>{self.styles}<style>{css}</style>"
        body = f"{_cover(self.cover)}{_contents(self.entries, numbers)}<main>{self.articles}</main>"
        return (
            '<!doctype html><html lang="en" data-theme="light">'
            f'<head><meta charset="utf-8">{head}</head><body>{body}</body></html>'
        )


def merge(html: Path, pages: Iterable[str], parts: Mapping[str, str], cover: Cover) -> OnePage:
    """Merge the articles of `pages` into one page, to be written into a folder beside `html`.

    Args:
        html: the folder of built pages.
        pages: names such as `chapters/lenet`, in the book's order.
        parts: the part of the book that a page stands in.
        cover: what stands on the title page.
    """
    listed = list(pages)
    articles, entries, part, styles = [], [], "", ""
    for name in listed:
        text = (html / f"{name}.html").read_text("utf-8")
        styles = styles or _styles(text, name, html.name)
        found = _ARTICLE.search(text)
        article = BeautifulSoup(found[0], "html.parser").article if found else None
        title = article.h1 if article else None
        if article is None or title is None:
            continue
        begins = parts.get(name, "") not in ("", part)
        if begins:
            part = parts[name]
            entries.append(Entry(part))
        articles.append(_prepared(article, name, frozenset(listed), html.name, part if begins else ""))
        entries.append(Entry(" ".join(title.get_text().split()), anchor(name)))
    return OnePage(cover, tuple(entries), styles, "".join(articles))


def anchor(page: str, inside: str = "") -> str:
    """Return what a page's anchor is called where all pages are one."""
    return f"{page.replace('/', '.')}{f'.{inside}' if inside else ''}"


def _styles(text: str, name: str, folder: str) -> str:
    """Return the links to a page's stylesheets, seen from beside the pages."""
    return "".join(
        _HREF.sub(lambda href: f'href="{_beside(href[1], name, folder)}"', tag)
        for tag in _STYLE.findall(text)
    )


def _prepared(article: Tag, name: str, pages: frozenset[str], folder: str, part: str) -> str:
    """Return an article for print: nothing to click, everything unfolded, headings one level down."""
    for tag in article.find_all(True):
        if tag.decomposed:
            continue
        if tag.name in _ON_SCREEN_TAGS or _ON_SCREEN_CLASSES.intersection(tag.get("class") or ()):
            tag.decompose()
        else:
            _prepare(tag, name, pages, folder)
    above = f'<h1 class="part">{escape(part)}</h1>' if part else ""
    return f'<section class="page" id="{anchor(name)}">{above}{article}</section>'


def _prepare(tag: Tag, name: str, pages: frozenset[str], folder: str) -> None:
    """Make one element fit for a page that holds all pages."""
    if re.fullmatch("h[1-5]", tag.name):
        tag.name = f"h{int(tag.name[1]) + 1}"
    elif tag.name == "details":
        tag["open"] = ""
    elif tag.name == "a" and tag.has_attr("href"):
        tag["href"] = _target(str(tag["href"]), name, pages)
    elif tag.name == "img":
        tag["src"] = _beside(str(tag["src"]), name, folder)
        del tag["loading"]
    if tag.has_attr("id"):
        tag["id"] = anchor(name, str(tag["id"]))
    for key in _REFERRING:
        if tag.has_attr(key):
            value = tag[key]
            words = value.split() if isinstance(value, str) else value
            tag[key] = " ".join(anchor(name, word) for word in words)


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


def _contents(entries: Iterable[Entry], numbers: Mapping[str, int]) -> str:
    lines = []
    for entry in entries:
        if not entry.anchor:
            lines.append(f'<li class="part">{escape(entry.title)}</li>')
            continue
        number = numbers.get(entry.anchor, "")
        lines.append(
            f'<li><a href="#{entry.anchor}"><span>{escape(entry.title)}</span><i></i><b>{number}</b></a></li>'
        )
    return f'<nav class="book-contents"><h1>Contents</h1><ol>{"".join(lines)}</ol></nav>'

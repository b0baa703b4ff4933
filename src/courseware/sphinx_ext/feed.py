"""An Atom feed of the changelog: an entry a version, with its list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml
from docutils import nodes  # type: ignore[import-untyped]
from markdown_it import MarkdownIt
from sphinx.application import Sphinx

NAME = "changelog.xml"
ATOM = "http://www.w3.org/2005/Atom"
_VERSION = re.compile(r"^## \[?([^\]\n]+?)\]?(?: - (\d{4}-\d{2}-\d{2}))?[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Version:
    """A version of the changelog: its name, its date (year, month, day) and its list as Markdown."""

    name: str
    date: str
    changes: str


def versions(changelog: str, today: str) -> list[Version]:
    """Split a changelog in the manner of Keep a Changelog; what is not released has the date `today`."""
    heads = list(_VERSION.finditer(changelog))
    ends = [*(head.start() for head in heads[1:]), len(changelog)]
    return [
        Version(head[1], head[2] or today, changelog[head.end() : end].strip())
        for head, end in zip(heads, ends, strict=True)
    ]


def atom(found: list[Version], title: str, author: str, address: str) -> bytes:
    """Write a feed (RFC 4287).

    Args:
        found: the versions, newest first; at least one.
        title: of the feed.
        author: of the book.
        address: where the book is published, with a slash at its end.
    """
    ElementTree.register_namespace("", ATOM)
    feed = ElementTree.Element(f"{{{ATOM}}}feed")
    _add(feed, "id", address + NAME)
    _add(feed, "title", title)
    _add(feed, "updated", f"{max(version.date for version in found)}T00:00:00Z")
    _add(_add(feed, "author"), "name", author)
    _add(feed, "link", rel="self", type="application/atom+xml", href=address + NAME)
    _add(feed, "link", rel="alternate", type="text/html", href=address)
    for version in found:
        entry = _add(feed, "entry")
        _add(entry, "id", f"{address}{NAME}#{version.name.lower()}")
        _add(entry, "title", version.name)
        _add(entry, "updated", f"{version.date}T00:00:00Z")
        _add(entry, "link", rel="alternate", type="text/html", href=address)
        _add(entry, "content", MarkdownIt().render(version.changes), type="html")
    ElementTree.indent(feed)
    return ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True) + b"\n"


def _add(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    child.text = text or None
    return child


def write(app: Sphinx, exception: Exception | None) -> None:
    """Put the feed beside the pages, if the course has a changelog."""
    changelog, citation = (Path(app.srcdir, name) for name in ("CHANGELOG.md", "CITATION.cff"))
    if exception is not None or app.builder.format != "html" or not _has_feed(app):
        return
    today = str(yaml.safe_load(citation.read_text("utf-8"))["date-released"])
    found = versions(changelog.read_text("utf-8"), today)
    feed = atom(found, f"{app.config.project}: changes", app.config.author, app.config.html_baseurl)
    Path(app.outdir, NAME).write_bytes(feed)


def announce(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Name the feed in the head of every page."""
    if _has_feed(app):
        address = app.config.html_baseurl + NAME
        title = f"{app.config.project}: changes"
        tag = f'<link rel="alternate" type="application/atom+xml" title="{title}" href="{address}" />\n'
        context["metatags"] = context.get("metatags", "") + tag


def _has_feed(app: Sphinx) -> bool:
    """Whether there is something to tell, and an address under which to tell it."""
    beside = all(Path(app.srcdir, name).is_file() for name in ("CHANGELOG.md", "CITATION.cff"))
    return beside and bool(app.config.html_baseurl)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("html-page-context", announce)
    app.connect("build-finished", write)

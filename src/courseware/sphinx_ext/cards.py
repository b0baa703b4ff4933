"""The picture and the sentence with which a page is announced where its address is shared (Open Graph)."""

from __future__ import annotations

import hashlib
import re
from html import escape, unescape
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config

from courseware import card, contents

FOLDER = "_static/cards"
_LONGEST = 200  # characters of a description; search engines and cards cut later ones
_SHORTEST = 40  # what is shorter is no description yet
_CITED = "bibtex-citation"
_MADE = {  # pages that Sphinx makes of its own
    "404": "This address leads nowhere in {book}: a search, the front page and the glossary help on.",
    "genindex": "Terms that {book} explains, by letter, each with the place that defines it.",
    "search": "Search every chapter, lab and explorable of {book} by any word of its text.",
}
_OWN = re.compile(r'<meta content="([^"]*)" (?:lang="[^"]*" )?name="description"[^>]*>\n?')


def lead(doctree: nodes.document) -> str:
    """Return the page's first sentences, without citations, in at most 200 characters."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | nodes.container) and not _inside_output(paragraph):
            text = " ".join(f"{text} {_words(paragraph)}".split())
        if len(text) >= _SHORTEST:
            break
    text = re.sub(r" ([,.;:)])", r"\1", re.sub(r"^The idea in one sentence\. ", "", text))
    return shorten(text)


def shorten(text: str) -> str:
    """Cut after the last sentence that fits, or after the last word."""
    if len(text) <= _LONGEST:
        return text
    sentences = text[: _LONGEST + 1].rfind(". ")
    if sentences >= _SHORTEST:
        return text[: sentences + 1]
    return text[: _LONGEST - 1].rpartition(" ")[0].rstrip(",;:") + "…"


def _words(paragraph: nodes.paragraph) -> str:
    """The text of a paragraph without what cites."""
    return "".join(
        text.astext() for text in paragraph.findall(nodes.Text) if not _inside(text, _CITED, paragraph)
    )


def _inside(node: nodes.Node, name: str, end: nodes.Node) -> bool:
    while node is not end:
        if name in getattr(node, "attributes", {}).get("classes", ()):
            return True
        node = node.parent
    return False


def _inside_output(paragraph: nodes.paragraph) -> bool:
    return "cell_output" in paragraph.parent["classes"]


def main_figure(doctree: nodes.document, files: dict[str, Path]) -> tuple[Path, str] | None:
    """Return the page's largest picture made of pixels, with its words; None if it has none.

    Charts are drawn as SVG and mean little without their text; pictures of pixels show what a page is about.

    Args:
        doctree: of the page, already written: its images are called as they will lie beside the pages.
        files: where each image lies now, by that name.
    """
    found = []
    for image in doctree.findall(nodes.image):
        path = files.get(image["uri"].rpartition("/")[2])
        if path is not None and path.suffix == ".png" and path.is_file():
            with Image.open(path) as picture:
                found.append((picture.width * picture.height, path, image.get("alt", "")))
    if not found:
        return None
    _, path, alt = max(found, key=lambda each: each[0])
    return path, alt


def announce(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Draw the page's card, hand its address and words to sphinxext-opengraph, and describe the page."""
    if app.builder.format != "html" or not app.config.html_baseurl:
        return
    if doctree is None:
        if pagename in _MADE:
            _describe(context, _MADE[pagename].format(book=app.config.project))
        return
    meta: dict[str, Any] = dict(context.get("meta") or {})
    own = _OWN.search(context.get("metatags", ""))
    description = unescape(own[1]) if own else lead(doctree)
    title = unescape(re.sub(r"<[^>]+>", "", context["title"]))
    part = contents.parts(Path(app.srcdir)).get(pagename, "")
    files = {name: Path(app.srcdir, source) for source, name in app.builder.images.items()}
    figure = main_figure(doctree, files)
    content = card.draw(
        re.sub(r"^\d+(\.\d+)*\. ", "", title), part, app.config.project, description, figure and figure[0]
    )
    name = f"{pagename.replace('/', '-')}-{hashlib.sha256(content).hexdigest()[:8]}.jpg"
    target = Path(app.outdir, FOLDER, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    words = f"{title}. {figure[1]}" if figure else f"{title}. {description}"
    meta |= {
        "og:image": f"{app.config.html_baseurl}{FOLDER}/{name}",
        "og:image:alt": words,
        "og:image:width": str(card.SIZE[0]),
        "og:image:height": str(card.SIZE[1]),
        "og:description": description,
    }
    context["meta"] = meta
    _describe(context, description)


def _describe(context: dict[str, Any], description: str) -> None:
    given = f'<meta name="description" content="{escape(description)}" />\n'
    context["metatags"] = _OWN.sub("", context.get("metatags", "")) + given


def configure(app: Sphinx, config: Config) -> None:
    """Ask for large pictures."""
    config.ogp_custom_meta_tags = [
        *config.ogp_custom_meta_tags,
        '<meta name="twitter:card" content="summary_large_image" />',
    ]


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("config-inited", configure)
    app.connect("html-page-context", announce, priority=400)  # before sphinxext-opengraph writes the tags

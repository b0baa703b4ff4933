"""What a reader finds where there is no page: a search, and the ways back in."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config

TITLE = "Page not found"


def body(home: str, book: str) -> str:
    """Return the article of the page.

    Args:
        home: the path under which the book is published, with a slash at its end.
        book: the book's name.
    """
    search = (
        f'<form class="cb-search" action="{home}search.html" method="get" role="search">'
        '<label for="cb-search">What were you looking for?</label> '
        '<input type="search" name="q" id="cb-search"> <button type="submit">Search</button></form>'
    )
    return (
        f"<h1>{TITLE}</h1><p>The address leads nowhere in this book: the page has moved, or never was.</p>"
        f'{search}<p>Or begin at the <a href="{home}index.html">front page of {escape(book)}</a>, look a '
        f'word up in the <a href="{home}glossary.html">glossary</a>, or choose a chapter from the menu.</p>'
    )


def configure(app: Sphinx, config: Config) -> None:
    """Hand the article to sphinx-notfound-page."""
    home = urlsplit(config.html_baseurl).path or "/"
    config.notfound_context = {"title": TITLE, "body": body(home, config.project)}


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("config-inited", configure)

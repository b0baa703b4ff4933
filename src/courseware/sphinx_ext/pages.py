"""Repairs of the theme: nothing loaded from afar or in vain, no script that fails, labs without solutions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.config import Config

from courseware import contents
from courseware.sphinx_ext import formulas, html, pictures, weight

PUBLISHED = "gh-pages"  # the branch that holds the built pages, student notebooks among them
_UNUSED = ("sphinx-thebe", "THEBE_JS_URL", "sphinx_thebe")


def configure(app: Sphinx, config: Config) -> None:
    """Choose the renderer of formulas, and derive other extensions' addresses from the book's own."""
    config.html_math_renderer = formulas.NAME
    if config.html_baseurl:
        config.ogp_site_url = config.html_baseurl
        config.notfound_urls_prefix = urlsplit(config.html_baseurl).path or "/"


def drop_thebe(app: Sphinx) -> None:
    """Disconnect sphinx-thebe: Jupyter Book always loads it, and its script fails on every page."""
    for name, listeners in app.events.listeners.items():
        kept = [one for one in listeners if not one.handler.__module__.startswith("sphinx_thebe")]
        app.events.listeners[name] = kept


def tidy_context(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Mend what the theme's templates are about to use."""
    context["script_files"] = _useful(context.get("script_files", []))
    context["css_files"] = _useful(context.get("css_files", []))
    if not context.get("pagetitle"):  # search, index and 404: the print header would have an empty heading
        context["pagetitle"] = context.get("title") or {"404": "Page not found"}.get(pagename, pagename)
    if contents.is_lab(pagename):
        _point_to_student_version(context)


def _useful(assets: list[Any]) -> list[Any]:
    """Drop thebe's assets, and inline scripts that Sphinx lists twice."""
    kept, bodies = [], set()
    for asset in assets:
        name = str(getattr(asset, "filename", asset) or "")
        body = getattr(asset, "attributes", {}).get("body") or ""
        if any(word in name or word in body for word in _UNUSED) or (body and body in bodies):
            continue
        bodies.add(body)
        kept.append(asset)
    return kept


def _point_to_student_version(context: dict[str, Any]) -> None:
    """A lab's source holds the solutions: Colab shall open the student's version among the built pages."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                head, _, tail = button["url"].partition("/blob/")
                button["url"] = f"{head}/blob/{PUBLISHED}/{tail.partition('/')[2]}"


def wrap_templates(app: Sphinx) -> None:
    """Let every page pass through `html.finish` on its way to the disk."""
    templates = getattr(app.builder, "templates", None)
    if app.builder.format != "html" or templates is None:
        return
    plain: Callable[[str, dict[str, Any]], str] = templates.render
    options = Path(app.outdir, "_static", "documentation_options.js")

    def finished(template: str, context: dict[str, Any]) -> str:
        page = plain(template, context)
        if "<html" not in page[:500]:
            return page
        page = html.finish(page, lambda src: _size_of(app, src), lambda src: _smaller(app, src))
        return weight.lighten(page, context["pagename"], options.read_text("utf-8"))

    templates.render = finished


def _image_of(app: Sphinx, src: str) -> Path | None:
    """Return the source of an image that a page names, if it is one of ours."""
    name = src.partition("?")[0].rpartition("/")[2]
    images: dict[str, str] = app.builder.images  # source path -> file name
    source = next((source for source, target in images.items() if target == name), f"_static/{name}")
    path = Path(app.srcdir, source)
    return path if path.is_file() else None


def _size_of(app: Sphinx, src: str) -> tuple[int, int] | None:
    """Return (width, height) in CSS pixels."""
    path = _image_of(app, src)
    return html.image_size(path) if path else None


def _smaller(app: Sphinx, src: str) -> str:
    """Return the address of an image's smaller copy, which is written beside it; else its own."""
    path = _image_of(app, src) if "/_images/" in f"/{src}" else None
    content = pictures.webp(path) if path else None
    if content is None:
        return src
    address = src.removesuffix(".png") + ".webp"
    target = Path(app.outdir, "_images", address.rpartition("/")[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return address


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    drop_thebe(app)
    app.connect("config-inited", configure, priority=400)
    app.connect("builder-inited", wrap_templates, priority=900)
    app.connect("html-page-context", tidy_context, priority=900)
    formulas.setup(app)
    weight.setup(app)

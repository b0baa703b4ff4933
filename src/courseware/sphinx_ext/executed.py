"""Pages show executed copies of the notebooks, whoever runs Sphinx."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from myst_nb.core.render import MimeData, NbElementRenderer  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from courseware import contents

logger = logging.getLogger(__name__)


def load(app: Sphinx) -> None:
    """Fill `app.convbook_notebooks` with each notebook page's text: staged, or executed here and now."""
    root = Path(app.srcdir)
    if (root / contents.STAGED).exists():
        pages = {
            page: source.read_text("utf-8") for page, source in contents.sources(root, "*.ipynb").items()
        }
    else:
        pages = contents.prepare(root, say=logger.info)
    app.convbook_notebooks = pages  # type: ignore[attr-defined]


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Name pages whose executed copy changed although their source did not."""
    now = {page: hashlib.sha256(text.encode()).hexdigest() for page, text in _notebooks(app).items()}
    before = getattr(env, "convbook_digests", {})
    env.convbook_digests = now  # type: ignore[attr-defined]
    return [page for page in now if before.get(page) != now[page] and page not in removed]


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Hand Sphinx the executed copy instead of the source."""
    if docname in _notebooks(app):
        source[0] = _notebooks(app)[docname]


def publish(app: Sphinx, exception: Exception | None) -> None:
    """Let the download button serve what the page shows, and put student notebooks where Colab looks."""
    if exception is not None or app.builder.format != "html":
        return
    for page, text in _notebooks(app).items():
        targets = [Path(app.outdir, "_sources", f"{page}.ipynb")]
        if contents.is_lab(page):
            targets.append(Path(app.outdir, f"{page}.ipynb"))
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")


def _notebooks(app: Sphinx) -> dict[str, str]:
    return getattr(app, "convbook_notebooks", {})


Render = Callable[[NbElementRenderer, MimeData], list[nodes.Element]]


def keep_alt(render_image: Render) -> Render:
    """Wrap myst-nb's `render_image`, which drops the alternative text in an output's metadata."""

    def wrapped(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
        found = render_image(self, data)
        metadata: dict[str, Any] = data.output_metadata
        alt = (metadata.get(data.mime_type) or {}).get("alt") or metadata.get("alt")
        for node in found:
            if isinstance(node, nodes.image) and alt and "alt" not in node:
                node["alt"] = str(alt)
        return found

    wrapped.keeps_alt = True  # type: ignore[attr-defined]
    return wrapped


def check_alt(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Warn of every picture without words: with -W that fails the build."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            logger.warning(
                "%s: a figure has no alternative text; show it with convbook.plots.show(fig, alt)",
                docname,
                type="convbook",
                subtype="alt",
            )


def setup(app: Sphinx) -> None:
    """Connect to Sphinx and to myst-nb."""
    if not hasattr(NbElementRenderer.render_image, "keeps_alt"):
        NbElementRenderer.render_image = keep_alt(NbElementRenderer.render_image)
    app.connect("builder-inited", load)
    app.connect("env-get-outdated", outdated)
    app.connect("source-read", read)
    app.connect("doctree-resolved", check_alt)
    app.connect("build-finished", publish)

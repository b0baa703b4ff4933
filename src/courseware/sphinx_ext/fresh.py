"""What is read and written again: no page that is as it was, none that is out of date.

Sphinx asks of each page whether its own source changed. Two things more decide: what directives compute
from the package or from other pages, and what pages show of one another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from courseware import cache
from courseware.places import chapters_on_papers, sections_showing
from courseware.sphinx_ext import terms

_LOOKS_BEYOND = "convbook_looks_beyond"


def looks_beyond(env: BuildEnvironment, *files: str) -> None:
    """Note that the page being read shows what is computed from the package or from other pages.

    Args:
        env: which knows the page.
        files: what the reading wrote among the built pages, from their folder.
    """
    env.metadata[env.docname].setdefault(_LOOKS_BEYOND, []).extend(files)


def outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Name the pages that look beyond themselves, if what they look at changed or what they wrote is lost."""
    now = _digest(_looked_at(app))
    before = getattr(env, "convbook_looked_at", now)
    env.convbook_looked_at = now  # type: ignore[attr-defined]
    same = now == before and not added and not removed
    looking = {page: data[_LOOKS_BEYOND] for page, data in env.metadata.items() if _LOOKS_BEYOND in data}
    return [
        page
        for page, files in looking.items()
        if page not in removed and not (same and all(Path(app.outdir, file).exists() for file in files))
    ]


def shown_elsewhere(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Name every page, if a title, a number, a target, a term or a cited work changed."""
    now = _digest(_shown(env))
    before = getattr(env, "convbook_shown", now)
    env.convbook_shown = now  # type: ignore[attr-defined]
    return [] if now == before else sorted(env.found_docs)


def list_all(app: Sphinx, exception: Exception | None) -> None:
    """Tell sphinx-sitemap of the pages that stay as they are: it knows those that were written."""
    links = getattr(app, "sitemap_links", None)
    if exception is not None or links is None or links.empty():
        return
    pages = {app.builder.get_target_uri(page) for page in app.env.found_docs}
    while not links.empty():
        pages.add(links.get()[0])
    for page in sorted(pages):
        links.put((page, None))


def _looked_at(app: Sphinx) -> Iterator[object]:
    """What directives compute from: both packages, and what chapters are about."""
    root = Path(app.srcdir)
    yield cache.environment(cache.package_folder(root), root)
    here = Path(__file__).parents[1]
    for path in sorted([*here.rglob("*.py"), *here.rglob("*.json")]):
        yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()
    notebooks: dict[str, str] = getattr(app, "convbook_notebooks", {})
    yield chapters_on_papers(notebooks)
    yield {page: sections_showing(text) for page, text in notebooks.items()}


def _shown(env: BuildEnvironment) -> Iterator[object]:
    """What pages can show of others."""
    for page in sorted(env.found_docs):
        yield page, env.titles[page].astext(), env.tocs[page].pformat()
    yield sorted(env.toctree_includes.items())
    yield sorted(env.toc_secnumbers.items())
    yield sorted(env.toc_fignumbers.items())
    standard, equations, works = (env.get_domain(name).data for name in ("std", "math", "cite"))
    yield sorted(standard["labels"].items())
    yield sorted(standard["anonlabels"].items())
    yield sorted(equations["objects"].items())
    yield sorted({target.key for cited in works["citation_refs"] for target in cited.targets})
    yield terms.glossary(env).terms


def _digest(parts: Iterator[object]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("env-get-outdated", outdated)
    app.connect("env-get-updated", shown_elsewhere, priority=900)  # once numbers are given
    app.connect("build-finished", list_all, priority=400)  # before sphinx-sitemap writes

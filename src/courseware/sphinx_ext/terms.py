"""A page's first use of each glossary term leads to the glossary, and says what the term means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from docutils import nodes  # type: ignore[import-untyped]
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

# Text that is no running prose, or a link already.
_NO_PROSE = (
    addnodes.glossary,
    addnodes.pending_xref,
    nodes.caption,
    nodes.citation,
    nodes.legend,
    nodes.literal,
    nodes.math,
    nodes.raw,
    nodes.reference,
    nodes.table,
    nodes.title,
)
_NO_PROSE_CLASSES = {"bibtex-citation", "cell_input", "cell_output", "xref"}


@dataclass(frozen=True)
class Term:
    """A glossary entry: its words, its page, its anchor there, and what it means."""

    words: str
    page: str
    anchor: str
    meaning: str

    @property
    def entry(self) -> str:
        """What synonyms have in common."""
        return self.meaning or self.anchor


@dataclass(frozen=True)
class Glossary:
    """All terms of the book."""

    terms: tuple[Term, ...]

    @cached_property
    def by_words(self) -> dict[str, Term]:
        """Terms by their words in lower case."""
        return {term.words.lower(): term for term in self.terms}

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Finds a term in prose: the longest that fits, in the singular or the plural."""
        longest_first = sorted((term.words for term in self.terms), key=len, reverse=True)
        if not longest_first:
            return None
        return re.compile(rf"(?<![\w/-])(?:{'|'.join(map(_tolerant, longest_first))})(?![\w-])")

    def find(self, text: str, start: int = 0) -> Iterator[tuple[re.Match[str], Term]]:
        """Yield each place in `text` that names a term, with the term."""
        for found in self.pattern.finditer(text, start) if self.pattern else ():
            words = " ".join(found.group().lower().split())
            for singular in (words, words.removesuffix("s"), words.removesuffix("es")):
                if singular in self.by_words:
                    yield found, self.by_words[singular]
                    break


def _tolerant(words: str) -> str:
    """A pattern for a term; abbreviations keep their capitals, so that a mac is no MAC."""
    pattern = r"\s+".join(map(re.escape, words.split()))
    return rf"{pattern}s?" if words.isupper() else rf"(?i:{pattern}(?:e?s)?)"


def glossary(env: BuildEnvironment) -> Glossary:
    """Collect the terms of every glossary in the book."""
    objects = env.get_domain("std").get_objects()
    named = [(words, page, anchor) for words, _, kind, page, anchor, _ in objects if kind == "term"]
    meant = {page: _meanings(env.get_doctree(page)) for page in {page for _, page, _ in named}}
    return Glossary(
        tuple(Term(words, page, anchor, meant[page].get(anchor, "")) for words, page, anchor in named)
    )


def _meanings(doctree: nodes.document) -> dict[str, str]:
    """Return the definition behind each anchor of a glossary's page, in one line."""
    found: dict[str, str] = {}
    for term in doctree.findall(nodes.term):
        definition = next(iter(term.parent.findall(nodes.definition)), None)
        meaning = " ".join(definition.astext().split()) if definition is not None else ""
        found |= dict.fromkeys(term["ids"], meaning)
    return found


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link the page's first use of each term, and say at every link what the term means."""
    known = getattr(app, "convbook_glossary", None)
    if known is None:
        known = app.convbook_glossary = glossary(app.env)  # type: ignore[attr-defined]
    if docname in {term.page for term in known.terms}:
        return
    seen: set[str] = set()
    for node in list(doctree.findall(lambda node: isinstance(node, nodes.Text | nodes.reference))):
        if isinstance(node, nodes.reference):
            explain(node, known, seen)
        elif _is_prose(node):
            _link_in(node, known, seen, app, docname)


def explain(reference: nodes.reference, known: Glossary, seen: set[str]) -> None:
    """Put the meaning into the title of a link that the author set."""
    if not any("std-term" in inline["classes"] for inline in reference.findall(nodes.inline)):
        return
    address = reference.get("refuri", "")
    term = next((term for term in known.terms if address.endswith(f"#{term.anchor}")), None)
    if term is not None:
        seen.add(term.entry)
        reference["reftitle"] = term.meaning


def _is_prose(text: nodes.Text) -> bool:
    """Whether a text stands in a paragraph, and in nothing that is no running prose."""
    node, in_paragraph = text.parent, False
    while node is not None:
        if isinstance(node, _NO_PROSE) or _NO_PROSE_CLASSES & set(node.get("classes", ())):
            return False
        in_paragraph |= isinstance(node, nodes.paragraph)
        node = node.parent
    return in_paragraph


def _link_in(text: nodes.Text, known: Glossary, seen: set[str], app: Sphinx, docname: str) -> None:
    """Replace a text by itself with links at first uses."""
    source, parts, end = text.astext(), [], 0
    for found, term in known.find(source):
        if term.entry in seen:
            continue
        seen.add(term.entry)
        words = nodes.inline(found.group(), found.group(), classes=["xref", "std", "std-term"])
        leading = make_refnode(app.builder, docname, term.page, term.anchor, words, term.meaning)
        parts += [nodes.Text(source[end : found.start()]), leading]
        end = found.end()
    if parts:
        text.parent.replace(text, [*filter(str, parts), nodes.Text(source[end:])])


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", link)

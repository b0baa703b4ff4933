"""Glossary terms are linked at their first use in prose, and nowhere else."""

from types import SimpleNamespace

import pytest
from docutils import nodes

from courseware.sphinx_ext import terms
from courseware.sphinx_ext.terms import Glossary, Term

KNOWN = Glossary(
    tuple(
        Term(words, "glossary", f"term-{words.replace(' ', '-')}", f"what {words} means")
        for words in ("convolution", "depthwise convolution", "MAC", "bias", "kernel", "class")
    )
)


def found(text):
    return [(match.group(), term.words) for match, term in KNOWN.find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A Convolution here", [("Convolution", "convolution")]),
        ("two convolutions", [("convolutions", "convolution")]),
        ("biases and classes", [("biases", "bias"), ("classes", "class")]),
        ("a depthwise convolution", [("depthwise convolution", "depthwise convolution")]),
        ("a depthwise\nconvolution", [("depthwise\nconvolution", "depthwise convolution")]),
        ("300 MACs on a Mac", [("MACs", "MAC")]),
        ("convolutional, deconvolution, sub-kernel, kernel-wise, the page play/convolution", []),
    ],
)
def test_terms_are_found_in_either_number_and_case_but_not_inside_other_words(text, expected):
    assert found(text) == expected


class Builder:
    def get_relative_uri(self, source, target):
        return "../glossary.html"


def linked(*children, docname="chapters/one"):
    """Link the terms in a document of these nodes; return the words that became links."""
    document = nodes.document(None, None)
    document.extend(children)
    app = SimpleNamespace(builder=Builder(), convbook_glossary=KNOWN)
    terms.link(app, document, docname)
    return [link.astext() for link in document.findall(nodes.reference) if "reftitle" in link], document


def paragraph(*parts):
    made = nodes.paragraph()
    made.extend(nodes.Text(part) if isinstance(part, str) else part for part in parts)
    return made


def test_only_the_first_use_on_a_page_becomes_a_link_that_says_what_the_term_means():
    words, document = linked(paragraph("A kernel, then "), paragraph("kernels and a convolution."))
    assert words == ["kernel", "convolution"]
    link = next(iter(document.findall(nodes.reference)))
    assert link["refuri"] == "../glossary.html#term-kernel"
    assert link["reftitle"] == "what kernel means"
    assert document.astext().replace("\n", "") == "A kernel, then kernels and a convolution."


@pytest.mark.parametrize(
    "node",
    [
        nodes.title("", "The kernel"),
        paragraph(nodes.literal("", "kernel")),
        paragraph(nodes.math("", "kernel")),
        paragraph(nodes.reference("", "kernel", refuri="x")),
        nodes.figure("", nodes.caption("", "A kernel")),
        nodes.container("", paragraph("kernel"), classes=["cell_output"]),
        nodes.literal_block("", "kernel"),
    ],
    ids=["heading", "code", "math", "link", "caption", "output", "block"],
)
def test_headings_code_math_links_captions_and_outputs_are_left_alone(node):
    assert linked(node)[0] == []


def test_the_glossarys_own_page_is_left_alone():
    assert linked(paragraph("A kernel."), docname="glossary")[0] == []


def test_a_link_that_the_author_set_counts_as_the_first_use_and_is_explained():
    words = nodes.inline("", "kernels", classes=["xref", "std", "std-term"])
    authors = nodes.reference("", "", words, refuri="../glossary.html#term-kernel", internal=True)
    shown, _ = linked(paragraph(authors, " and kernel"))
    assert shown == ["kernels"]
    assert authors["reftitle"] == "what kernel means"


def test_a_synonym_of_a_term_that_was_linked_is_left_alone():
    same = [Term(words, "glossary", f"term-{words}", "one entry") for words in ("MAC", "multiply-accumulate")]
    document = nodes.document(None, None)
    document += paragraph("A multiply-accumulate (MAC).")
    terms.link(SimpleNamespace(builder=Builder(), convbook_glossary=Glossary(tuple(same))), document, "a")
    assert [each.astext() for each in document.findall(nodes.reference)] == ["multiply-accumulate"]

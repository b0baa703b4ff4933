"""Displayed equations are numbered where readers see them, and only there."""

from types import SimpleNamespace

import pytest
from docutils import frontend, nodes, utils
from docutils.parsers.rst import Parser

from courseware.sphinx_ext.equations import NumberEquations


class Domain:
    def __init__(self):
        self.noted = []

    def note_equation(self, docname, label, location=None):
        self.noted.append(label)

    def get_equation_number_for(self, label):
        return self.noted.index(label) + 1


@pytest.fixture
def numbered():
    """Number a page's equations; return the labels given and the document."""

    def run(*children, docname="chapters/one", wanted=True):
        document = utils.new_document("one", frontend.get_default_settings(Parser))
        domain = Domain()
        document.settings.env = SimpleNamespace(
            docname=docname,
            config=SimpleNamespace(math_number_all=wanted),
            get_domain=lambda name: domain,
            app=None,
        )
        document.extend(children)
        transform = NumberEquations(document)
        transform.apply()
        return domain.noted, document

    return run


def test_equations_without_a_label_get_one_and_an_anchor_in_their_order(numbered):
    labelled = nodes.math_block("b", label="own")
    labels, document = numbered(nodes.math_block("a"), labelled, nodes.math_block("c"))
    assert labels == ["chapters/one-1", "chapters/one-2"]
    first, second, third = document.findall(nodes.math_block)
    assert (first["number"], second.get("number"), third["number"]) == (1, None, 2)
    targets = [target["ids"] for target in document.findall(nodes.target)]
    assert targets == [["equation-chapters-one-1"], ["equation-chapters-one-2"]]


def test_what_a_cell_printed_is_not_numbered(numbered):
    assert numbered(nodes.container("", nodes.math_block("a"), nb_element="mime_bundle"))[0] == []


def test_labs_stay_plain(numbered):
    assert numbered(nodes.math_block("a"), docname="labs/one")[0] == []


def test_the_configuration_can_leave_numbers_out(numbered):
    assert numbered(nodes.math_block("a"), wanted=False)[0] == []

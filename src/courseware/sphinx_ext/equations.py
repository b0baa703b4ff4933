"""Displayed equations of chapters are numbered, whether their authors gave them a label or not."""

from __future__ import annotations

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from courseware import contents


class NumberEquations(SphinxTransform):
    """Give displayed equations a label, as `math_number_all` does where MyST is not the parser.

    Labs stay plain: in Colab, where students read them, nothing is numbered.
    """

    default_priority = 255  # before docutils moves the ids of targets to what follows them

    def apply(self) -> None:
        """Label every unlabelled equation of the page."""
        docname = self.env.docname
        if not self.config.math_number_all or contents.is_lab(docname):
            return
        found = list(self.document.findall(nodes.math_block))
        unlabelled = [block for block in found if not block.get("label") and not _is_output(block)]
        for number, block in enumerate(unlabelled, start=1):
            label = f"{docname}-{number}"
            domain = self.env.get_domain("math")
            domain.note_equation(docname, label, location=block)  # type: ignore[attr-defined]
            block["label"], block["docname"] = label, docname
            block["number"] = domain.get_equation_number_for(label)  # type: ignore[attr-defined]
            target = nodes.target("", "", ids=[nodes.make_id(f"equation-{label}")])
            self.document.note_explicit_target(target)
            block.parent.insert(block.parent.index(block), target)


def _is_output(block: nodes.math_block) -> bool:
    """Whether a cell printed the equation: one of several forms, most of which no page shows."""
    node = block.parent
    while node is not None:
        if "cell_output" in node.get("classes", ()) or "nb_element" in node:
            return True
        node = node.parent
    return False


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_transform(NumberEquations)

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
        unlabelled = (block for block in self.document.findall(nodes.math_block) if not block.get("label"))
        for number, block in enumerate(list(unlabelled), start=1):
            label = f"{docname}-{number}"
            domain = self.env.get_domain("math")
            domain.note_equation(docname, label, location=block)  # type: ignore[attr-defined]
            block["label"], block["docname"] = label, docname
            block["number"] = domain.get_equation_number_for(label)  # type: ignore[attr-defined]
            target = nodes.target("", "", ids=[nodes.make_id(f"equation-{label}")])
            self.document.note_explicit_target(target)
            block.parent.insert(block.parent.index(block), target)


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_transform(NumberEquations)

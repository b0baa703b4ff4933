"""Formulas as MathML, made while the book is built: no script, and screen readers read them.

`latex2mathml` translates; what browsers' MathML Core does not know of its output, or TeX would set otherwise,
is mended here. What cannot be translated fails the build instead of showing on the page.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from xml.etree import ElementTree as ET

from docutils import nodes  # type: ignore[import-untyped]
from latex2mathml.converter import convert_to_element
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html import HTML5Translator

NAME = "mathml"  # of the renderer, for Sphinx
_CHILDREN = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2}
_CHILDREN |= {"msubsup": 3, "munderover": 3}
_LIMITS = ("max", "min", "sup", "inf", "lim", "argmax", "argmin")
_ESCAPED = re.compile(r"\\([_%&#$])")
# TeX that the translator does not know, in words that it does.
_SYNONYMS = (
    (re.compile(r"\\lVert(?![a-zA-Z])"), r"\\left\\lVert "),
    (re.compile(r"\\rVert(?![a-zA-Z])"), r"\\right\\rVert "),
    (re.compile(r"\\lvert(?![a-zA-Z])"), r"\\left\\lvert "),
    (re.compile(r"\\rvert(?![a-zA-Z])"), r"\\right\\rvert "),
    (re.compile(r"\\(begin|end)\{(aligned|align\*?|split)\}"), r"\\\1{align*}"),
    (re.compile(r"(\d+)\{,\}(\d{3})(?!\d)"), r"\\text{\1,\2}"),
    (re.compile(r"\\(begin|end)\{(equation|gathered)\*?\}"), ""),
)


class FormulaError(ValueError):
    """A formula that cannot be shown."""


def to_mathml(tex: str, *, display: bool = False) -> str:
    """Translate a formula.

    Args:
        tex: without its dollars.
        display: on a line of its own.

    Raises:
        FormulaError: for a command that is not known, an argument that is missing, a brace left open.
    """
    known = tex.strip()
    for pattern, replacement in _SYNONYMS:
        known = pattern.sub(replacement, known)
    if re.sub(r"\\.", "", known).count("{") != re.sub(r"\\.", "", known).count("}"):
        raise FormulaError(f"braces do not match in the formula {tex.strip()!r}")
    try:
        formula = convert_to_element(known, display="block" if display else "inline")
    except Exception as error:  # the translator's own share no ancestor
        reason = str(error) or type(error).__name__
        raise FormulaError(f"the formula {tex.strip()!r} cannot be read ({reason})") from None
    for element in formula.iter():
        element.text = unescape(element.text or "")
        if element.tag == "mtext":
            element.text = _ESCAPED.sub(r"\1", element.text)
    _check(formula, tex.strip())
    _mend(formula, display)
    formula.set("alttext", " ".join(tex.split()))
    return ET.tostring(formula, encoding="unicode")


def _check(formula: ET.Element, tex: str) -> None:
    """Refuse what the translator passes on when it does not understand."""
    for element in formula.iter():
        text = element.text or ""
        if text == "&" or (text.startswith("\\") and len(text) > 1):
            raise FormulaError(f"{text} is not known, in the formula {tex!r}")
        if len(element) != _CHILDREN.get(element.tag, len(element)):
            raise FormulaError(f"an argument is missing in the formula {tex!r}")


def _mend(parent: ET.Element, display: bool) -> None:
    """Mend a part of a formula and all within it."""
    for child in parent:
        _mend(child, display)
        _mend_one(child, display)
    _join(parent)
    _space(parent)


def _mend_one(element: ET.Element, display: bool) -> None:
    text = element.text or ""
    if element.tag == "mi" and len(text) == 1 and unicodedata.category(text)[0] in "PS":
        element.tag = "mo"  # a colon or a bracket is no name
        if unicodedata.category(text) in ("Ps", "Pe"):
            element.set("stretchy", "false")
            element.set("form", "prefix" if unicodedata.category(text) == "Ps" else "postfix")
    if element.tag == "mtext" and re.fullmatch(r"[\d,]+", text):
        element.tag = "mn"
    if element.tag == "mo" and text == "/":
        element.attrib |= {"lspace": "0", "rspace": "0"}
    if element.tag == "mo" and (text.isalpha() or text in ("∂", "∇")):
        element.tag = "mi"  # a name or a part of one, not an operator with room around it
        if len(text) == 1:
            element.set("mathvariant", "normal")
    if element.tag == "msup" and set(element[1].text or " ") <= set("′″‴"):
        element.tag = "mrow"  # the font's primes are raised already
        element[1].attrib |= {"lspace": "0", "rspace": "0"}
    if element.tag == "msub" and display and element[0].text in _LIMITS:
        element.tag = "munder"
    if element.tag == "mover" and element[1].text in ("^", "\u00af", "\u02c6"):
        element.set("accent", "true")
    if element.tag == "msqrt":  # browsers hang the sign from its bar: over a low letter it would sink
        element.append(ET.Element("mspace", width="0", height="0.72em", depth="0.1em"))
    if aligned := element.attrib.pop("columnalign", ""):
        element.set("style", f"text-align: {aligned}; padding-{aligned}: 0")
    if element.tag == "mrow" and len(element) == 1:
        inner = element[0]
        element.tag, element.text, element.attrib = inner.tag, inner.text, inner.attrib
        element[:] = list(inner)


def _join(row: ET.Element) -> None:
    """Make one name of upright letters in a row of their own."""
    letters = list(row)
    if row.tag == "mrow" and all(
        each.tag == "mi" and each.get("mathvariant") == "normal" for each in letters
    ):
        row.tag, row.text = "mi", "".join(each.text or "" for each in letters)
        row.attrib = {"mathvariant": "normal"} if len(row.text) == 1 else {}
        row[:] = []


def _space(row: ET.Element) -> None:
    """Set the name of a function off from what is beside it, and a sign close to its number."""
    if row.tag not in ("math", "mrow", "mstyle", "mtd"):
        return
    for at in range(len(row) - 1, -1, -1):
        if row[at].tag == "mo" and row[at].text in ("−", "+", "±") and (at == 0 or _awaits(row[at - 1])):
            row[at].set("form", "prefix")
        both = row[at : at + 2]
        apart = not any(each.tag in ("mo", "mspace") for each in both)
        if len(both) == 2 and apart and any(map(_is_function, both)):
            row.insert(at + 1, ET.Element("mspace", width="0.167em"))


def _is_function(element: ET.Element) -> bool:
    name = element[0] if element.tag in ("msub", "msup", "munder") else element
    return name.tag == "mi" and len(name.text or "") > 1


def _awaits(element: ET.Element) -> bool:
    """Whether an operand comes next: after a bracket that opens, a relation, another operator."""
    sign = element.text or " "
    return element.tag == "mo" and sign not in "!|" and unicodedata.category(sign[-1]) != "Pe"


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(self.starttag(node, "span", "", CLASS="math"))
    self.body.append(_translated(node, display=False) + "</span>")
    raise nodes.SkipNode


def displayed(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, with Sphinx's number and anchor."""
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(_translated(node, display=True))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def _translated(node: nodes.Element, *, display: bool) -> str:
    try:
        return to_mathml(node.astext(), display=display)
    except FormulaError as error:
        where = f"{node.source}:{node.line}: " if node.source else ""
        raise ExtensionError(f"{where}{error}") from None


def setup(app: Sphinx) -> None:
    """Register the renderer."""
    app.add_html_math_renderer(NAME, (inline, None), (displayed, None))

"""Fonts cut down to the characters that the book shows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from html import unescape
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError

MATH = "stix-two-math.woff2"
_FORMULA = re.compile(r"<math\b.*?</math>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_ESCAPE = re.compile(r"\\([0-9a-fA-F]{4,6})")
# MathML sets single letters of the source in these italics.
_ITALICS = {chr(ord("a") + i): chr(0x1D44E + i) for i in range(26)} | {"h": "ℎ"}
_ITALICS |= {chr(ord("A") + i): chr(0x1D434 + i) for i in range(26)}
_ITALICS |= {chr(ord("α") + i): chr(0x1D6FC + i) for i in range(25)}
_ITALICS |= {chr(ord("Α") + i): chr(0x1D6E2 + i) for i in range(25)}


def in_formulas(pages: Collection[str]) -> set[str]:
    """The characters of all formulas, with their italics."""
    texts = (unescape(_TAG.sub("", found)) for page in pages for found in _FORMULA.findall(page))
    upright = {sign for text in texts for sign in text if not sign.isspace()}
    if any("<msqrt" in page or "<mroot" in page for page in pages):
        upright.add("√")  # which the element stands for
    return upright | {_ITALICS[sign] for sign in upright if sign in _ITALICS}


def in_styles(sheets: Iterable[str]) -> set[str]:
    """The characters of the private use area that style sheets name: icons."""
    found: set[str] = set()
    for css in sheets:
        found |= {sign for sign in css if 0xE000 <= ord(sign) <= 0xF8FF}
        found |= {chr(int(code, 16)) for code in _ESCAPE.findall(css) if 0xE000 <= int(code, 16) <= 0xF8FF}
    return found


def math_font(signs: Iterable[str]) -> bytes:
    """STIX Two Math with these characters and what its MATH table builds of them, as WOFF2."""
    found = find_spec("ziamath")  # for its font alone: to import it takes a second
    if found is None or found.origin is None:
        raise ExtensionError("ziamath is missing: run pip install 'convbook[book]'")
    return subset(Path(found.origin).parent / "fonts" / "STIXTwoMath-Regular.ttf", frozenset(signs))


@cache
def subset(font: Path, signs: frozenset[str]) -> bytes:
    """A font with these characters only, as WOFF2."""
    options = Options(
        flavor="woff2", layout_features=["ssty", "kern", "mark", "mkmk", "ccmp", "dtls", "flac"]
    )
    options.drop_tables += ["DSIG"]
    options.hinting = False
    opened = TTFont(font)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[ord(sign) for sign in signs])
    subsetter.subset(opened)
    opened.flavor = "woff2"
    written = BytesIO()
    opened.save(written)
    return written.getvalue()

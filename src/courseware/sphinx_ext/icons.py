"""The theme's icons as small drawings in the page: its own script of all icons weighs 1.5 MB."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pydata_sphinx_theme  # type: ignore[import-untyped]
from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError

STATIC = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
FONTS = STATIC / "vendor" / "fontawesome" / "webfonts"
_FILES = {"fab": "fa-brands-400", "fa-brands": "fa-brands-400", "far": "fa-regular-400"}
_FILES |= {"fas": "fa-solid-900", "fa-solid": "fa-solid-900", "fa-regular": "fa-regular-400"}
_ICON = re.compile(r'<i class="([^"]*\bfa-[^"]*)"([^>]*)></i>')
_TITLE = re.compile(r'\s*title="[^"]*"')


def draw_icons(page: str) -> str:
    """Replace the theme's icon elements; the buttons around them have the words."""
    return _ICON.sub(lambda found: _drawing(found[1].split(), _TITLE.sub("", found[2])), page)


def _drawing(classes: list[str], attributes: str) -> str:
    font = next((_FILES[each] for each in classes if each in _FILES), "fa-solid-900")
    for each in classes:
        outline = _outline(font, each.removeprefix("fa-")) if each.startswith("fa-") else None
        if outline:
            width, height, path = outline
            return (
                f'<svg class="{" ".join(classes)} cb-icon" aria-hidden="true" viewBox="0 0 {width} {height}"'
                f'{attributes}><path fill="currentColor" d="{path}"/></svg>'
            )
    raise ExtensionError(f"the theme's fonts have no icon {' '.join(classes)!r}")


@cache
def _outline(font: str, name: str) -> tuple[int, int, str] | None:
    """Width, height and SVG path of a glyph, y downwards; None if there is no such glyph."""
    opened = _opened(font)
    glyphs = opened.getGlyphSet()
    if name not in glyphs:
        return None
    height, ascent = opened["head"].unitsPerEm, opened["hhea"].ascent
    pen = SVGPathPen(glyphs, ntos=lambda value: str(round(value)))
    glyphs[name].draw(TransformPen(pen, (1, 0, 0, -1, 0, ascent)))
    return glyphs[name].width, height, pen.getCommands()


@cache
def _opened(font: str) -> TTFont:
    return TTFont(FONTS / f"{font}.ttf")

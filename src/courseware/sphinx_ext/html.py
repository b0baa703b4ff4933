"""Small edits of a finished page, each for a reason that a browser or a screen reader has."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

Size = tuple[int, int]
_IMG = re.compile(r"<img\b[^>]*>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_PIXELS = re.compile(r"(?<![-\w])(width|height):\s*([\d.]+)px;?\s*")
_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
# A browser may break a line beside a formula, which would begin the next one with a comma.
_PUNCTUATED = re.compile(r'(<span class="math[^"]*"><math\b(?:(?!</math>).)*</math></span>[,.;:!?)]+)')
_REGION = re.compile(r'(<div\b[^>]*\brole="region"[^>]*)aria-label="([^"]*)"')
_PROTECTED = re.compile(r"<(script|style|textarea|pre)\b.*?</\1>", re.DOTALL)

# The theme's markup and what stands in for it: a landmark around the sidebar's logo and search, no roles that
# ARIA 1.2 deprecated in the bibliography, and folded cells called by the words that one sees.
_REPAIRS = (
    (
        re.compile(r'<div id="pst-primary-sidebar" class='),
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Book" class=',
    ),
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    (re.compile(r' role="doc-biblioentry"'), ""),
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
)


def finish(
    page: str, size_of: Callable[[str], Size | None], smaller: Callable[[str], str] = lambda src: src
) -> str:
    """Return a page ready for readers.

    Args:
        page: the whole HTML page.
        size_of: gives (width, height) in CSS pixels of an image by its `src`, or None.
        smaller: gives the address of an image's smaller copy by its `src`, or the `src` itself.
    """
    for pattern, replacement in _REPAIRS:
        page = pattern.sub(replacement, page)
    page = _tell_apart(page)
    page = _PUNCTUATED.sub(r'<span class="cb-together">\1</span>', page)
    return _outside_code(page, lambda part: _scrolling_tables(_IMG.sub(_image(size_of, smaller), part)))


def _tell_apart(page: str) -> str:
    """Number regions of one name, such as a table shown twice: each landmark needs its own."""
    seen: Counter[str] = Counter()

    def edit(found: re.Match[str]) -> str:
        seen[found[2]] += 1
        again = f", {seen[found[2]]}" if seen[found[2]] > 1 else ""
        return f'{found[1]}aria-label="{found[2]}{again}"'

    return _REGION.sub(edit, page)


def _outside_code(page: str, edit: Callable[[str], str]) -> str:
    """Apply `edit` to everything but scripts, styles and preformatted text."""
    parts, end = [], 0
    for found in _PROTECTED.finditer(page):
        parts += [edit(page[end : found.start()]), found.group()]
        end = found.end()
    return "".join([*parts, edit(page[end:])])


def _image(
    size_of: Callable[[str], Size | None], smaller: Callable[[str], str]
) -> Callable[[re.Match[str]], str]:
    """Give an image its size, so that the page does not jump, and load it when it comes into view."""

    def edit(found: re.Match[str]) -> str:
        attributes = dict(_ATTRIBUTE.findall(found.group()))
        style = attributes.pop("style", "")
        for name, value in _PIXELS.findall(style):
            attributes[name] = str(round(float(value)))
        style = _PIXELS.sub("", style).strip()
        if style:
            attributes["style"] = style
        if not {"width", "height"} <= attributes.keys():
            attributes |= _dimensions(attributes, size_of(attributes.get("src", "")))
        if "src" in attributes:
            attributes["src"] = smaller(attributes["src"])
        if "logo__image" not in attributes.get("class", ""):
            attributes.setdefault("loading", "lazy")
            attributes.setdefault("decoding", "async")
        return "<img " + " ".join(f'{name}="{value}"' for name, value in attributes.items()) + ">"

    return edit


def _dimensions(attributes: dict[str, str], natural: Size | None) -> dict[str, str]:
    """Return width and height of an image from its natural size and the one of them that is given, if any."""
    given: dict[str, str] = {name: attributes[name] for name in ("width", "height") if name in attributes}
    if natural is None or not all(value.isdigit() for value in given.values()):
        return given  # a percentage, say
    scale = 1.0
    if "width" in given:
        scale = int(given["width"]) / natural[0]
    elif "height" in given:
        scale = int(given["height"]) / natural[1]
    return {"width": str(round(natural[0] * scale)), "height": str(round(natural[1] * scale))}


def _scrolling_tables(part: str) -> str:
    """Let a wide table scroll inside itself; the script makes it reachable by keyboard where it does."""

    def wrap(found: re.Match[str]) -> str:
        if part[: found.start()].rstrip().endswith('<div class="pst-scrollable-table-container">'):
            return found.group()
        return f'<div class="cb-scroll">{found.group()}</div>'

    return _TABLE.sub(wrap, part)


def image_size(path: Path) -> Size | None:
    """Read (width, height) in CSS pixels from a PNG or SVG file; None if the file does not say."""
    if not path.is_file():
        return None
    data = path.read_bytes()[:4096]
    if data.startswith(b"\x89PNG"):
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    head = re.search(r"<svg\b[^>]*>", data.decode("utf-8", "ignore"), re.DOTALL)
    if head is None:
        return None
    scale = {"": 1, "px": 1, "pt": 4 / 3}
    found = {k: (float(v), u) for k, v, u in re.findall(r'\b(width|height)="([\d.]+)(px|pt|)"', head.group())}
    if len(found) == 2:
        return tuple(round(found[k][0] * scale[found[k][1]]) for k in ("width", "height"))  # type: ignore[return-value]
    box = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', head.group())
    return (round(float(box[1])), round(float(box[2]))) if box else None

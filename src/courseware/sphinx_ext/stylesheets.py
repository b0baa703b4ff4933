"""Style sheets without the rules that no page of the book can use: of the theme's 400 kB few apply.

What is left is one sheet, for a page is not painted before it has them all.
"""

from __future__ import annotations

import hashlib
import os.path
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_WORD = re.compile(r"[A-Za-z_][\w-]*")
_NAMED = re.compile(r"[.#]((?:\\.|[\w-])+)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{};]', re.DOTALL)
_LINK = re.compile(r'<link\b(?=[^>]*\brel="stylesheet")[^>]*\bhref="([^":]*?)_static/([^"?]+)[^"]*"[^>]*>\s*')
_IMPORT = re.compile(r'@import\s*(?:url\()?["\']?([^"\')]+)["\']?\)?\s*;')
_ADDRESS = re.compile(r"""url\((["']?)(?!["']|data:|[a-z]+:|/|#)([^"')]+)\1\)""")
_TOKEN_RULE = re.compile(r'data-theme="(\w+)"\] \.highlight(?: \.(\w+))? *\{([^}]*)\}')
_ONE = "book-and-theme.css"
_NESTING = ("@media", "@supports", "@layer", "@container")


def words_of(texts: Iterable[str]) -> set[str]:
    """Every word of the pages and scripts: a class that is not among them is never set."""
    return {word for text in texts for word in _WORD.findall(text)}


def purge(css: str, words: set[str]) -> str:
    """Drop the rules whose selectors all name a class or id that is not among ``words``."""
    return "".join(_kept(_COMMENT.sub("", css), words))


def plain_tokens(css: str) -> set[str]:
    """Return the classes of code's words that look like the text around them, by day and by night.

    Args:
        css: the style sheet that Pygments wrote for both themes.
    """
    looks: dict[tuple[str, str], str] = {}
    for theme, name, block in _TOKEN_RULE.findall(_COMMENT.sub("", css)):
        found = re.search(r"(?<![-\w])color:\s*([^;]+?)\s*(?:;|$)", block)
        other = re.sub(r"(?<![-\w])(color|background):[^;]*;?", "", block).strip() if name else ""
        looks[theme, name] = f"{found[1] if found else ''} {other}".strip().lower()
    themes = {theme for theme, _ in looks}
    names = {name for _, name in looks if name}
    return {
        name for name in names if all(looks.get((each, name)) == looks.get((each, "")) for each in themes)
    }


def as_one(pages: Mapping[Path, str], static: Path) -> dict[Path, str]:
    """Join the sheets that all pages link to, in their order, and return the pages with one link.

    Args:
        pages: the pages' files and their text.
        static: the folder of the sheets; the joined one is written there.
    """
    linked = {path: [found[2] for found in _LINK.finditer(page)] for path, page in pages.items()}
    names = next((each for each in linked.values() if _ONE not in each), [])
    if not names:
        return {}
    joined = "".join(_moved(static / name, static) for name in names)
    for name in names:
        (static / name).unlink()
    (static / _ONE).write_text(joined, "utf-8")
    digest = hashlib.sha256(joined.encode()).hexdigest()[:8]
    return {path: _linked(page, names, digest) for path, page in pages.items()}


def _linked(page: str, names: list[str], digest: str) -> str:
    """Replace the links to the joined sheets, the first by one to the whole."""
    first = True

    def edit(found: re.Match[str]) -> str:
        nonlocal first
        if found[2] not in [*names, _ONE]:
            return found[0]
        link = f'<link rel="stylesheet" href="{found[1]}_static/{_ONE}?v={digest}">\n' if first else ""
        first = False
        return link

    return _LINK.sub(edit, page)


def _moved(sheet: Path, folder: Path) -> str:
    """Return a sheet with what it imports, its addresses relative to another folder."""

    def imported(found: re.Match[str]) -> str:
        return _moved(sheet.parent / found[1], folder)

    def moved(found: re.Match[str]) -> str:
        return f"url({found[1]}{os.path.relpath(sheet.parent / found[2], folder)}{found[1]})"

    css = sheet.read_text("utf-8").replace('@charset "UTF-8";', "")
    return _IMPORT.sub(imported, _ADDRESS.sub(moved, css))


def _kept(css: str, words: set[str]) -> Iterator[str]:
    for prelude, block in _rules(css):
        head = prelude.strip()
        if block is None:
            yield head
        elif head.startswith(_NESTING):
            inner = "".join(_kept(block, words))
            if inner:
                yield f"{head}{{{inner}}}"
        elif head.startswith("@"):
            yield f"{head}{{{block}}}"
        else:
            used = [each.strip() for each in _alternatives(head) if _usable(each, words)]
            if used:
                yield f"{','.join(used)}{{{block.strip()}}}"


def _rules(css: str) -> Iterator[tuple[str, str | None]]:
    """Yield (prelude, block) of each rule, block None for a statement such as ``@charset``."""
    depth = start = opened = 0
    for found in _TOKEN.finditer(css):
        if found.group() == "{":
            depth += 1
            opened = found.start() if depth == 1 else opened
        elif found.group() == "}":
            depth -= 1
            if depth == 0:
                yield css[start:opened], css[opened + 1 : found.start()]
                start = found.end()
        elif found.group() == ";" and depth == 0:
            yield css[start : found.end()], None
            start = found.end()


def _alternatives(selectors: str) -> list[str]:
    """Split at the commas outside parentheses and brackets."""
    depth, parts = 0, [""]
    for sign in selectors:
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _usable(selector: str, words: set[str]) -> bool:
    """Whether each class and id of a selector is somewhere; what stands in :not() need not be."""
    plain = re.sub(r":(not|is|where|has)\([^()]*(\([^()]*\)[^()]*)*\)|\[[^\]]*\]", "", selector)
    return all(name.replace("\\", "") in words for name in _NAMED.findall(plain))

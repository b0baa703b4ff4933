"""Style sheets without the rules that no page of the book can use: of the theme's 400 kB few apply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_WORD = re.compile(r"[A-Za-z_][\w-]*")
_NAMED = re.compile(r"[.#]((?:\\.|[\w-])+)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{};]', re.DOTALL)
_NESTING = ("@media", "@supports", "@layer", "@container")


def words_of(texts: Iterable[str]) -> set[str]:
    """Every word of the pages and scripts: a class that is not among them is never set."""
    return {word for text in texts for word in _WORD.findall(text)}


def purge(css: str, words: set[str]) -> str:
    """Drop the rules whose selectors all name a class or id that is not among ``words``."""
    return "".join(_kept(_COMMENT.sub("", css), words))


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

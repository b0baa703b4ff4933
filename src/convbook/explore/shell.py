"""From an ES module and its data to one self-contained piece of HTML.

The module keeps anywidget's front-end contract (``export default { render({ model, el }) }``) and stands
inline, with its data as JSON: no kernel is asked, and nothing is fetched but the large parts that lie beside
a page of the book. What a reader without JavaScript gets instead, a table or pictures, is in the page from
the start.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any

from convbook.plots.display import checked_alt

_HERE = files("convbook.explore")
_EXPORT = "export default {"
_NEEDS = {"lenet_live": ("_network.js", "_ink.js")}  # what stands between shell.js and a long module
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class ExplorableError(ValueError):
    """An explorable does not exist, or its data cannot be put on a page."""


def list_explorables() -> list[str]:
    """Names that ``show`` knows."""
    names = (path.name for path in _HERE.iterdir())
    modules = (name for name in names if name.endswith(".js") and name[0] != "_" and name != "shell.js")
    return sorted(name.removesuffix(".js") for name in modules)


def source(name: str) -> str:
    """The ES module of an explorable, shared helpers in front: what anywidget would take as ``_esm``.

    Raises:
        ExplorableError: for an unknown name.
    """
    known = list_explorables()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
        raise ExplorableError(f"no explorable is called {name!r}: {hint}")
    parts = ("shell.js", *_NEEDS.get(name, ()), f"{name}.js")
    return "\n".join((_HERE / part).read_text(encoding="utf-8") for part in parts)


@dataclass(frozen=True)
class Explorable:
    """A module with what it reads and the words around it; shows itself as the last value of a cell.

    Attributes:
        name: a module's name, see ``list_explorables``.
        data: what the module reads by ``model.get(key)``; numbers, texts, lists, dicts, tensors and arrays.
        alt: in a sentence, what can be seen and changed.
        title: a heading.
        fallback: HTML for readers without JavaScript, as a rule a table; by default ``alt``.
        parts: large pieces that are read one at a time by ``part(model, key)``. In a notebook they lie in the
            output; on a page of the book each is a file, fetched when it is asked for.
    """

    name: str
    data: Mapping[str, Any]
    alt: str
    title: str = ""
    fallback: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)

    def html(self, beside: str = "") -> str:
        """Self-contained HTML, or with the parts in the folder ``beside``, an address that ends in a slash.

        Raises:
            ExplorableError: for an unknown name, or data that JSON cannot carry.
            ValueError: if ``alt`` is empty.
        """
        alt = checked_alt(self.alt)
        parts = {"beside": beside} if beside else {"parts": self.parts}
        content = to_json({**self.data, **(parts if self.parts else {})})
        # Named by what it shows: the same output twice on a page is one script, and both come alive.
        told = f"{self.name}\0{content}\0{self.title}\0{self.fallback}"
        identity = hashlib.sha256(told.encode()).hexdigest()[:12]
        script = source(self.name).replace(_EXPORT, "const explorable = {", 1)
        script += f'\nmount("{identity}", explorable);'
        if "</script" in script.lower() or "<!--" in script:
            raise ExplorableError(
                f"{self.name}.js would end its own script element: split the text '</script'"
            )
        css = (_HERE / "shell.css").read_text(encoding="utf-8")
        heading = f'<p class="cb-title">{escape(self.title)}</p>' if self.title else ""
        instead = self.fallback or f"<p>{escape(alt)}</p>"
        return (
            f'<div class="cb-explore" data-explore="{identity}" role="group" aria-label="{escape(alt)}">'
            f"<style>{css}</style>{heading}"
            f'<div class="cb-fallback">{instead}'
            "<p>Where scripts run, sliders stand here in its place.</p></div>"
            f'<script type="application/json">{content}</script>'
            f'<script type="module">\n{script}\n</script></div>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": checked_alt(self.alt)}


def show(name: str, data: Mapping[str, Any], *, alt: str, title: str = "", fallback: str = "") -> None:
    """Display an explorable of your own in the middle of a cell; see ``Explorable`` for the arguments.

    Raises:
        ExplorableError: for an unknown name, or data that JSON cannot carry.
        ValueError: if ``alt`` is empty.
    """
    explorable = Explorable(name, data, alt, title, fallback)
    put_on_page(explorable.html(), alt)


def put_on_page(content: str, alt: str) -> None:
    """Display HTML, with ``alt`` where only text can be shown."""
    from IPython.display import display

    display({"text/html": content, "text/plain": alt}, raw=True)


def to_json(data: Mapping[str, Any]) -> str:
    """JSON that is safe inside a script element."""
    try:
        text = json.dumps(data, allow_nan=False, default=_plain, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ExplorableError(f"the data cannot be written as JSON: {error}") from error
    for character, code in _UNSAFE.items():
        text = text.replace(character, code)
    return text


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # tensors, arrays, NumPy's scalars
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no number, text, list, dict, tensor or array")

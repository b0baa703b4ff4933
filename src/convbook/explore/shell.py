"""From an ES module and its data to one self-contained piece of HTML.

The module keeps anywidget's front-end contract (``export default { render({ model, el }) }``) and stands
inline, with its data as JSON: nothing is fetched, and no kernel is asked. What a reader without
JavaScript gets instead, a table or pictures, is in the page from the start.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from html import escape
from importlib.resources import files
from typing import Any

from convbook.plots.display import checked_alt

_HERE = files("convbook.explore")
_EXPORT = "export default {"
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class ExplorableError(ValueError):
    """An explorable does not exist, or its data cannot be put on a page."""


def list_explorables() -> list[str]:
    """Names that ``show`` knows."""
    names = (path.name for path in _HERE.iterdir())
    return sorted(name.removesuffix(".js") for name in names if name.endswith(".js") and name != "shell.js")


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
    return "\n".join((_HERE / part).read_text(encoding="utf-8") for part in ("shell.js", f"{name}.js"))


def to_html(name: str, data: dict[str, Any], *, alt: str, title: str = "", fallback: str = "") -> str:
    """The HTML of an explorable; see ``show``."""
    alt = checked_alt(alt)
    content = _json(data)
    # Named by what it shows: the same output twice on a page is one script, and both come alive.
    identity = hashlib.sha256(f"{name}\0{content}\0{title}\0{fallback}".encode()).hexdigest()[:12]
    script = source(name).replace(_EXPORT, "const explorable = {", 1) + f'\nmount("{identity}", explorable);'
    if "</script" in script.lower() or "<!--" in script:
        raise ExplorableError(f"{name}.js would end its own script element: split the text '</script'")
    css = (_HERE / "shell.css").read_text(encoding="utf-8")
    heading = f'<p class="cb-title">{escape(title)}</p>' if title else ""
    instead = fallback or f"<p>{escape(alt)}</p>"
    return (
        f'<div class="cb-explore" data-explore="{identity}" role="group" aria-label="{escape(alt)}">'
        f"<style>{css}</style>{heading}"
        f'<div class="cb-fallback">{instead}'
        "<p>Where scripts run, sliders stand here in its place.</p></div>"
        f'<script type="application/json">{content}</script>'
        f'<script type="module">\n{script}\n</script></div>'
    )


def show(name: str, data: dict[str, Any], *, alt: str, title: str = "", fallback: str = "") -> None:
    """Display an explorable: in a notebook, in Colab, and on the book's pages alike.

    Args:
        name: a module's name, see ``list_explorables``.
        data: what the module reads by ``model.get(key)``; numbers, texts, lists, dicts, tensors and arrays.
        alt: in a sentence, what can be seen and changed.
        title: a heading.
        fallback: HTML for readers without JavaScript, as a rule a table; by default ``alt``.

    Raises:
        ExplorableError: for an unknown name, or data that JSON cannot carry.
        ValueError: if ``alt`` is empty.
    """
    put_on_page(to_html(name, data, alt=alt, title=title, fallback=fallback), alt)


def put_on_page(content: str, alt: str) -> None:
    """Display HTML, with ``alt`` where only text can be shown."""
    from IPython.display import display

    display({"text/html": content, "text/plain": alt}, raw=True)


def _json(data: dict[str, Any]) -> str:
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

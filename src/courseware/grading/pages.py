"""Pages that stand alone: no script, nothing fetched, every text escaped; equal values give equal bytes.

Times are all that differs when a folder is graded twice; in a page they stand in elements of class `time`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
POLICY = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"
# Control characters but for tab and newline, line separators, what turns the direction of text round beyond
# its own element, halves of characters. Marks that Arabic, Hebrew or Persian need are not among them.
UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def clean(text: str) -> str:
    """Return text from outside with a replacement character for each that must not reach a page."""
    return UNSHOWN.sub("\ufffd", text.replace("\r\n", "\n"))


def number(value: float) -> str:
    """Return at most two decimals, the precision of gradebooks: 7.333 -> '7.33', 10.0 -> '10'."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """Return whole per cents, 0 and 100 only where nothing or everything is meant: 0.996 -> '99 %'."""
    rounded = round(100 * share)
    if share not in (0, 1):
        rounded = min(max(rounded, 1), 99)
    return f"{rounded} %"


def duration(seconds: float) -> str:
    """Return a time to read: 0.04 -> '0.0 s', 12.34 -> '12.3 s', 125 -> '2 min 5 s'."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def count(how_many: int, what: str) -> str:
    """Return a number with its noun: (1, 'student') -> '1 student', (3, 'student') -> '3 students'."""
    return f"{how_many:,} {what}{'' if how_many == 1 else 's'}"


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write a page, whole or not at all; one that would not change is left alone.

    Hundreds are written at once, so none is waited for until it is on the disk: results make them again.
    """
    page = _environment().get_template(template).render(values).encode()
    with suppress(FileNotFoundError):
        if path.read_bytes() == page:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(page)
    draft.replace(path)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = "\n" + (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment.filters |= {"number": number, "percent": percent, "duration": duration, "count": count}
    environment.globals |= {
        "style": Markup(style),
        "policy": f"{POLICY}; style-src 'sha256-{digest}'",  # by its hash: not even an attribute adds another
    }
    return environment

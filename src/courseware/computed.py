"""What pages compute at length, kept until the package that computes it changes.

A page asks by a directive, such as ``{ledger}``. `course build` puts the result among the staged sources;
Jupyter Book run by itself computes it there and then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import MappingProxyType

from courseware import cache as kept
from courseware.notebooks import write_atomic

FOLDER = ".computed"  # among the staged sources
_ASKED = re.compile(r"^[`:]{3,}\{(\w+)\}\s*$", re.MULTILINE)


def ledger() -> str:
    """The ledger's table, as HTML."""
    from convbook import claims
    from courseware.ledger import cores

    return claims.ledger_html(claims.verify(jobs=cores()))


def errata() -> str:
    """Every slip of the literature, as Markdown."""
    from convbook.errata import errata_markdown

    return errata_markdown()


MAKERS: MappingProxyType[str, Callable[[], str]] = MappingProxyType({"ledger": ledger, "errata": errata})


def asked_for(pages: Iterable[str]) -> list[str]:
    """Names of the results that the pages' Markdown asks for, each once."""
    return sorted({name for text in pages for name in _ASKED.findall(text) if name in MAKERS})


def prepare(names: Iterable[str], root: Path, say: Callable[[str], None] = print) -> dict[str, bytes]:
    """Return each result, from the cache unless package, Python or libraries changed."""
    folder = root / ".cache" / "computed"
    environment = kept.environment(kept.package_folder(root), root)[:16]
    made = {}
    for name in names:
        path = folder / f"{name}-{environment}.txt"
        if not path.exists():
            say(f"computing what the page {name} shows")
            text = MAKERS[name]()
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob(f"{name}-*.txt"):
                old.unlink(missing_ok=True)
            write_atomic(path, text.encode())
        made[name] = path.read_bytes()
    return made


def load(name: str, stage: Path) -> str:
    """The result as ``prepare`` staged it, or computed here and now."""
    staged = stage / FOLDER / f"{name}.txt"
    return staged.read_text("utf-8") if staged.is_file() else MAKERS[name]()

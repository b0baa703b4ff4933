"""Explorables of pages that are no notebooks: counted while the book is built, and kept as JSON.

A page asks by ``{explorable}`` and a builder's name; the builder of ``convbook.explore`` is called without
arguments.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from convbook import explore
from convbook.explore.shell import to_json
from courseware import cache as kept
from courseware.notebooks import write_atomic

FOLDER = ".explorables"  # among the staged sources
_ASKED = re.compile(r"^[`:]{3,}\{explorable\}\s+(\S+)\s*$", re.MULTILINE)


def asked_for(pages: Iterable[str]) -> list[str]:
    """Names of the explorables for which the pages' Markdown asks, each once."""
    return sorted({name for text in pages for name in _ASKED.findall(text)})


def prepare(names: Iterable[str], root: Path, say: Callable[[str], None] = print) -> dict[str, bytes]:
    """Return each explorable as JSON, from the cache unless package, Python or libraries changed.

    Raises:
        ExplorableError: for a name that no builder has.
    """
    folder = root / ".cache" / "explorables"
    environment = kept.environment(kept.package_folder(root), root)[:16]
    made = {}
    for name in names:
        path = folder / f"{name}-{environment}.json"
        if not path.exists():
            say(f"counting what the explorable {name} shows")
            explorable = build(name)
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob(f"{name}-*.json"):
                old.unlink(missing_ok=True)
            write_atomic(path, to_json(dataclasses.asdict(explorable)).encode())
        made[name] = path.read_bytes()
    return made


def load(name: str, stage: Path) -> explore.Explorable:
    """The explorable as ``prepare`` staged it, or built here and now."""
    staged = stage / FOLDER / f"{name}.json"
    return explore.Explorable(**json.loads(staged.read_bytes())) if staged.is_file() else build(name)


@cache
def build(name: str) -> explore.Explorable:
    """Call a builder without arguments.

    Raises:
        ExplorableError: if there is none of that name.
    """
    if name not in explore.__all__ or name not in explore.list_explorables():
        known = ", ".join(each for each in explore.list_explorables() if each in explore.__all__)
        raise explore.ExplorableError(f"no explorable is called {name!r}: choose from {known}")
    made = getattr(explore, name)()
    assert isinstance(made, explore.Explorable)
    return made

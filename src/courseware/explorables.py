"""Explorables of pages that are no notebooks: counted while the book is built, and kept as JSON.

A page asks by ``{explorable}`` and a builder's name; the builder of ``convbook.explore`` is called without
arguments.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from courseware import cache as kept
from courseware.execute import cores
from courseware.notebooks import write_atomic

if TYPE_CHECKING:  # an import costs seconds, and nothing may be left to count
    from convbook import explore

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
    paths = {name: folder / f"{name}-{environment}.json" for name in names}
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing:
        say(f"counting what is shown by {', '.join(missing)}")
        with ProcessPoolExecutor(min(cores(), len(missing)), get_context("spawn")) as pool:
            for name, content in zip(missing, pool.map(_as_json, missing), strict=True):
                for old in folder.glob(f"{name}-*.json"):
                    old.unlink(missing_ok=True)
                write_atomic(paths[name], content)
    return {name: path.read_bytes() for name, path in paths.items()}


def _as_json(name: str) -> bytes:
    from convbook.explore.shell import to_json

    return to_json(dataclasses.asdict(build(name))).encode()


def load(name: str, stage: Path) -> explore.Explorable:
    """The explorable as ``prepare`` staged it, or built here and now."""
    from convbook import explore

    staged = stage / FOLDER / f"{name}.json"
    return explore.Explorable(**json.loads(staged.read_bytes())) if staged.is_file() else build(name)


@cache
def build(name: str) -> explore.Explorable:
    """Call a builder without arguments.

    Raises:
        ExplorableError: if there is none of that name.
    """
    from convbook import explore

    known = [each for each in explore.list_explorables() if _needs_nothing(getattr(explore, each))]
    if name not in known:
        raise explore.ExplorableError(
            f"no explorable that needs no notebook is called {name!r}: choose from {', '.join(known)}"
        )
    made = getattr(explore, name)()
    assert isinstance(made, explore.Explorable)
    return made


def _needs_nothing(builder: Callable[..., object]) -> bool:
    needed = [p for p in inspect.signature(builder).parameters.values() if p.default is p.empty]
    return all(p.kind is p.VAR_POSITIONAL for p in needed)

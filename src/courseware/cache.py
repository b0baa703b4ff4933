"""Executed notebooks, kept under the hash of everything that decided what they contain."""

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from courseware.notebooks import Notebook, strip

LIBRARIES = ("torch", "torchvision", "numpy", "matplotlib")  # whoever installs without the lock has others
RUNNER = ("engine", "execute", "hatched", "notebooks", "nursery", "worker")  # modules beside this one
KEEP_DAYS = 30


def package_folder(root: Path) -> Path:
    """Return the folder of the `convbook` that notebooks will import: the course's own if it has one.

    Raises:
        ModuleNotFoundError: if there is none at all.
    """
    own = root / "src" / "convbook"
    if own.is_dir():
        return own
    spec = importlib.util.find_spec("convbook")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("convbook is not installed: run `make venv` first")
    return Path(spec.origin).parent


def environment(package: Path, root: Path) -> str:
    """Return the hash of what all notebooks share: package, runner, lock, Python, libraries, data folder."""
    digest = hashlib.sha256(f"python {sys.version_info.major}.{sys.version_info.minor}\n".encode())
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        if "__pycache__" not in path.parts:
            digest.update(_entry(path.relative_to(package).as_posix(), path.read_bytes()))
    here = Path(__file__).parent
    for path in [root / "requirements.lock", *(here / f"{name}.py" for name in RUNNER)]:
        if path.is_file():
            digest.update(_entry(path.name, path.read_bytes()))
    for name in LIBRARIES:
        digest.update(f"{name} {_version(name)}\n".encode())
    data = Path(os.environ.get("CONVBOOK_DATA") or os.devnull)
    if data.is_dir():  # names and sizes: its files are gigabytes, and their loader checks their sums
        for path in sorted(path for path in data.iterdir() if path.is_file()):
            digest.update(f"data {path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


def key(notebook: Notebook, parameters: dict[str, Any], environment: str) -> str:
    """Return the name under which the executed copy of this notebook is kept."""
    source = strip(notebook)
    source["metadata"] = {
        name: value for name, value in source["metadata"].items() if name != "language_info"
    }
    text = json.dumps([source, parameters, environment], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def prune(folder: Path, keep_days: float = KEEP_DAYS) -> None:
    """Delete copies that no run has asked for in `keep_days` days."""
    oldest = time.time() - keep_days * 86400
    for path in folder.rglob("*.ipynb"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _entry(name: str, content: bytes) -> bytes:
    return f"{name} {hashlib.sha256(content).hexdigest()}\n".encode()


@cache
def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"

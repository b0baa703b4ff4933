"""From notebooks to pages: execute, stage, run Jupyter Book, and swap the new pages in.

The pages that readers see are replaced only by a complete new set: a failed or interrupted build leaves
the old ones where they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from courseware import cache, computed, explorables
from courseware.contents import STAGED, RenderError, Say, prepare, sources
from courseware.execute import TIMEOUT, Outcome, Reporter
from courseware.notebooks import find_root, write_atomic

BESIDE = ("_config.yml", "_toc.yml", "references.bib", "CHANGELOG.md", "CITATION.cff")
_TROUBLE = re.compile(r"\b(WARNING|ERROR|CRITICAL|error:)|^[\w.]*(Error|Exception)\b")
_CELL = re.compile(r"(\.ipynb):(\d+)\d{4}:")  # myst-nb counts lines from 10,000 times the cell's number


@dataclass(frozen=True)
class Book:
    """A built book: its front page, how long it took, and what had to be done."""

    index: Path
    seconds: float
    executed: int
    rendered: bool


def build(
    root: Path | None = None,
    out: Path | None = None,
    *,
    jobs: int | None = None,
    parameters: dict[str, Any] | None = None,
    timeout: float = TIMEOUT,
    force: bool = False,
    reporter: Reporter | None = None,
    say: Say = print,
) -> Book:
    """Build the book under `root` into `out` (by default `root/_build/html`).

    Nothing is executed that the cache holds, and nothing rendered if no input changed.

    Args:
        root: the course's folder.
        out: where the pages go; its parent also holds the staged sources and the log.
        jobs: notebooks executed at once.
        parameters: values for the cells tagged `parameters`.
        timeout: seconds for each notebook.
        force: execute and render even what has not changed.
        reporter: told how execution goes.
        say: called with a line at each step.

    Raises:
        RenderError: if a notebook fails, a page is missing, or Jupyter Book warns of anything.
    """
    started = time.monotonic()
    root = (root or find_root()).resolve()
    out = (out or root / "_build" / "html").resolve()
    work = out.parent
    work.mkdir(parents=True, exist_ok=True)
    with _alone(work, say):
        counted = _Count(reporter)
        pages = prepare(
            root, jobs=jobs, parameters=parameters, timeout=timeout, force=force, reporter=counted, say=say
        )
        stale = show(root, pages, out, force=force, say=say)
    book = Book(out / "index.html", time.monotonic() - started, counted.executed, stale)
    state = "built" if stale else "up to date"
    say(f"book {state} in {book.seconds:.1f} s: {book.index}")
    return book


def show(root: Path, pages: dict[str, str], out: Path, *, force: bool = False, say: Say = print) -> bool:
    """Render executed notebooks and the other pages into `out`; False if no input had changed.

    Args:
        root: the course's folder.
        pages: name -> text of the executed notebook.
        out: where the pages go.
        force: render in any case, and read every page anew.
        say: called with a line at each step.

    Raises:
        RenderError: if a page is missing, or Jupyter Book warns of anything.
    """
    work = out.parent
    inputs = _inputs(root, pages, say)
    texts = {name for name in inputs if name.endswith((".md", ".ipynb")) and name not in BESIDE}
    code = _code(root, {name: content for name, content in inputs.items() if name not in texts})
    digest = _digest(code, inputs)
    stamp = work / f".{out.name}.sha256"
    current = stamp.read_text() if stamp.exists() else ""
    if not force and digest == current and not _absent(out, pages):
        return False
    kept = work / ".rendered"  # what Sphinx has read and written, for as long as no more than texts change
    made_by = kept / "code.sha256"
    if force or not made_by.exists() or made_by.read_text() != code:
        shutil.rmtree(kept, ignore_errors=True)
    made_by.unlink(missing_ok=True)  # an interrupted run is not gone on with
    stage = work / "stage"
    _write_stage(stage, inputs)
    say(f"rendering {len(sources(root))} pages")
    _render(root, stage, out, kept, work / "render.log")
    write_atomic(made_by, code.encode())
    write_atomic(stamp, digest.encode())
    return True


class _Count(Reporter):
    """Counts what was really executed, and passes everything on."""

    def __init__(self, other: Reporter | None) -> None:
        self.other = other or Reporter()
        self.executed = 0

    def started(self, path: Path) -> None:
        self.other.started(path)

    def at_cell(self, path: Path, number: int, total: int) -> None:
        self.other.at_cell(path, number, total)

    def finished(self, outcome: Outcome) -> None:
        self.executed += not outcome.cached
        self.other.finished(outcome)


def _inputs(root: Path, pages: dict[str, str], say: Say) -> dict[str, bytes]:
    """Return everything Jupyter Book reads, by its path in the staged folder."""
    inputs = {name: (root / name).read_bytes() for name in BESIDE if (root / name).is_file()}
    for name, path in sources(root).items():
        if name not in pages:
            inputs[f"{name}{path.suffix}"] = path.read_bytes()
    asked = explorables.asked_for(text.decode() for text in inputs.values())
    try:
        counted = explorables.prepare(asked, root, say)
    except ValueError as error:  # no explorable of that name
        raise RenderError(f"the book was not built: {error}") from None
    for name, content in counted.items():
        inputs[f"{explorables.FOLDER}/{name}.json"] = content
    asked = computed.asked_for(text.decode() for name, text in inputs.items() if name.endswith(".md"))
    for name, content in computed.prepare(asked, root, say).items():
        inputs[f"{computed.FOLDER}/{name}.txt"] = content
    inputs |= {f"{name}.ipynb": text.encode() for name, text in pages.items()}
    for path in sorted((root / "_static").rglob("*")):
        if path.is_file():
            inputs[path.relative_to(root).as_posix()] = path.read_bytes()
    inputs[STAGED] = b""
    return inputs


def _code(root: Path, inputs: dict[str, bytes]) -> str:
    """Return the hash of what decides how any page looks: code, and all inputs but the pages' texts."""
    digest = hashlib.sha256(cache.environment(cache.package_folder(root), root).encode())
    here = Path(__file__).parent
    for path in sorted([*here.rglob("*.py"), *here.rglob("*.json")]):
        digest.update(path.read_bytes())
    for name in ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme", "pydata-sphinx-theme"):
        digest.update(f"{name} {version(name)}\n".encode())
    return _digest(digest.hexdigest(), inputs)


def _digest(code: str, inputs: dict[str, bytes]) -> str:
    """Return the hash of all that decides how the pages look."""
    digest = hashlib.sha256(code.encode())
    for name in sorted(inputs):
        digest.update(f"{name} {hashlib.sha256(inputs[name]).hexdigest()}\n".encode())
    return digest.hexdigest()


def _write_stage(stage: Path, inputs: dict[str, bytes]) -> None:
    """Write what changed, so that Sphinx, which looks at times, reads only that again."""
    for path in [path for path in stage.rglob("*") if path.is_file()]:
        if path.relative_to(stage).as_posix() not in inputs:
            path.unlink()
    for name, content in inputs.items():
        target = stage / name
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _render(root: Path, stage: Path, out: Path, kept: Path, log: Path) -> None:
    """Run Jupyter Book on the staged sources, then put its pages in the place of `out`.

    In `kept` stays what Sphinx has read and written, until something fails: a warning is given once.
    """
    made = kept / "_build" / "html"
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(stage)]
    command += ["--path-output", str(kept), "--warningiserror", "--keep-going", "--nitpick"]
    environ = dict(os.environ, NO_COLOR="1", PYTHONWARNINGS="ignore::DeprecationWarning")
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environ).returncode
    absent = _absent(made, sources(stage))
    if code or absent:
        shutil.rmtree(kept, ignore_errors=True)
        reasons = _relevant(log, stage, root)
        reasons = reasons or [f"  Jupyter Book made no page {name}.html" for name in absent]
        reasons = reasons or [f"  Jupyter Book ended with status {code}"]
        raise RenderError("\n".join(["the book was not built:", *reasons, f"  whole log: {log}"]))
    _swap(made, out)


def _absent(html: Path, pages: dict[str, Any]) -> list[str]:
    return [name for name in dict.fromkeys(["index", *pages]) if not (html / f"{name}.html").is_file()]


def _relevant(log: Path, stage: Path, root: Path, most: int = 20) -> list[str]:
    """Return the lines of the log that tell what is wrong, with paths of the sources."""
    lines = log.read_text("utf-8", errors="replace").replace(str(stage), str(root)).splitlines()
    lines = [_CELL.sub(r"\1, cell \2:", re.sub(r"\x1b\[[0-9;]*m", "", line).strip()) for line in lines]
    found = [line for line in dict.fromkeys(lines) if _TROUBLE.search(line) and line != "RuntimeError:"]
    more = [f"  ... and {len(found) - most} more"] if len(found) > most else []
    return [f"  {line}" for line in found[:most]] + more


def _swap(made: Path, out: Path) -> None:
    """Put a copy of `made` in the place of `out` by two renames."""
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".new-") as place:
        shutil.copytree(made, Path(place, "new"))
        if out.exists():
            out.rename(Path(place, "old"))
        Path(place, "new").rename(out)


@contextlib.contextmanager
def _alone(work: Path, say: Say) -> Iterator[None]:
    """Let one build at a time work in this folder; the others wait."""
    with (work / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another build is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""Run notebooks through papermill, many at once, each in a process of its own, cached by content.

`execute` decides what ran well: a notebook cannot vouch for itself. It keeps the copies of healthy
notebooks and reports every other one in a line, while the rest go on.
"""

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from courseware import cache
from courseware.child import Child, Job
from courseware.notebooks import (
    FULL_DISK,
    MEASURED,
    Notebook,
    NotebookError,
    clean_executed,
    dumps,
    find_root,
    first_line,
    read,
    tags,
    write_atomic,
)
from courseware.nursery import AVAILABLE, LIBRARIES, Nursery
from courseware.parameters import require_parameters

TIMEOUT = 600.0  # seconds of wall clock for a whole notebook, its kernel's start included
MAX_OUTPUT = 10_000_000  # bytes of output a notebook may keep; a page with more would not load on a phone


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook.

    `status` is "ok" or the reason why not: "failed" (a cell raised), "unhealthy" (a cell did not run, or no
    check at the end), "timeout", "died", "flood" (too much output), "kernel" (not installed), "disk",
    "unreadable" or "broken" (the runner itself). `output` is the cached copy or, after trouble, the partial
    one; `cell` counts all cells of the source from 1.
    """

    path: Path
    status: str
    seconds: float = 0.0
    cached: bool = False
    output: Path | None = None
    error: str = ""
    cell: int | None = None
    traceback: str = ""

    @property
    def ok(self) -> bool:
        """Whether every cell ran and the check held."""
        return self.status == "ok"


class Reporter:
    """Told what happens as it happens; does nothing by itself."""

    def started(self, path: Path) -> None:
        """A notebook was handed to a kernel."""

    def at_cell(self, path: Path, number: int, total: int) -> None:
        """Cell `number` of `total` begins."""

    def finished(self, outcome: Outcome) -> None:
        """A notebook ended, well or not, or was found in the cache."""


def execute(
    notebooks: Iterable[Path],
    parameters: dict[str, Any] | None = None,
    *,
    jobs: int | None = None,
    timeout: float = TIMEOUT,
    max_output: int = MAX_OUTPUT,
    force: bool = False,
    root: Path | None = None,
    cache_dir: Path | None = None,
    package: Path | None = None,
    reporter: Reporter | None = None,
) -> list[Outcome]:
    """Execute `notebooks`, at most `jobs` at a time, and say what became of each, in their order.

    Args:
        notebooks: files to run; they are never written to.
        parameters: values for names in each notebook's cell tagged `parameters`.
        jobs: how many at once; one a core by default. Each gets its share of the cores as threads.
        timeout: seconds of wall clock for a notebook, after which its processes are killed.
        max_output: bytes of output after which a notebook is stopped.
        force: run even what the cache holds.
        root: the course's folder; `find_root()` by default.
        cache_dir: where executed copies are kept, by default `root/.cache/executed`.
        package: folder of the `convbook` to import; part of the cache's key.
        reporter: told about progress.

    Raises:
        ParameterError: before anything runs, if a notebook lacks a parameter.
        KeyboardInterrupt: after killing what runs; what had finished stays cached.
    """
    root = root or find_root()
    package = package or cache.package_folder(root)
    folder = cache_dir or root / ".cache" / "executed"
    reporter = reporter or Reporter()
    parameters = parameters or {}
    paths = list(dict.fromkeys(Path(path).resolve() for path in notebooks))
    outcomes: dict[Path, Outcome] = {}

    def finish(outcome: Outcome) -> None:
        outcomes[outcome.path] = outcome
        reporter.finished(outcome)

    sources: dict[Path, Notebook] = {}
    for path in paths:
        try:
            sources[path] = read(path)
        except (NotebookError, OSError) as error:
            finish(Outcome(path, "unreadable", error=str(error)))
    for path, notebook in sources.items():
        require_parameters(path, notebook, parameters)

    environment = cache.environment(package, root)
    waiting: list[Job] = []
    for path, notebook in sources.items():
        name = cache.key(notebook, parameters, environment)
        kept = folder / f"{name}.ipynb"
        if not force and _is_healthy(kept):
            with contextlib.suppress(OSError):
                os.utime(kept)  # for prune
            finish(Outcome(path, "ok", cached=True, output=kept))
        else:
            partial = folder / "partial" / f"{path.stem}-{name[:12]}.ipynb"
            waiting.append(Job(path, parameters, kept, partial, timeout, max_output))

    if waiting:
        used = _libraries(sources[job.path] for job in waiting)
        for outcome in _run(waiting, jobs or cores(), package, reporter, used):
            finish(outcome)
        cache.prune(folder)
    return [outcomes[path] for path in paths]


def health(notebook: Notebook) -> tuple[int | None, str] | None:
    """Return None if every code cell ran and the last is a check; else which cell, and what is wrong."""
    last = None
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] != "code":
            continue
        last = number
        if not cell["source"].strip():
            return number, "is an empty code cell: remove it"
        if cell.get("execution_count") is None:
            return number, f"(`{first_line(cell['source'])}`) did not run: an earlier cell ended the notebook"
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                return number, f"raised {output.get('ename')}: {output.get('evalue')}".rstrip(": ")
    if last is None:
        return None, "has no code cell, so no check: end it with a code cell tagged `check`"
    if "check" not in tags(notebook["cells"][last - 1]):
        return None, f"has no check: its last code cell (cell {last}) must be tagged `check`"
    return None


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_healthy(path: Path) -> bool:
    try:
        return health(read(path)) is None
    except (NotebookError, OSError):
        return False


def _libraries(notebooks: Iterable[Notebook]) -> tuple[str, ...]:
    """What is worth importing before the first notebook runs: nothing, unless one will import it."""
    code = (cell["source"] for nb in notebooks for cell in nb["cells"] if cell["cell_type"] == "code")
    return LIBRARIES if any("import torch" in each or "convbook import" in each for each in code) else ()


def _run(
    waiting: list[Job], jobs: int, package: Path, reporter: Reporter, libraries: tuple[str, ...]
) -> Iterator[Outcome]:
    """Run the jobs, yielding each outcome as it comes; whatever still runs is killed on the way out."""
    warm = AVAILABLE and len(waiting) > 1
    jobs = max(1, min(jobs, len(waiting)))
    waiting = list(waiting)
    running: list[Child] = []
    with _termination_raises(), tempfile.TemporaryDirectory(prefix="course-") as scratch:
        environ = _environ(package, max(1, cores() // jobs), scratch)
        nursery = Nursery(environ, libraries) if warm else None
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    job = waiting.pop(0)
                    try:
                        _make_room(job)
                        home = tempfile.mkdtemp(dir=scratch)  # what a notebook writes stays out of the course
                        running.append(Child(job, environ, reporter.at_cell, home, nursery))
                    except OSError as error:
                        yield _outcome_of_oserror(job, error, 0.0)
                    else:
                        reporter.started(job.path)
                Child.wait_for_news(running, seconds=0.2)
                for child in [child for child in running if child.ended()]:
                    running.remove(child)
                    yield _outcome(child)
        finally:
            for child in running:
                child.kill()
            if nursery is not None:
                nursery.close()


def _outcome(child: Child) -> Outcome:
    """Judge an ended child; keep its copy if it is healthy."""
    job, result = child.job, child.result
    seconds = time.monotonic() - child.started
    status, number, error = result["status"], result.get("cell"), result["error"]
    if status == "ok":
        try:
            notebook = clean_executed(read(job.partial))
            trouble = health(_without_injected(notebook))
            if trouble is None:
                notebook["metadata"][MEASURED] = {"seconds": round(seconds, 1), "threads": child.threads}
                write_atomic(job.kept, dumps(notebook))
                job.partial.unlink(missing_ok=True)
                return Outcome(job.path, "ok", seconds, output=job.kept)
        except OSError as problem:
            return _outcome_of_oserror(job, problem, seconds)
        except NotebookError as problem:
            trouble = None, f"left an unreadable copy: {problem}"
        status, (number, error) = "unhealthy", trouble
    if status == "disk":
        job.partial.unlink(missing_ok=True)  # cut short, and in the way of the others
    where = f"cell {number} " if number else ""
    if where and status not in ("unhealthy", "flood"):
        where = f"cell {number} (`{result['line']}`): "
    output = job.partial if job.partial.exists() else None
    error = f"{where}{error}"
    return Outcome(job.path, status, seconds, False, output, error, number, result.get("traceback", ""))


def _outcome_of_oserror(job: Job, error: OSError, seconds: float) -> Outcome:
    if error.errno in FULL_DISK:
        text = f"no space left on the disk of {job.kept.parent}: free some and run again"
    else:
        text = f"cannot write the executed copy: {error}"
    output = job.partial if job.partial.exists() else None
    return Outcome(job.path, "disk", seconds, output=output, error=text)


def _without_injected(notebook: Notebook) -> Notebook:
    """Leave out the cell papermill added, so that cell numbers are the source's."""
    return dict(notebook, cells=[c for c in notebook["cells"] if "injected-parameters" not in tags(c)])


def _make_room(job: Job) -> None:
    """Remove what earlier runs of the same notebook left half done."""
    job.partial.parent.mkdir(parents=True, exist_ok=True)
    for old in job.partial.parent.glob(f"{job.path.stem}-{'?' * 12}.ipynb"):
        old.unlink(missing_ok=True)


def _environ(package: Path, threads: int, scratch: str) -> dict[str, str]:
    """Return the children's environment: their package, their share of the cores, nobody's profile."""
    environ = dict(os.environ)
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM"):
        environ[f"{name}_NUM_THREADS"] = str(threads)
    environ["PYTHONPATH"] = os.pathsep.join([str(package.parent), *filter(None, [environ.get("PYTHONPATH")])])
    environ["JUPYTER_RUNTIME_DIR"] = environ["IPYTHONDIR"] = scratch
    environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else the debugger's warning shows on pages
    environ.pop("MPLBACKEND", None)  # figures must reach the page, whatever this process uses
    return environ


@contextlib.contextmanager
def _termination_raises() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that a cancelled CI job leaves no kernels behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

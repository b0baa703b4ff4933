"""What `course run` and `course build` say while notebooks run: a live table on a terminal, else lines."""

import contextlib
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from courseware.execute import Outcome, Reporter

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Lines(Reporter):
    """A line when a notebook starts and one when it ends; nothing for those found in the cache."""

    def __init__(self, root: Path, stream: TextIO | None = None) -> None:
        self.root = root
        self.stream = stream or sys.stdout
        self.outcomes: list[Outcome] = []

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def started(self, path: Path) -> None:
        """Say that a notebook runs."""
        self.say(f"{self.name(path)}: running")

    def finished(self, outcome: Outcome) -> None:
        """Say how a notebook ended and, if not well, where to look."""
        self.outcomes.append(outcome)
        if not outcome.cached:
            self.say(describe(outcome, self.root))

    def summary(self) -> str:
        """Return how many notebooks ran, were unchanged, or failed."""
        counts = Counter("unchanged" if o.cached else "ran" if o.ok else "failed" for o in self.outcomes)
        parts = [f"{counts[kind]} {kind}" for kind in ("ran", "unchanged", "failed") if counts[kind]]
        total = len(self.outcomes)
        return f"{total} notebook{'s' * (total != 1)}: {', '.join(parts) or 'nothing to do'}"

    def name(self, path: Path) -> str:
        """Return a notebook's path from the course's root."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def say(self, text: str) -> None:
        """Print."""
        print(text, file=self.stream, flush=True)

    def close(self) -> None:
        """End the display."""


class Live(Lines):
    """The same on a terminal, with a row for each running notebook: cell, cells, seconds."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._progress: Progress | None = None
        self._tasks: dict[Path, TaskID] = {}

    def started(self, path: Path) -> None:
        """Add a row."""
        if self._progress is None:
            self._progress = _live_rows()
            self._progress.start()
        self._tasks[path] = self._progress.add_task(self.name(path), total=None)

    def at_cell(self, path: Path, number: int, total: int) -> None:
        """Move the row on."""
        if self._progress is not None:
            self._progress.update(self._tasks[path], completed=number - 1, total=total)

    def finished(self, outcome: Outcome) -> None:
        """Replace the row by a line."""
        if self._progress is not None and outcome.path in self._tasks:
            self._progress.remove_task(self._tasks.pop(outcome.path))
        super().finished(outcome)

    def say(self, text: str) -> None:
        """Print above the rows."""
        if self._progress is None:
            super().say(text)
        else:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the rows."""
        if self._progress is not None:
            with contextlib.suppress(OSError):
                self._progress.stop()


def reporter(root: Path) -> Lines:
    """Return the display that fits standard output."""
    return Live(root) if sys.stdout.isatty() else Lines(root)


def describe(outcome: Outcome, root: Path) -> str:
    """Return a line about an outcome; after trouble also the traceback and the partial copy's path."""
    path = outcome.path
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if outcome.ok:
        return f"{name}: ok, {'unchanged' if outcome.cached else f'{outcome.seconds:.1f} s'}"
    lines = [f"{name}: FAILED, {outcome.error}"]
    lines += [f"    {line}" for line in outcome.traceback.splitlines()]
    if outcome.output is not None:
        lines.append(f"    what it had done so far: {outcome.output}")
    return "\n".join(lines)


def _live_rows() -> "Progress":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        transient=True,
    )

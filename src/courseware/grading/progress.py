"""What `course grade` says while it grades: a live line on a terminal, else plain lines now and then."""

import contextlib
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from courseware.grading.result import Result

if TYPE_CHECKING:
    from rich.progress import Progress

EVERY = 10.0  # seconds between two plain lines


class Lines:
    """A line every few seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.total = self.failed = self.done = self._left = 0
        self._told = 0
        self._began = self._first = self._said = time.monotonic()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self, total: int, kept: int, failed: int) -> None:
        """Begin to grade `total` submissions: `kept` were graded earlier, `failed` cannot be read."""
        self.total, self.failed = total, failed
        self._left = total - kept - failed
        self._began = self._said = time.monotonic()
        if kept:
            self.say(f"{kept} of {total} submissions are done already")

    def finished(self, result: Result) -> None:
        """Count a result."""
        if not self.done:
            self._first = time.monotonic()
        self.done += 1
        self._left -= 1
        if not result.graded:
            self.failed += 1

    def tick(self) -> None:
        """Say how it stands, if it is time."""
        now = time.monotonic()
        if self.done > self._told and now - self._said >= EVERY:
            self._said, self._told = now, self.done
            self.say(self.status())

    def status(self) -> str:
        """Return how many are done, how fast, how long the rest takes, how many could not be run."""
        parts = [f"{self.total - self._left}/{self.total}"]
        if self.done:
            rate = self._rate()
            parts += [f"{60 * rate:.1f} a minute", f"{duration(self._left / rate)} left"]
        return ", ".join([*parts, f"{self.failed} not run"])

    def _rate(self) -> float:
        """Return how many a second; from the first on, because workers take a while to start."""
        now = time.monotonic()
        if self.done > 1 and now > self._first:
            return (self.done - 1) / (now - self._first)
        return self.done / max(now - self._began, 1e-9)

    def say(self, text: str) -> None:
        """Print."""
        print(text, file=self.stream, flush=True)

    def close(self) -> None:
        """End the display."""


class Live(Lines):
    """The same on a terminal, with a bar in place of the repeated lines."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None

    def start(self, total: int, kept: int, failed: int) -> None:
        """Show the bar."""
        super().start(total, kept, failed)
        self._progress = _bar()
        self._task = self._progress.add_task("", total=total, completed=kept + failed)
        self._progress.start()

    def tick(self) -> None:
        """Move the bar on."""
        if self._progress is not None:
            self._progress.update(self._task, completed=self.total - self._left, description=self.status())

    def say(self, text: str) -> None:
        """Print above the bar."""
        if self._progress is None:
            super().say(text)
        else:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._progress is not None:
            with contextlib.suppress(OSError):
                self._progress.stop()


def reporter() -> Lines:
    """Return the display that fits standard output."""
    return Live() if sys.stdout.isatty() else Lines()


def duration(seconds: float) -> str:
    """Return '40 s', '12 min' or '1 h 05 min'."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _bar() -> "Progress":
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        transient=True,
    )

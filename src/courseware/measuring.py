"""What `course records` does: say which of the book's training runs are measured, and run what is missing."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from convbook.records import Record, RecordError, load_records
from convbook.records.experiments import Experiment, Run, load_experiments, records_of
from courseware.notebooks import CourseError

GRACE = 60.0  # seconds that a run gets to write its last checkpoint
MEASURED, MISSING, NEEDS_GPU = "measured", "missing", "needs a GPU"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """A run of an experiment and how it stands."""

    experiment: str
    run: Run
    status: str

    @property
    def name(self) -> str:
        """The run in words."""
        form = ", reduced" if self.run.reduced else ""
        return f"{self.experiment}: {self.run.label}, seed {self.run.seed}{form}"


def tasks(only: Sequence[str] = (), *, gpu: bool) -> list[Task]:
    """Every run that this machine could do, and those it could not.

    The first seeds come before the second ones, so that every question has some answer early; among them the
    cheapest run comes first.

    With a GPU these are the whole runs. Without one they are the reduced runs, as far as the whole one is not
    measured, and the whole runs that have no reduced form.

    Raises:
        CourseError: an experiment of ``only`` is unknown, or a file of records or experiments is damaged.
    """
    try:
        records, experiments = load_records(), load_experiments()
    except RecordError as error:
        raise CourseError(str(error)) from None
    names = [experiment.name for experiment in experiments]
    for name in only:
        if name not in names:
            near = get_close_matches(name, names, n=3, cutoff=0.4) or names
            raise CourseError(f"no experiment is called {name!r}; there are {', '.join(near)}")
    found: dict[tuple[str, ...], Task] = {}  # experiments share runs
    for experiment in experiments:
        if not only or experiment.name in only:
            for task in _tasks(experiment, records, gpu):
                found.setdefault(task.run.words, task)
    return sorted(found.values(), key=lambda task: (task.run.seed, task.run.cost))


def _tasks(experiment: Experiment, records: list[Record], gpu: bool) -> Iterable[Task]:
    short = {(run.seed, run.label): run for run in experiment.reduced}
    for whole in experiment.whole:
        if records_of(whole, records):
            yield Task(experiment.name, whole, MEASURED)
        elif gpu:
            yield Task(experiment.name, whole, MISSING)
        elif whole.gpu:
            yield Task(experiment.name, whole, NEEDS_GPU)
        else:
            run = short[whole.seed, whole.label]
            yield Task(experiment.name, run, MEASURED if records_of(run, records) else MISSING)


def measure(
    waiting: Sequence[Task], root: Path, *, budget: float, device: str = "auto", say: Say = print
) -> bool:
    """Run what is missing, in the given order, until `budget` minutes are over; return whether none failed.

    Each run is a process of its own with a folder of checkpoints under .cache/records: what the budget,
    Ctrl-C or a crash cuts off goes on from there next time. A run that fails does not end the others.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once the run has ended.
    """
    end = time.monotonic() + 60 * budget
    outcomes: Counter[str] = Counter()
    missing = [task for task in waiting if task.status == MISSING]
    for task in waiting:
        if task.status == NEEDS_GPU:
            say(f"{task.name}: skipped, it needs a GPU")
    for number, task in enumerate(missing, start=1):
        left = end - time.monotonic()
        if left <= 0:
            break
        say(f"[{number}/{len(missing)}] {task.name}: {task.run.command}")
        outcome = _run(task.run, root, device, left)
        outcomes[outcome] += 1
        if outcome != "measured":
            say(f"{task.name}: {outcome}")
    later = len(missing) - outcomes.total()
    parts = [f"{count} {outcome}" for outcome, count in outcomes.items()]
    parts += [f"{later} left for next time"] if later else []
    say(", ".join(parts) or "nothing is missing that this machine could measure")
    return not outcomes["failed"]


def checkpoints_of(run: Run) -> Path:
    """Where a run's checkpoints lie, from the course's root."""
    return Path(".cache", "records", hashlib.sha256(run.command.encode()).hexdigest()[:16])


def _run(run: Run, root: Path, device: str, seconds: float) -> str:
    """Run to its end, or until time is over: "measured", "failed", or what it was stopped by."""
    folder = checkpoints_of(run)
    (root / folder).mkdir(parents=True, exist_ok=True)
    where = ["--device", device, "--checkpoints", str(folder)]
    process = subprocess.Popen([sys.executable, "-m", *run.words, *where], cwd=root)
    try:
        status = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        _end(process)
        return "stopped at the end of the budget; it goes on from its checkpoint next time"
    except KeyboardInterrupt:
        _end(process)  # a terminal has sent it Ctrl-C too
        raise
    if status == 130:
        raise KeyboardInterrupt
    if status:
        return "failed"
    shutil.rmtree(root / folder)
    return "measured"


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def print_table(found: Sequence[Task]) -> None:
    """Print a row a run: experiment, run, seed, form, multiply-accumulates, status."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    table = Table(show_edge=False, pad_edge=False)
    for heading in ("Experiment", "Run", "Seed", "Form"):
        table.add_column(heading)
    table.add_column("MACs", justify="right")
    table.add_column("Status")
    for task in found:
        images, epochs = task.run.length
        form = "whole" if not task.run.reduced else f"reduced: {images:,} images, {epochs} epochs"
        table.add_row(
            task.experiment, task.run.label, str(task.run.seed), form, f"{task.run.cost:.1e}", task.status
        )
    console.print(table)
    counts = Counter(task.status for task in found)
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()))

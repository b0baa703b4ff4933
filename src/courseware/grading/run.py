"""Grade a folder: see what is new, have it graded, keep each result as it comes, write the books.

Nothing here imports torch: workers do.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from courseware.execute import cores
from courseware.grading.key import key_file, load_key
from courseware.grading.order import Order, Results, not_run
from courseware.grading.progress import Lines
from courseware.grading.result import Result
from courseware.grading.stamp import stamp
from courseware.grading.store import Store
from courseware.grading.submissions import Submission, collect
from courseware.labs import student_version
from courseware.notebooks import CourseError, Notebook, dumps, read

EVERY = 5.0  # seconds at least between two writings of the gradebook
SHARE = 20  # of the time, one part at most goes into them


class GradeError(CourseError):
    """A folder that cannot be graded; the message says what to do."""


@dataclass(frozen=True)
class Grading:
    """What a folder came to: a result a student, how many were graded just now, where the pages are."""

    results: tuple[Result, ...]
    new: int
    pages: Path

    @property
    def complete(self) -> bool:
        """Whether every file that was handed in has a grade."""
        return all(result.graded or not result.file for result in self.results)

    def not_run(self) -> list[str]:
        """Return a line about each that has no grade; what students wrote cannot steer a terminal."""
        lines = [f"{r.file or r.student}: not run, {r.reason}" for r in self.results if not r.graded]
        return ["".join(c if c.isprintable() else " " for c in line) for line in lines]

    def summary(self) -> str:
        """Return all of it in a line."""
        graded = [result for result in self.results if result.graded]
        parts = [f"{len(graded)} graded ({self.new} now)", f"{len(self.results) - len(graded)} not run"]
        if graded:
            mean = sum(result.points for result in graded) / len(graded)
            parts.append(f"mean {mean:.1f} of {graded[0].of:g}")
        return f"{', '.join(parts)}; see {self.pages}"


def grade(
    lab: Path,
    folder: Path,
    output: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    sandbox: str = "bubblewrap",
    roster: Path | None = None,
    again: bool = False,
    display: Lines | None = None,
    opener: str = Order.opener,
) -> Grading:
    """Grade the submissions in `folder` and write what there is to read into `output`.

    Args:
        lab: the lab's source.
        folder: what was handed in; nothing is written there.
        output: for results and pages; made if it is missing.
        workers: processes on this machine, one a core by default.
        scheduler: address of a Dask cluster to use in place of them.
        sandbox: what keeps students' code in, see `open_sandbox`.
        roster: a list of all students.
        again: grade what has been graded, too.
        display: told about progress.
        opener: sets up what grades, see `Order`.

    Raises:
        CourseError: before anything runs, if it cannot be met.
        KeyboardInterrupt: on Ctrl-C and SIGTERM, with no process left behind; what is graded is kept.
    """
    display = display or Lines()
    released = _released(lab)
    _require_folders(folder, output)
    try:
        submissions = collect(folder, roster)
    except OSError as error:
        raise GradeError(f"cannot read {error.filename}: {error.strerror}") from None
    if not submissions:
        raise GradeError(f"{folder} holds no submission: put notebooks there, or zips of them")
    text = dumps(released).decode()
    hide = tuple(str(path.resolve()) for path in (folder, output, lab.parent, key_file().parent))
    order = Order(lab.stem, text, load_key(), sandbox, () if scheduler else hide, opener)
    students = {submission.student for submission in submissions}
    with Store(output, lab.stem, stamp(lab.stem, text)) as store:
        waiting, kept = [], 0
        for submission in submissions:
            found = store.find(submission)
            if submission.problem:
                absence = not_run(submission, lab.stem, submission.problem)
                if found != absence:
                    store.add(absence)
            elif again or found is None or (not found.graded and found.attempts > 1):  # workers were lost
                waiting.append(submission)
            else:
                kept += 1
        books = Books(output, _title(released), store, students)
        display.start(len(submissions), kept, len(submissions) - kept - len(waiting))
        new = 0
        with _termination_interrupts():
            try:
                with closing(_grader(order, waiting, workers, scheduler)) as results:
                    for result in results:
                        if result is not None:
                            store.add(result)
                            new += result.graded
                            display.finished(result)
                            books.write_soon()
                        display.tick()
            except KeyboardInterrupt:
                books.write_gradebooks()
                raise
            store.finish()
            books.write(submissions, text, display)
        graded = store.results(students)
    return Grading(tuple(graded), new, output / "index.html")


class Books:
    """What is written of the results: the gradebooks while grading goes on, all pages at its end."""

    def __init__(self, folder: Path, title: str, store: Store, students: set[str]) -> None:
        self._folder, self._title, self._store, self._students = folder, title, store, students
        self._next = time.monotonic() + EVERY

    def write_soon(self) -> None:
        """Write the gradebooks if they are old."""
        if time.monotonic() >= self._next:
            began = time.monotonic()
            self.write_gradebooks()
            now = time.monotonic()
            self._next = now + max(EVERY, SHARE * (now - began))

    def write_gradebooks(self) -> None:
        """Write the gradebooks."""
        from courseware.grading.gradebook import write_gradebooks

        results = self._store.results(self._students)
        write_gradebooks(self._folder, self._title, _points(results), results)

    def write(self, submissions: Sequence[Submission], released: str, display: Lines) -> None:
        """Write everything."""
        from courseware.grading.alike import find_alike
        from courseware.grading.books import write_books

        results = self._store.results(self._students)
        points = _points(results)
        graded = {result.student for result in results if result.graded}
        try:
            equal = find_alike([s for s in submissions if s.student in graded], released, list(points))
        except BrokenProcessPool:
            display.say("equal submissions were not looked for: the process that compares them was killed")
            equal = []
        write_books(self._folder, self._title, points, results, equal)


def _grader(order: Order, waiting: list[Submission], workers: int | None, scheduler: str | None) -> Results:
    """Return what grades, here or there; it is closed to end it."""
    if scheduler and waiting:
        from courseware.grading.cluster import grade_there

        return grade_there(order, waiting, scheduler)
    from courseware.grading.local import grade_here

    return grade_here(order, waiting, workers or cores())


def _released(lab: Path) -> Notebook:
    """Return the lab as students got it."""
    known = sorted(
        path.stem for path in (Path(__file__).parent / "assignments").glob("*.py") if path.stem != "__init__"
    )
    if lab.stem not in known:
        raise GradeError(f"there is no assignment for {lab.name}: labs are {', '.join(known)}")
    return student_version(read(lab), lab.name)


def _title(released: Notebook) -> str:
    heading = next((c["source"] for c in released["cells"] if c["cell_type"] == "markdown"), "")
    return str(heading.split("\n", 1)[0].lstrip("# ").removeprefix("Lab: "))


def _points(results: Sequence[Result]) -> dict[str, float]:
    """Return what each exercise can earn; every graded result has all of them."""
    graded = next((result for result in results if result.graded), None)
    return {exercise.name: exercise.of for exercise in graded.exercises} if graded else {}


def _require_folders(folder: Path, output: Path) -> None:
    if not folder.is_dir():
        raise GradeError(f"no such folder: {folder}")
    if output.exists() and not output.is_dir():
        raise GradeError(f"{output} is no folder: choose another for the grades")
    if output.resolve().is_relative_to(folder.resolve()):
        raise GradeError(
            f"{output} lies inside {folder}, among what students handed in: choose another folder"
        )


@contextlib.contextmanager
def _termination_interrupts() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

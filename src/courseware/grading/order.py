"""What a grader is handed: what to grade with, and submissions together with their bytes."""

import contextlib
import hashlib
import importlib
import json
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from courseware.grading.result import Result
from courseware.grading.submissions import Submission

Results = Generator[Result | None, None, None]  # None: nothing new for a moment
SLACK = 60.0  # seconds that grading may take beyond its exercises' own


@dataclass(frozen=True)
class Order:
    """What to grade with. The key travels through a pipe: others can read arguments and environments."""

    lab: str
    released: str = field(repr=False)  # the lab's notebook as students got it
    key: bytes = field(repr=False)
    sandbox: str = "bubblewrap"
    hide: tuple[str, ...] = ()  # folders that the sandbox must not show
    opener: str = "courseware.grading.order:open_bench"

    def dumps(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(asdict(replace(self, key=b"")) | {"key": self.key.hex()})

    @staticmethod
    def loads(line: str | bytes) -> "Order":
        """Read what `dumps` wrote."""
        found = json.loads(line)
        return Order(**found | {"key": bytes.fromhex(found["key"]), "hide": tuple(found["hide"])})

    def open(self) -> AbstractContextManager["Bench"]:
        """Set up what grades."""
        module, _, name = self.opener.partition(":")
        bench: AbstractContextManager[Bench] = getattr(importlib.import_module(module), name)(self)
        return bench


@dataclass(frozen=True)
class Bench:
    """What grades a submission, and the seconds after which it must be stuck."""

    grade: Callable[[Submission], Result]
    seconds: float


@contextlib.contextmanager
def open_bench(order: Order) -> Iterator[Bench]:
    """Load the assignment (and torch) and open a sandbox."""
    from courseware.grading.assignment import find_assignment
    from courseware.grading.attempt import grade_submission
    from courseware.grading.sandbox import open_sandbox

    with tempfile.TemporaryDirectory(prefix="course-") as folder:
        path = Path(folder, f"{order.lab}.ipynb")
        path.write_text(order.released, encoding="utf-8")
        assignment = find_assignment(path)
    with open_sandbox(order.sandbox, [Path(folder) for folder in order.hide]) as sandbox:
        yield Bench(
            lambda submission: grade_submission(submission, assignment, sandbox, order.key),
            SLACK + 2 * sum(exercise.seconds for exercise in assignment.exercises),  # to run, and to judge
        )


@dataclass(frozen=True)
class Parcel(Submission):
    """A submission that has its bytes with it."""

    data: bytes = field(default=b"", repr=False)

    def read(self) -> bytes:
        """Return the file's bytes."""
        return self.data

    def about(self) -> str:
        """Return all but the bytes, as a line of JSON."""
        return json.dumps({name: getattr(self, name) for name in FIELDS} | {"path": str(self.path)})

    @staticmethod
    def join(about: str | bytes, data: bytes) -> "Parcel":
        """Put together what `about` wrote, and the bytes."""
        found = json.loads(about)
        return Parcel(**found | {"path": Path(found["path"]), "notes": tuple(found["notes"]), "data": data})


FIELDS = [field.name for field in fields(Submission)]


def pack(submission: Submission, lab: str) -> Parcel | Result:
    """Join a submission with its bytes; if they cannot be had, return the result that says why."""
    if submission.problem:
        return not_run(submission, lab, submission.problem)
    try:
        data = submission.read()
    except (OSError, ValueError) as error:
        return not_run(submission, lab, f"it cannot be read: {error}")
    if hashlib.sha256(data).hexdigest() != submission.sha256:
        return not_run(submission, lab, "it changed just now: grade again")
    return Parcel(**{name: getattr(submission, name) for name in FIELDS}, data=data)


def not_run(submission: Submission, lab: str, reason: str, attempts: int = 1) -> Result:
    """Return the result of a submission that could not be run."""
    return Result(
        lab=lab,
        student=submission.student,
        name=submission.name,
        file=submission.file,
        sha256=submission.sha256,
        status="not run",
        reason=reason,
        exercises=(),
        words="",
        figures=(),
        notes=submission.notes,
        seconds=0.0,
        attempts=attempts,
    )

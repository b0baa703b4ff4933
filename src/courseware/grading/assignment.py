"""A lab as its grader sees it: exercises, points, and the inputs drawn for them."""

import hashlib
import hmac
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from courseware.grading import assignments
from courseware.grading.trials import Trial
from courseware.labs import student_version
from courseware.notebooks import CourseError, read

Option = TypeVar("Option")
TOTAL = 100


class AssignmentError(CourseError):
    """A lab that cannot be graded."""


class Draw:
    """Numbers that a student cannot foresee: from the instructor's key, the lab, the file and the exercise.

    The same four give the same numbers, so that grading again gives the same result.
    """

    def __init__(self, key: bytes, *about: str) -> None:
        digest = hmac.digest(key, "\0".join(about).encode(), hashlib.sha256)
        self.seed = int.from_bytes(digest[:6], "big")
        self.inside = int.from_bytes(digest[6:12], "big")  # a seed that the student's code may come to know
        lab = hmac.digest(key, about[0].encode(), hashlib.sha256)
        self.shared = int.from_bytes(
            lab[:6], "big"
        )  # the same for a whole class, where chance must treat all alike
        self.generator = torch.Generator().manual_seed(self.seed)

    def tensor(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Normal numbers with standard deviation `scale`."""
        return torch.randn(shape, generator=self.generator) * scale

    def integer(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def choice(self, options: Sequence[Option]) -> Option:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    def labels(self, n: int, classes: int) -> Tensor:
        """(n,) class indices."""
        return torch.randint(classes, (n,), generator=self.generator)


@dataclass(frozen=True)
class Exercise:
    """One function or class asked for.

    Attributes:
        name: what it must be called.
        points: what it is worth; an assignment's exercises sum to 100.
        trials: draws what it is tried on; all trials must hold, and the worst share counts.
        without: names that its code must not use, because it is to be written by hand.
        seconds: wall clock for all its trials.
    """

    name: str
    points: int
    trials: Callable[[Draw], Sequence[Trial]]
    without: tuple[str, ...] = ()
    seconds: float = 20.0


@dataclass(frozen=True)
class Assignment:
    """A lab to grade.

    Attributes:
        name: the lab's file name, without its ending.
        title: its heading.
        exercises: in the lab's order.
        provided: the code cells that students were given.
    """

    name: str
    title: str
    exercises: tuple[Exercise, ...]
    provided: tuple[str, ...] = field(repr=False)


def find_assignment(lab: Path) -> Assignment:
    """Return the assignment of the lab whose source is `lab`.

    Raises:
        AssignmentError: if no assignment has the lab's name.
        NotebookError: if the lab cannot be read.
    """
    known = sorted(each.name for each in pkgutil.iter_modules(assignments.__path__))
    if lab.stem not in known:
        raise AssignmentError(f"there is no assignment for {lab.name}: labs are {', '.join(known)}")
    cells = student_version(read(lab), lab.name)["cells"]
    heading = next(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    exercises = importlib.import_module(f"{assignments.__name__}.{lab.stem}").EXERCISES
    return Assignment(
        name=lab.stem,
        title=heading.split("\n", 1)[0].lstrip("# ").removeprefix("Lab: "),
        exercises=tuple(exercises),
        provided=tuple(cell["source"] for cell in cells if cell["cell_type"] == "code"),
    )

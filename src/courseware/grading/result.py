"""What grading one submission came to, and its form as JSON."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any

STATUSES = ("graded", "not run")
MESSAGE, WORDS = 500, 20_000  # characters
FIGURES, FIGURE = 3, 300_000  # how many, and the bytes of one
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class ExerciseResult:
    """What one exercise earned; `message` is empty when it passed, and never to be trusted as markup."""

    name: str
    points: float
    of: float
    message: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether it earned all its points."""
        return self.points >= self.of


@dataclass(frozen=True)
class Result:
    """What a submission earned, or why it was not run. `words` and `figures` are the student's own."""

    lab: str
    student: str
    name: str
    file: str
    sha256: str
    status: str
    reason: str
    exercises: tuple[ExerciseResult, ...]
    words: str
    figures: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    attempts: int

    @property
    def graded(self) -> bool:
        """Whether there is a grade at all; 0 points are one, a submission that was not run has none."""
        return self.status == "graded"

    @property
    def points(self) -> float:
        """What the exercises earned together."""
        return sum(exercise.points for exercise in self.exercises)

    @property
    def of(self) -> float:
        """What the exercises could have earned."""
        return sum(exercise.of for exercise in self.exercises)

    def to_json(self) -> dict[str, Any]:
        """Return plain values that `from_json` takes back."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(value: Any) -> Result:
        """Return the result that `to_json` wrote.

        Raises:
            ValueError: for anything else: a field too many, a number that is none, a picture that is none.
        """
        fields = _fields(value, Result)
        exercises = tuple(_exercise(each) for each in _list(fields["exercises"], "exercises"))
        figures = tuple(_figure(each) for each in _list(fields["figures"], "figures"))
        result = Result(
            **{name: _text(fields[name], name) for name in ("lab", "student", "name", "file", "reason")},
            sha256=_sha256(fields["sha256"]),
            status=_text(fields["status"], "status"),
            exercises=exercises,
            words=_text(fields["words"], "words", WORDS),
            figures=figures,
            notes=tuple(_text(note, "a note") for note in _list(fields["notes"], "notes")),
            seconds=_number(fields["seconds"], "seconds"),
            attempts=_count(fields["attempts"], "attempts"),
        )
        if result.status not in STATUSES:
            raise ValueError(f"status is {result.status!r}, not one of {', '.join(STATUSES)}")
        if result.graded == bool(result.reason):
            raise ValueError("a reason belongs to what was not run, and only to that")
        if result.graded != bool(exercises):
            raise ValueError("exercises belong to what was graded, and only to that")
        if len({exercise.name for exercise in exercises}) < len(exercises):
            raise ValueError("an exercise stands there twice")
        if len(figures) > FIGURES:
            raise ValueError(f"{len(figures)} figures are more than {FIGURES}")
        return result


def _exercise(value: Any) -> ExerciseResult:
    fields = _fields(value, ExerciseResult)
    of = _number(fields["of"], "of")
    return ExerciseResult(
        name=_text(fields["name"], "name"),
        points=_number(fields["points"], "points", at_most=of),
        of=of,
        message=_text(fields["message"], "message", MESSAGE),
        seconds=_number(fields["seconds"], "seconds"),
    )


def _fields(value: Any, kind: type) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(value, dict) or set(value) != names:
        raise ValueError(f"{kind.__name__} has exactly the fields {', '.join(sorted(names))}")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name} is no list")
    return list(value)


def _text(value: Any, name: str, at_most: int | None = None) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    if at_most is not None and len(value) > at_most:
        raise ValueError(f"{name} has {len(value)} characters, more than {at_most}")
    return value


def _sha256(value: Any) -> str:
    """A digest, or nothing where there was no file to read."""
    if not re.fullmatch(r"([0-9a-f]{64})?", _text(value, "sha256")):
        raise ValueError("sha256 is no digest")
    return str(value)


def _number(value: Any, name: str, at_most: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is no number")
    if not (math.isfinite(value) and 0 <= value <= at_most):
        raise ValueError(f"{name} is {value}: not between 0 and {at_most}")
    return float(value)


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is no count")
    return value


def _figure(value: Any) -> str:
    text = _text(value, "a figure")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a figure is not in base64") from None
    if not data.startswith(PNG) or len(data) > FIGURE:
        raise ValueError(f"a figure is no PNG of at most {FIGURE} bytes")
    return text

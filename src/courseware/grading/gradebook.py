"""The gradebook as CSV: a plain one, and one each as Canvas and Moodle import them.

One file cannot serve both. Canvas takes every column after `Section` for an assignment, and wants a row with
the points possible; Moodle breaks the whole import off at a row whose student it does not know.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from courseware.grading.pages import UNSHOWN, number
from courseware.grading.result import Result
from courseware.notebooks import write_atomic

PLAIN, CANVAS, MOODLE = "gradebook.csv", "gradebook-canvas.csv", "gradebook-moodle.csv"
CANVAS_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
# What spreadsheets take for the beginning of a formula; the last four are their full-width twins.
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


def write_gradebooks(
    folder: Path, title: str, points: Mapping[str, float], results: Sequence[Result]
) -> None:
    """Write the three gradebooks; each file is whole at any moment.

    Args:
        folder: where to.
        title: the lab's, which names the assignment in Canvas and Moodle.
        points: what each exercise can earn.
        results: one a student, in the order of the rows.
    """
    for name, rows in (
        (PLAIN, plain_rows(points, results)),
        (CANVAS, canvas_rows(title, points, results)),
        (MOODLE, moodle_rows(title, results)),
    ):
        write_atomic(folder / name, _csv(rows))


def plain_rows(points: Mapping[str, float], results: Iterable[Result]) -> list[list[str]]:
    """Return a row a student: what each exercise earned, the total, and why there is none."""
    rows = [["student", "name", *points, "total", "status", "reason", "notes"]]
    for result in results:
        earned = {exercise.name: exercise.points for exercise in result.exercises}
        cells = [number(earned[name]) if name in earned else "" for name in points]
        who = [harmless(result.student), harmless(result.name)]
        why = [result.status, harmless(result.reason), harmless(". ".join(result.notes))]
        rows.append([*who, *cells, total(result), *why])
    return rows


def canvas_rows(title: str, points: Mapping[str, float], results: Iterable[Result]) -> list[list[str]]:
    """Return what Canvas's "Import Grades" reads.

    It looks for a student by Canvas's own number, then by SIS user, by login, and by name.
    """
    rows = [[*CANVAS_COLUMNS, f"ConvBook: {title}"]]
    rows.append(["    Points Possible", "", "", "", "", number(sum(points.values()))])
    for result in results:
        student = harmless(result.student)
        # Canvas takes any row whose name holds these two words for the one above.
        name = harmless(result.name).replace("Points Possible", "Points possible")
        own = student if re.fullmatch(r"[0-9]{1,18}", student) else ""
        rows.append([name, own, student, student, "", total(result)])
    return rows


def moodle_rows(title: str, results: Iterable[Result]) -> list[list[str]]:
    """Return what Moodle's "Import from CSV file" reads; it asks which column says who a student is.

    Every row has that column filled: Moodle gives a row without it to the student of the row before. A hyphen
    means that there is no grade, where an empty cell may become 0.
    """
    rows = [["Student", "Full name", f"ConvBook: {title}", "Status", "Reason"]]
    for result in results:
        who = [harmless(result.student) or "unknown", harmless(result.name)]
        rows.append([*who, total(result) or "-", result.status, harmless(result.reason)])
    return rows


def total(result: Result) -> str:
    """Return the points as a cell; it is empty, never 0, where nothing could be run."""
    return number(result.points) if result.graded else ""


def harmless(text: str) -> str:
    """Return text from outside in one line that no spreadsheet runs as a formula.

    Semicolons go, because where they separate cells one could begin a new cell, and with it a formula.
    """
    line = " ".join(UNSHOWN.sub(" ", text).replace(";", ",").split())
    return f"'{line}" if line.startswith(FORMULA) else line


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()

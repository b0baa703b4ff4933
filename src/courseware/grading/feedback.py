"""A page for each student: what passed, what to look at, what the grader saw."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import NamedTuple

from courseware.grading.pages import write_page
from courseware.grading.result import Result
from courseware.grading.submissions import safe_name

FOLDER = "feedback"
PIXELS = 25_000_000  # a small file can hold a picture that no browser should unfold


class Plot(NamedTuple):
    """A picture from the student's notebook; the source is empty if it is too large to show."""

    source: str
    size: str


def address(student: str) -> str:
    """Return where a student's page lies, seen from the folder of the gradebook."""
    return f"{FOLDER}/{safe_name(student)}.html"


def write_feedback(folder: Path, title: str, result: Result) -> None:
    """Write one student's page into `FOLDER/feedback`; `title` is the lab's."""
    plots = [_plot(figure) for figure in result.figures]
    write_page(folder / address(result.student), "feedback.html", title=title, result=result, plots=plots)


def _plot(figure: str) -> Plot:
    width, height = struct.unpack(">II", base64.b64decode(figure[:64])[16:24].rjust(8, b"\xff"))
    source = f"data:image/png;base64,{figure}" if width * height <= PIXELS else ""
    return Plot(source, f"{width} × {height}")

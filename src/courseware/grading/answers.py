"""All answers in words on one page, for the instructor to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from courseware.grading.feedback import address
from courseware.grading.pages import write_page
from courseware.grading.result import Result


def write_answers(folder: Path, title: str, results: Sequence[Result]) -> None:
    """Write `answers.html`, in the order of `results`."""
    written = [result for result in results if result.words.strip()]
    silent = [result for result in results if not result.words.strip()]
    write_page(
        folder / "answers.html",
        "answers.html",
        title=title,
        written=written,
        silent=silent,
        address=address,
    )

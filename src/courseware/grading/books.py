"""Everything that is read after grading, written from the results alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from courseware.grading.answers import write_answers
from courseware.grading.feedback import write_feedback
from courseware.grading.gradebook import write_gradebooks
from courseware.grading.result import Result
from courseware.grading.summary import Alike, write_equal, write_index, write_summary


def write_books(
    folder: Path,
    title: str,
    points: Mapping[str, float],
    results: Sequence[Result],
    equal: Sequence[Alike] = (),
) -> None:
    """Write gradebooks, a feedback page a student, and the instructor's pages into `folder`.

    While grading goes on, `write_gradebooks` alone is quick enough to be called every few seconds.

    Args:
        folder: where to; each file in it is whole at any moment.
        title: the lab's.
        points: what each exercise can earn, in the lab's order.
        results: one a student; the same results give the same bytes.
        equal: groups of suspiciously equal submissions.
    """
    results = sorted(results, key=lambda result: result.student)
    write_gradebooks(folder, title, points, results)
    for result in results:
        write_feedback(folder, title, result)
    write_answers(folder, title, results)
    write_equal(folder, title, results, equal)
    write_summary(folder, title, points, results)
    write_index(folder, title, results, equal)

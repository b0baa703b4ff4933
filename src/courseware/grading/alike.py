"""Which submissions of a class are suspiciously equal, found out in a process of its own.

Reading notebooks takes modules that import torch, which the process that schedules does without.
"""

import contextlib
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from courseware.grading.submissions import Submission

if TYPE_CHECKING:
    from courseware.grading.similarity import Group


def find_alike(submissions: Sequence[Submission], released: str, exercises: Sequence[str]) -> "list[Group]":
    """Return groups of students whose work is nearly equal.

    Args:
        submissions: whose to compare.
        released: the lab's notebook as students got it, which they share.
        exercises: what to compare.
    """
    if len(submissions) < 2:
        return []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_find_alike, submissions, released, exercises).result()


def _find_alike(submissions: Sequence[Submission], released: str, exercises: Sequence[str]) -> "list[Group]":
    from courseware.grading.reading import read_submission
    from courseware.grading.similarity import find_equal, fingerprints

    work = {}
    for submission in submissions:
        with contextlib.suppress(OSError, ValueError):  # gone since it was graded
            work[submission.student] = fingerprints(read_submission(submission.read()).cells, exercises)
    return find_equal(work, fingerprints(read_submission(released.encode()).cells, exercises))

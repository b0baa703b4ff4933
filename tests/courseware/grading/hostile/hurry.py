"""Grading as always, but an attack that hangs costs two seconds, not twenty.

All honest work keeps its time, so that a busy machine cannot cost anybody a mark.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from courseware.grading.order import Bench, Order
from courseware.grading.result import Result
from courseware.grading.submissions import Submission
from hostile import roll

SECONDS = 2.0  # for the trials of an exercise that an attack answers


@contextlib.contextmanager
def open_bench(order: Order) -> Iterator[Bench]:
    """Set up what grades, as `courseware.grading.order.open_bench` does."""
    from courseware.grading.assignment import find_assignment
    from courseware.grading.attempt import grade_submission
    from courseware.grading.sandbox import open_sandbox

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{order.lab}.ipynb")
        path.write_text(order.released, encoding="utf-8")
        assignment = find_assignment(path)
    attacked = {name: roll.exercise(attack) for name, attack in roll.attacks_by_name().items()}
    with open_sandbox(order.sandbox, [Path(each) for each in order.hide]) as sandbox:

        def grade(submission: Submission) -> Result:
            hurried = attacked.get(Path(submission.file).stem)
            exercises = tuple(
                replace(each, seconds=SECONDS) if each.name == hurried else each
                for each in assignment.exercises
            )
            return grade_submission(submission, replace(assignment, exercises=exercises), sandbox, order.key)

        yield Bench(grade, 60 + 2 * sum(each.seconds for each in assignment.exercises))

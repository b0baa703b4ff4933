"""What grades in place of torch and a sandbox: a submission says what its grader is to suffer.

Worker processes import this file by name.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from courseware.grading.order import Bench, Order
from courseware.grading.result import ExerciseResult, Result
from courseware.grading.submissions import Submission
from courseware.notebooks import CourseError

BOUND = 1.5  # seconds after which a submission counts as stuck


@contextlib.contextmanager
def open_bench(order: Order) -> Iterator[Bench]:
    """Grade by `grade`, beside a process that lives as long as a sandbox would."""
    lives = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", "echo begun; exec sleep 1000"]
    with subprocess.Popen(lives, stdout=subprocess.PIPE) as sandbox:
        assert sandbox.stdout is not None
        sandbox.stdout.readline()  # a parent that dies before would leave it behind
        note(f"sandbox {sandbox.pid} of {os.getpid()}")
        try:
            yield Bench(lambda submission: grade(submission, order), BOUND)
        finally:
            sandbox.kill()


@contextlib.contextmanager
def refuse(order: Order) -> Iterator[Bench]:
    """Find no sandbox."""
    raise CourseError("bubblewrap is missing: apt-get install bubblewrap")
    yield


@contextlib.contextmanager
def die(order: Order) -> Iterator[Bench]:
    """Not even start."""
    raise RuntimeError("no torch here")
    yield


def grade(submission: Submission, order: Order) -> Result:
    """Do what the submission says; its points are the number of its words."""
    words = submission.read().decode().split()
    note(f"grade {submission.student}")
    if words[0] == "kill" or (words[0] == "kill-once" and once(submission.student)):
        os.kill(os.getpid(), signal.SIGKILL)
    if words[0] == "hang":
        time.sleep(60)
    if words[0] == "raise":
        raise ValueError("the judge has a mistake")
    if words[0] == "slow":
        time.sleep(0.4)
    if words[0] == "long":
        time.sleep(20)
    exercise = ExerciseResult("blocks", float(len(words)), 10.0, "", 0.0)
    return Result(
        lab=order.lab,
        student=submission.student,
        name=submission.name,
        file=submission.file,
        sha256=submission.sha256,
        status="graded",
        reason="",
        exercises=(exercise,),
        words=order.key.decode(),
        figures=(),
        notes=(),
        seconds=0.0,
        attempts=1,
    )


def note(text: str) -> None:
    """Write down what happened, for the test to read."""
    with Path(os.environ["STAND_IN_NOTES"]).open("a") as file:
        file.write(text + "\n")


def once(name: str) -> bool:
    """Whether it is asked for the first time, by any process."""
    try:
        Path(os.environ["STAND_IN_NOTES"] + f"-{name}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

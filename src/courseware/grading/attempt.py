"""Grade one submission: take out what each exercise needs, run it in the sandbox, judge what comes back."""

import re
import time
from typing import TYPE_CHECKING

from convbook.lab.program import Program, ProgramError, program_for
from courseware.grading.assignment import Assignment, Draw, Exercise
from courseware.grading.inside import wire
from courseware.grading.reading import Reading, read_submission
from courseware.grading.result import ExerciseResult, Result
from courseware.grading.sandbox import Limits, Sandbox
from courseware.grading.trials import Wrong

if TYPE_CHECKING:
    from courseware.grading.submissions import Submission

REFLECTION = {"getattr", "eval", "exec", "compile", "__import__", "importlib", "vars", "globals", "locals"}
REFLECTION |= {"__dict__", "__getattribute__", "attrgetter", "methodcaller", "*"}  # "*": a star import
ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")
LONGEST = 500  # characters of a message


def grade_submission(
    submission: "Submission", assignment: Assignment, sandbox: Sandbox, key: bytes
) -> Result:
    """Return what a submission earned; one that cannot be read is "not run", with the reason."""
    began = time.perf_counter()
    reading = _read(submission, assignment)
    exercises = (
        ()
        if isinstance(reading, str)
        else tuple(
            grade_exercise(
                exercise,
                reading,
                assignment,
                sandbox,
                Draw(key, assignment.name, submission.sha256, exercise.name),
            )
            for exercise in assignment.exercises
        )
    )
    return Result(
        lab=assignment.name,
        student=submission.student,
        name=submission.name,
        file=submission.file,
        sha256=submission.sha256,
        status="not run" if isinstance(reading, str) else "graded",
        reason=reading if isinstance(reading, str) else "",
        exercises=exercises,
        words="" if isinstance(reading, str) else reading.words,
        figures=() if isinstance(reading, str) else reading.figures,
        notes=submission.notes,
        seconds=time.perf_counter() - began,
        attempts=1,
    )


def grade_exercise(
    exercise: Exercise, reading: Reading, assignment: Assignment, sandbox: Sandbox, draw: Draw
) -> ExerciseResult:
    """Return what one exercise earned."""
    began = time.perf_counter()
    try:
        program = program_for(reading.cells, exercise.name, assignment.provided)
        share, message = _try(exercise, program, sandbox, draw), ""
    except ProgramError as problem:
        share, message = 0.0, str(problem)
    except Wrong as problem:
        share, message = problem.share, str(problem)
    return ExerciseResult(
        name=exercise.name,
        points=round(exercise.points * share, 2),
        of=exercise.points,
        message=tidy(message),
        seconds=time.perf_counter() - began,
    )


def tidy(message: str) -> str:
    """A message in one line of bounded length that reads the same in every run."""
    line = " ".join(ADDRESS.sub("0x...", message[: 4 * LONGEST]).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."


def _read(submission: "Submission", assignment: Assignment) -> Reading | str:
    """The submission's content, or why there is none."""
    if submission.problem:
        return submission.problem
    try:
        reading = read_submission(submission.read())
    except (OSError, ValueError) as error:
        return f"it cannot be read: {error}"
    if reading.problem:
        return reading.problem
    if reading.lab not in (None, assignment.name):
        return f"it is a notebook of the lab {reading.lab!r}, not of {assignment.name!r}"
    return reading


def _try(exercise: Exercise, program: Program, sandbox: Sandbox, draw: Draw) -> float:
    """The share of an exercise's points; Wrong says why there are fewer, or none."""
    forbidden = set(exercise.without) | (REFLECTION if exercise.without else set())
    used = sorted(forbidden & program.names)
    if used:
        raise Wrong(f"this exercise is to be written without {', '.join(used)}")
    trials = exercise.trials(draw)
    for trial in trials:
        trial.name = exercise.name
    payload = wire.encode(
        {
            "cells": list(program.cells),
            "name": exercise.name,
            "trials": [trial.order(draw) for trial in trials],
        }
    )
    outcome = sandbox.run(payload, Limits(seconds=exercise.seconds, cpu=exercise.seconds))
    if outcome.status != "ok":
        raise Wrong(outcome.detail)
    try:
        answers = wire.decode(outcome.answer)
        return min(trial.judge(answer, draw) for trial, answer in zip(trials, answers, strict=True))
    except Wrong:
        raise
    except Exception as error:  # whatever came out of the sandbox, it must not stop the grader
        raise Wrong("what came back is no answer") from error

"""A class that does not exist, to try grading on before real students hand in."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from courseware.grading.mistakes import Mistake
from courseware.labs import BEGIN, END, student_version
from courseware.notebooks import CourseError, Notebook, dumps, read, strip, tags, write_atomic

STUDENTS = (
    *("Amara Okoye", "Birgit Lund", "Chen Wei", "Dalia Haddad", "Emeka Obi", "Farah Karimi", "Goran Petrov"),
    *("Hana Sato", "Ines Duarte", "Jonas Berg", "Keiko Mori", "Luca Bianchi", "Mina Park", "Nadia Benali"),
    *("Oskar Novak", "Priya Nair", "Quentin Roy", "Rosa Vidal", "Samir Aziz", "Tala Reyes", "Uma Iyer"),
    *("Viktor Toth", "Wanja Kimani", "Ximena Cruz", "Yusuf Kaya", "Zofia Mazur"),
)


class SampleError(CourseError):
    """A class that cannot be written."""


def write_class(lab: Path, folder: Path, students: int = 12) -> list[Path]:
    """Write the hand-ins of invented students into `folder/submissions`, and `folder/roster.csv`.

    The files are named as Canvas names its downloads. The first student solved everything; the others made
    the lab's planted mistakes, more and more of them. The last three handed in the untouched lab, a file that
    is no notebook, and nothing at all.

    Raises:
        SampleError: if the folder holds something already, or the number of students is out of range.
        NotebookError: if the lab cannot be read.
    """
    if not 4 <= students <= len(STUDENTS):
        raise SampleError(f"{students} students: choose from 4 to {len(STUDENTS)}")
    if folder.exists() and any(folder.iterdir()):
        raise SampleError(f"{folder} is not empty: choose a new folder")
    mistakes: Sequence[Mistake] = importlib.import_module(f"courseware.grading.mistakes.{lab.stem}").MISTAKES
    solved = read(lab)
    written = []
    for number, name in enumerate(STUDENTS[: students - 1]):
        first, last = name.lower().split()
        path = (
            folder
            / "submissions"
            / f"{last}{first}_{1001 + number}_{52001 + number}_{lab.stem}-hand-in.ipynb"
        )
        if number == students - 2:
            write_atomic(path, b"<!DOCTYPE html><title>Sign in</title>\n")
        elif number == students - 3:
            write_atomic(path, dumps(student_version(solved, lab.name)))
        else:
            write_atomic(path, dumps(handed_in(solved, choose(mistakes, number))))
        written.append(path)
    rows = [f"{name},{1001 + number}" for number, name in enumerate(STUDENTS[:students])]
    write_atomic(folder / "roster.csv", ("\n".join(["Student,ID", *rows]) + "\n").encode())
    return written


def choose(mistakes: Sequence[Mistake], number: int) -> list[Mistake]:
    """The mistakes of a student, in exercises that do not overlap: none for number 0, then more and more."""
    chosen: list[Mistake] = []
    lost: set[str] = set()
    for step in range(len(mistakes)):
        mistake = mistakes[(number * 3 + step) % len(mistakes)]
        if len(chosen) < (number + 2) // 3 and not lost & set(mistake.exercises):
            chosen.append(mistake)
            lost |= set(mistake.exercises)
    return chosen


def handed_in(solved: Notebook, mistakes: Sequence[Mistake]) -> Notebook:
    """The lab as a student with these mistakes would hand it in."""
    cells = []
    for cell in strip(solved)["cells"]:
        if "instructor" in tags(cell):
            continue
        source = cell["source"]
        for mistake in mistakes:
            source = source.replace(mistake.old, mistake.new)
        lines = [line for line in source.split("\n") if not (BEGIN.match(line) or END.match(line))]
        cells.append({**cell, "source": "\n".join(lines)})
    return {**solved, "cells": cells}

"""The class, as a learning platform exports it, and whose a file is."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from courseware.notebooks import CourseError

LARGEST = 20_000_000  # bytes
# Headers in lower case, the best first. Canvas: Student, ID, SIS User ID, SIS Login ID.
# Moodle: First name, Surname (Last name), ID number, Email address, Username;
# Identifier in grading worksheets.
IDS = ("id", "id number", "student id", "sis user id", "username", "sis login id", "email address", "email")
IDENTIFIER = "identifier"
LOGINS = ("sis login id", "sis user id", "username", "login", "email", "email address", "id number")
NAMES = ("student", "name", "full name", "student name")
FIRST, LAST = ("first name", "firstname"), ("surname", "last name", "lastname")
NO_STUDENT = re.compile(r"\s*(points possible|student, test)\s*$", re.IGNORECASE)


class RosterError(CourseError):
    """A roster that cannot be read; the message says what it lacks."""


@dataclass(frozen=True)
class Student:
    """One row: identifier, name to show, and other words that stand for the student, in lower case."""

    id: str
    name: str
    keys: frozenset[str]


def read_roster(path: Path) -> list[Student]:
    """Read a CSV that Canvas or Moodle exported, or one with the columns `id,name` and perhaps `email`.

    Raises:
        RosterError: if columns are missing or an identifier stands twice.
    """
    if path.stat().st_size > LARGEST:
        raise RosterError(f"{path.name} is larger than a class can be")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        first = text.split("\n", 1)[0]
        mark = max(",;\t", key=first.count)  # spreadsheets in some countries write semicolons
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
        header, *rows = [row for row in lines if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error, ValueError):
        raise RosterError(f"{path.name} is no CSV in UTF-8 with a line of headers") from None
    columns = [name.strip().lower() for name in header]
    students: dict[str, Student] = {}
    for row in rows:
        values = {name: value.strip() for name, value in zip(columns, row, strict=False)}
        student = _student(values)
        if student is None:
            continue
        if student.id in students:
            raise RosterError(f"{path.name} lists {student.id} twice")
        students[student.id] = student
    if not students:
        raise RosterError(f"{path.name} lists no students: it needs columns such as id, name, email")
    return list(students.values())


def _student(values: dict[str, str]) -> Student | None:
    name = _first(values, NAMES) or f"{_first(values, FIRST)} {_first(values, LAST)}".strip()
    identifier = values.get(IDENTIFIER, "")
    id = _first(values, IDS) or identifier
    if not id or NO_STUDENT.match(name):
        return None
    known = {id, identifier, *(values.get(column, "") for column in LOGINS)}
    known |= {each.split("@")[0] for each in known if "@" in each}
    return Student(id, name or id, frozenset(each.lower() for each in known if each))


def _first(values: dict[str, str], columns: Iterable[str]) -> str:
    return next((values[column] for column in columns if values.get(column)), "")


class Matcher:
    """Finds the one student that a key or a name stands for; none where two share it."""

    def __init__(self, students: Iterable[Student]) -> None:
        self.by_key: dict[str, Student | None] = {}
        self.by_name: dict[tuple[str, ...], Student | None] = {}
        self.by_letters: dict[str, Student | None] = {}
        for student in students:
            words = _words(student.name)
            for key in student.keys:
                self.by_key[key] = None if key in self.by_key else student
            name = tuple(sorted(words))
            self.by_name[name] = None if name in self.by_name else student
            for turn in range(len(words)):  # Canvas writes the family name first, wherever it stood
                letters = "".join(words[turn:] + words[:turn])
                other = self.by_letters.get(letters, student)
                self.by_letters[letters] = student if other is student else None

    def find(self, keys: Iterable[str], name: str) -> Student | None:
        """The student with one of the keys, tried in order, or else with the name."""
        for key in keys:
            if student := self.by_key.get(key.lower()):
                return student
        words = _words(name)
        return self.by_name.get(tuple(sorted(words))) or self.by_letters.get("".join(words))


def _words(name: str) -> list[str]:
    """A name's words without accents, case and punctuation."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return re.findall(r"\w+", "".join(each for each in plain if not unicodedata.combining(each)))

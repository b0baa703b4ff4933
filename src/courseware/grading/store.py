"""Results on disk, one line a submission, whole after a crash at any moment."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

from filelock import FileLock, Timeout

from courseware.grading.result import Result
from courseware.notebooks import CourseError, write_atomic

FILE, LOCK = "results.jsonl", ".lock"


class StoreError(CourseError):
    """A folder that cannot take these results; the message says what to do."""


class Handed(Protocol):
    """What the store asks of a submission."""

    @property
    def student(self) -> str:
        """Who handed it in."""

    @property
    def name(self) -> str:
        """The name to show."""

    @property
    def file(self) -> str:
        """Where it lies."""

    @property
    def sha256(self) -> str:
        """What it is."""


class Store:
    """The results of one lab in `FOLDER/results.jsonl`; while it is open no other process can open it.

    A result is appended, so that nothing written before it can be hurt; a student's last line counts.
    What another version of the assignment or another file gave stays until its successor is written.

    Args:
        folder: made if it is missing.
        lab: name of the lab; a folder holds one.
        stamp: says with what was graded; results under another one are found by nobody.

    Raises:
        StoreError: if another grader has the folder, or its results are of another lab or damaged.
    """

    def __init__(self, folder: Path, lab: str, stamp: str) -> None:
        self.path = folder / FILE
        self.lab = lab
        self.stamp = stamp
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / LOCK, timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise StoreError(f"{folder} is in use by another grader: wait, or choose another") from None
        try:
            self._kept = self._read()
            self._outdated: set[str] = set()
        except BaseException:
            self._lock.release()
            raise

    def find(self, submission: Handed) -> Result | None:
        """Return the result of this very file under this very stamp, if there is one."""
        stamp, result = self._kept.get(submission.student, ("", None))
        if result is None or stamp != self.stamp:
            return None
        if result.sha256 != submission.sha256:
            self._outdated.add(submission.student)
            return None
        result = dataclasses.replace(result, name=submission.name, file=submission.file)
        self._kept[submission.student] = (stamp, result)
        return result

    def add(self, result: Result) -> None:
        """Write a result; once this returns, a crash cannot lose it.

        Raises:
            ValueError: if the result is not one that can be read again.
        """
        if result.lab != self.lab:
            raise ValueError(f"a result of lab {result.lab!r} among those of {self.lab!r}")
        result = Result.from_json(result.to_json())
        _append(self.path, _line(self.stamp, result))
        self._kept[result.student] = (self.stamp, result)
        self._outdated.discard(result.student)

    def results(self, students: Collection[str] | None = None) -> list[Result]:
        """Return the results that hold, by student; those of `students` alone if given."""
        return [
            result
            for student, (stamp, result) in sorted(self._kept.items())
            if stamp == self.stamp
            and student not in self._outdated
            and (students is None or student in students)
        ]

    def finish(self) -> None:
        """Write the file anew, one line a student, in their order."""
        lines = [_line(stamp, result) for _, (stamp, result) in sorted(self._kept.items())]
        write_atomic(self.path, b"".join(lines))

    def close(self) -> None:
        """Let the next grader in."""
        self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> dict[str, tuple[str, Result]]:
        """Return stamp and newest result of each student; cut off a last line that a crash left torn."""
        kept: dict[str, tuple[str, Result]] = {}
        content = b""
        with suppress(FileNotFoundError):
            content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
            try:
                fields = json.loads(line)
                stamp = fields.pop("stamp")
                result = Result.from_json(fields)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise StoreError(
                    f"{self.path}, line {number} is damaged: delete that line, and its student is graded anew"
                ) from None
            if result.lab != self.lab:
                raise StoreError(
                    f"{self.path.parent} holds grades of lab {result.lab!r}: choose another folder"
                )
            kept[result.student] = (str(stamp), result)
        if whole != content:
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
                os.fsync(file.fileno())
        return kept


def _line(stamp: str, result: Result) -> bytes:
    return (json.dumps({"stamp": stamp, **result.to_json()}, allow_nan=False) + "\n").encode()


def _append(path: Path, line: bytes) -> None:
    """Add a line for good, or nothing at all: a full disk must not leave half of one."""
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(before)
            raise

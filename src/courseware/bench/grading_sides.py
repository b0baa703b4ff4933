"""Three ways to grade a folder of notebooks: ours, nbgrader's autograde, papermill in a loop.

Each is one command on a whole folder, timed from its start to its end. A way that did not give every
submission its full points has measured nothing, and says so.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import time
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path

from courseware.bench.grading_sheets import ASSERTIONS, LAB
from courseware.bench.turns import CORES
from courseware.notebooks import CourseError

NBGRADER = "0.9.6"
# It waits no longer than it must either way; on a busy machine its own bounds would spoil the comparison.
PATIENCE = [f"--Execute.{name}=600" for name in ("timeout", "startup_timeout", "iopub_timeout")]


class Unavailable(Exception):
    """A way to grade that cannot be measured here; the message says what it needs."""


class Grader(ABC):
    """A way to grade the notebooks in `submissions`, as often as asked for.

    Attributes:
        submissions: the folder of notebooks.
        folder: for what it writes.
    """

    def __init__(self, submissions: Path, folder: Path) -> None:
        self.submissions, self.folder = submissions, folder
        self.number = len(list(submissions.glob("*.ipynb")))

    def __call__(self) -> float:
        """Grade them all; seconds a submission."""
        place = self.prepare()
        start = time.perf_counter()
        run(self.command(place), self.working_folder(place), self.environment())
        seconds = time.perf_counter() - start
        passed = self.passed(place)
        if passed != self.number * len(ASSERTIONS):
            raise CourseError(
                f"{type(self).__name__} passed {passed} of {self.number * len(ASSERTIONS)} exercises, all of "
                f"which are right: look into {place}"
            )
        shutil.rmtree(place)
        return seconds / self.number

    def prepare(self) -> Path:
        """Make a fresh folder for one run."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self.folder

    def working_folder(self, place: Path) -> Path:
        """Where the command is run."""
        return place

    def environment(self) -> dict[str, str]:
        """Environment variables of the command."""
        source = str(Path(__file__).resolve().parents[2])
        return os.environ | {"PYTHONPATH": _paths(source, os.environ.get("PYTHONPATH"))}

    @abstractmethod
    def command(self, place: Path) -> list[str]:
        """What is run."""

    @abstractmethod
    def passed(self, place: Path) -> int:
        """The exercises with full points, of all submissions together."""


class Ours(Grader):
    """`course grade`, with a worker a core."""

    def __init__(self, submissions: Path, folder: Path, root: Path) -> None:
        super().__init__(submissions, folder)
        self.root = root

    def working_folder(self, place: Path) -> Path:
        """The course."""
        return self.root

    def command(self, place: Path) -> list[str]:
        """What is run."""
        lab = str(self.root / "labs" / f"{LAB}.ipynb")
        command = [sys.executable, "-m", "courseware.cli", "grade", lab, str(self.submissions)]
        return [*command, "--output", str(place / "grades"), "--workers", str(CORES)]

    def passed(self, place: Path) -> int:
        """The exercises with full points."""
        return sum(
            exercise["points"] == exercise["of"]
            for result in results(place)
            for exercise in result["exercises"]
        )


def results(place: Path) -> list[dict]:
    """What ours has written so far; a line that is not finished yet does not count."""
    path = place / "grades" / "results.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    found = [json.loads(line) for line in lines]
    return [each for each in found if "exercises" in each]


class Papermill(Grader):
    """papermill on one notebook after another, in one process; an assertion that fails ends a notebook."""

    def command(self, place: Path) -> list[str]:
        """What is run."""
        return [sys.executable, "-m", "courseware.bench.papermill_loop", str(self.submissions), str(place)]

    def passed(self, place: Path) -> int:
        """The exercises of the notebooks that ran through."""
        return len(ASSERTIONS) * int((place / "passed").read_text())


class Nbgrader(Grader):
    """nbgrader's autograde on the whole class, in an environment of its own.

    Raises:
        Unavailable: if the environment cannot be made.
    """

    def __init__(self, submissions: Path, folder: Path, root: Path) -> None:
        super().__init__(submissions, folder)
        self.programs = nbgrader_environment(root / ".cache" / "bench" / f"nbgrader-{NBGRADER}")
        self.course = folder.with_name(f"{folder.name}-course")
        shutil.rmtree(self.course, ignore_errors=True)
        for number, path in enumerate(sorted(submissions.glob("*.ipynb"))):
            targets = [self.course / "submitted" / path.stem / LAB / f"{LAB}.ipynb"]
            targets += [self.course / "source" / LAB / f"{LAB}.ipynb"] if number == 0 else []
            for target in targets:
                target.parent.mkdir(parents=True)
                shutil.copyfile(path, target)
        command = [str(self.programs / "nbgrader"), "generate_assignment", LAB, "--create"]
        run(command, self.course, self.environment())

    def environment(self) -> dict[str, str]:
        """Its own programs come first: nbgrader calls them by name."""
        return os.environ | {"PATH": _paths(str(self.programs), os.environ.get("PATH"))}

    def prepare(self) -> Path:
        """Copy the course in which nothing is graded yet."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.course, self.folder)
        return self.folder

    def command(self, place: Path) -> list[str]:
        """What is run."""
        return [str(self.programs / "nbgrader"), "autograde", LAB, *PATIENCE]

    def passed(self, place: Path) -> int:
        """The points in nbgrader's own data base; each exercise is worth one."""
        with closing(sqlite3.connect(place / "gradebook.db")) as base:
            return round(base.execute("select total(auto_score) from grade").fetchone()[0])


def nbgrader_environment(folder: Path) -> Path:
    """Make the environment unless it is there; return the folder of its programs.

    It takes torch from this environment, so that the same torch is imported, and nothing large is downloaded.

    Raises:
        Unavailable: if it cannot be made.
    """
    programs = folder / "bin"
    if (programs / "nbgrader").exists():
        return programs
    uv = shutil.which("uv", path=_paths(str(Path(sys.executable).parent), os.environ.get("PATH")))
    if uv is None:
        raise Unavailable(
            f"nbgrader {NBGRADER} gets an environment of its own, which needs uv: pip install uv"
        )
    python = str(programs / "python")
    try:
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], Path.cwd())
        run([uv, "pip", "install", "--quiet", "--python", python, f"nbgrader=={NBGRADER}"], Path.cwd())
    except CourseError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Unavailable(
            f"nbgrader {NBGRADER} must be installed once from the package index, into {folder}, "
            f"and could not be: {error}"
        ) from None
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = folder / "lib" / version / "site-packages" / "torch-of-the-course.pth"
    own.write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def run(command: list[str], place: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command in `place`.

    Raises:
        CourseError: if it fails, with its last line.
    """
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise CourseError(f"{Path(command[0]).name} failed with status {done.returncode}: {last}")


def _paths(first: str, rest: str | None) -> str:
    """A list of paths with one put before it."""
    return os.pathsep.join(filter(None, [first, rest]))

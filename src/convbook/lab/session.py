"""One student's sitting at one lab."""

from __future__ import annotations

import builtins
import importlib
import json
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import convbook.lab
from convbook.lab import handin
from convbook.lab.checking import Check, CheckFailed
from convbook.lab.program import NOT_WRITTEN, Program, ProgramError, program_for

NOT_LABS = {"checking", "handin", "magics", "program", "race", "session", "statement"}


class LabError(RuntimeError):
    """A lab that does not exist, or a file to hand in that would not work."""


class Lab:
    """Checks exercises by name, sums them up, writes the file to hand in.

    Args:
        name: the lab's file name, such as ``"bottleneck"``.

    Raises:
        LabError: if there is no such lab.
    """

    def __init__(self, name: str) -> None:
        labs = sorted({each.name for each in pkgutil.iter_modules(convbook.lab.__path__)} - NOT_LABS)
        if name not in labs:
            raise LabError(f"there is no lab {name!r}: choose from {', '.join(labs)}")
        self.name = name
        self.checks: dict[str, Check] = importlib.import_module(f"convbook.lab.{name}").CHECKS
        self.results: dict[str, str] = {}

    def check(self, solution: Callable) -> None:
        """Try one function or class, found by its name; print what came of it.

        Raises:
            LabError: if no exercise of this lab has that name.
        """
        exercise = getattr(solution, "__name__", repr(solution))
        if exercise not in self.checks:
            raise LabError(f"{exercise} is no exercise of this lab: choose from {', '.join(self.checks)}")
        self.results[exercise] = message = self._try(self.checks[exercise], solution)
        print(f"{exercise}: {message or 'passed'}")

    @staticmethod
    def _try(check: Check, solution: Callable) -> str:
        """An empty string, or what is not right yet."""
        try:
            check(solution)
        except NotImplementedError:
            return "not written yet"
        except CheckFailed as failure:
            return f"not yet. {failure}"
        except Exception as error:  # whatever a student's code raises is news for the student
            return f"not yet. It raised {type(error).__name__}: {error}"
        return ""

    @property
    def passed(self) -> list[str]:
        """Names of the exercises whose last check passed."""
        return [name for name in self.checks if self.results.get(name) == ""]

    def summary(self) -> None:
        """Print a line an exercise, and how many passed."""
        for name in self.checks:
            state = self.results.get(name, "not checked")
            print(f"{'passed ' if state == '' else 'to do  '} {name}{': ' + state if state else ''}")
        print(f"{len(self.passed)} of {len(self.checks)} exercises passed")

    def hand_in(self, answer: str, *, cells: list[str] | None = None, folder: str | Path = ".") -> None:
        """Write ``NAME-hand-in.ipynb``, read it back, and check what it defines.

        The file is a small notebook: the newest definition of each exercise with the helpers, imports and
        values it uses, the last figures that ``plots.show`` put on the page, and the answer in words.

        Args:
            answer: your answer to the question in words.
            cells: the code that was run, oldest first; None takes it from the running notebook.
            folder: where to write.

        Raises:
            LabError: if nothing was written in words, an exercise is defined nowhere, or the file's code
                does not run by itself; the message says which cell to mend.
        """
        if not isinstance(answer, str) or not answer.strip():
            raise LabError("the question in words has no answer yet: write it before handing in")
        history = _history() if cells is None else cells
        found: dict[str, Program] = {}
        problems: dict[str, str] = {}
        for name in self.checks:
            try:
                found[name] = program_for(history, name)
            except ProgramError as error:
                problems[name] = str(error)
        missing = [name for name, problem in problems.items() if problem.startswith("no cell")]
        if missing:
            raise LabError(
                f"no cell that was run defines {', '.join(missing)}: run all cells from the top first"
            )
        unwritten = [name for name, problem in problems.items() if problem == NOT_WRITTEN]
        for name, problem in problems.items():
            if name not in unwritten:
                raise LabError(f"{name} cannot be handed in: {problem}")
        path = Path(folder) / f"{self.name}-hand-in.ipynb"
        code = dict.fromkeys(cell for program in found.values() for cell in program.cells)
        notebook = handin.notebook(self.name, list(self.checks), list(code), answer)
        path.write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")
        passed = self._verify(path)
        print(f"Wrote {path.name}. Read back, {passed} of its {len(self.checks)} exercises pass.")
        if unwritten:
            print(f"Not written yet, and not in the file: {', '.join(unwritten)}.")

    def _verify(self, path: Path) -> int:
        """Run the file's own code by itself; the number of exercises that pass."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        space: dict[str, Any] = {"__name__": "hand_in", "__builtins__": builtins}
        for cell in stored["cells"]:
            if cell["cell_type"] != "code":
                continue
            try:
                exec(compile(cell["source"], str(path), "exec", dont_inherit=True), space)
            except Exception as error:
                first = cell["source"].split("\n", 1)[0]
                raise LabError(
                    f"the code that begins {first!r} does not run by itself: run the cell that defines what "
                    f"it needs, then hand in again ({type(error).__name__}: {error})"
                ) from error
        return sum(
            self._try(check, space[name]) == "" for name, check in self.checks.items() if name in space
        )


def _history() -> list[str]:
    """Code of the cells that were run in this notebook, as it was typed, oldest first."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise LabError("hand in from the notebook itself: no running notebook was found")
    return list(shell.history_manager.input_hist_raw)

"""Small courses in temporary folders."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PARAMETERS = ("n = 1", "parameters")
CHECK = ("assert n > 0", "check")


def code(source: str, *tags: str, **metadata: Any) -> dict[str, Any]:
    metadata |= {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def notebook(*cells: Any, kernel: str = "python3") -> dict[str, Any]:
    """Cells are sources, tuples of a source and its tags, or finished cells."""
    made = [
        cell if isinstance(cell, dict) else code(*([cell] if isinstance(cell, str) else cell))
        for cell in cells
    ]
    made = [dict(cell, id=f"cell-{number}") for number, cell in enumerate(made)]
    kernelspec = {"name": kernel, "display_name": "Python 3", "language": "python"}
    return {"cells": made, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}


class Course:
    """A folder with chapters, labs, and a configuration."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("chapters", "labs"):
            (root / name).mkdir(parents=True)
        (root / "_config.yml").write_text(
            "title: Book\nrepository:\n  url: https://github.com/ada/course\n  branch: main\n"
            "html:\n  baseurl: https://ada.github.io/course/\n"
        )
        (root / "_toc.yml").write_text("format: jb-book\nroot: index\n")

    def add(self, name: str, *cells: Any, kernel: str = "python3") -> Path:
        """Write a notebook that begins with parameters and ends with a check."""
        return self.write(name, notebook(PARAMETERS, *cells, CHECK, kernel=kernel))

    def write(self, name: str, content: dict[str, Any]) -> Path:
        path = self.root / f"{name}.ipynb" if "/" in name else self.root / "chapters" / f"{name}.ipynb"
        path.write_text(json.dumps(content))
        return path


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path / "course")


@pytest.fixture(scope="session")
def make_course() -> type[Course]:
    return Course


@pytest.fixture(scope="session")
def make_notebook() -> Callable[..., dict[str, Any]]:
    return notebook


@pytest.fixture(scope="session")
def make_cell() -> Callable[..., dict[str, Any]]:
    return code


@pytest.fixture(scope="session")
def alive() -> Callable[[int], bool]:
    """Tell whether a process still runs; one that is dead but not yet collected does not."""

    def check(pid: int) -> bool:
        stat = Path(f"/proc/{pid}/stat")
        if Path("/proc/self/stat").exists():
            return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    return check


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], object]], None]:
    """Wait until something holds: on a busy machine that takes its time."""

    def wait(condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not come to pass within {seconds:g} s"
            time.sleep(0.02)

    return wait

"""The exercises of the labs as their sources solve them, right or with a mistake planted."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

from convbook.lab import Lab
from courseware.labs import student_version
from courseware.notebooks import read

LABS = Path(__file__).parents[3] / "labs"
IMPORTS = (
    "import statistics\nimport torch\nfrom torch import Tensor, nn\nfrom torch.nn import functional as F\n"
)


@cache
def cells(lab: str, solved: bool) -> dict[str, str]:
    """The code cell that defines each name, in the source or in what students get."""
    notebook = read(LABS / f"{lab}.ipynb")
    found: dict[str, str] = {}
    for cell in (notebook if solved else student_version(notebook))["cells"]:
        if cell["cell_type"] == "code" and not cell["source"].startswith("import sys"):  # with a magic
            names = (getattr(node, "name", None) for node in ast.parse(cell["source"]).body)
            found |= {name: cell["source"] for name in names if name}
    return found


def source_of(lab: str, name: str, solved: bool = True) -> str:
    """The code cell of one exercise."""
    return cells(lab, solved)[name]


def run(code: str, name: str) -> Any:
    """The function or class that some code defines."""
    space: dict[str, Any] = {"__name__": "student"}
    exec(IMPORTS + code, space)
    return space[name]


def define(lab: str, name: str, old: str = "", new: str = "", solved: bool = True) -> Any:
    """The function or class of one exercise, with `new` where `old` stood once."""
    code = source_of(lab, name, solved)
    assert not old or code.count(old) == 1, f"{old!r} should stand in {name} once"
    return run(code.replace(old, new) if old else code, name)


def message(lab: str, solution: Any) -> str:
    """What the lab's check says to it; nothing if it passes."""
    session = Lab(lab)
    session.check(solution)
    return session.results[solution.__name__]

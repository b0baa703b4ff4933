"""The exercises of the labs as their sources solve them, right or with a mistake planted."""

from functools import cache
from pathlib import Path
from typing import Any

from convbook.lab import Lab
from courseware.labs import student_version
from courseware.notebooks import read

LABS = Path(__file__).parents[3] / "labs"
IMPORTS = "import torch\nfrom torch import Tensor, nn\nfrom torch.nn import functional as F\n"


@cache
def cells(lab: str, solved: bool = True) -> list[str]:
    """Code cells of the source, or of what students get."""
    notebook = read(LABS / f"{lab}.ipynb")
    notebook = notebook if solved else student_version(notebook)
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def define(lab: str, name: str, old: str = "", new: str = "", solved: bool = True) -> Any:
    """The function or class of one exercise, with `new` where `old` stood once."""
    source = next(c for c in cells(lab, solved) if c.startswith((f"def {name}(", f"class {name}(")))
    assert not old or source.count(old) == 1, f"{old!r} should stand in {name} once"
    space: dict[str, Any] = {"__name__": "student"}
    exec(IMPORTS + source.replace(old, new) if old else IMPORTS + source, space)
    return space[name]


def message(lab: str, solution: Any) -> str:
    """What the lab's check says to it; nothing if it passes."""
    session = Lab(lab)
    session.check(solution)
    return session.results[solution.__name__]

"""Notebooks to hand in, made from the lab's solved source and the source of attacks."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .forging import send_instead

LAB = Path(__file__).parents[4] / "labs" / "bottleneck.ipynb"
IMPORTS = "import torch\nfrom torch import Tensor, nn\nfrom torch.nn import functional as F"
EXERCISES = (
    "conv_weights",
    "grouped_conv",
    "ResidualBlock",
    "make_shortcut",
    "Bottleneck",
    "AggregatedBottleneck",
    "matched_width",
)
MARKERS = ("# BEGIN SOLUTION", "# END SOLUTION")


@cache
def solved() -> Mapping[str, str]:
    """The cell that solves each exercise, by the exercise's name."""
    cells = ["".join(cell["source"]) for cell in json.loads(LAB.read_text())["cells"]]
    return {name: _unmarked(_defining(name, cells)) for name in EXERCISES}


def _defining(name: str, cells: Sequence[str]) -> str:
    return next(cell for cell in cells if cell.startswith((f"def {name}(", f"class {name}(")))


def _unmarked(cell: str) -> str:
    return "\n".join(line for line in cell.split("\n") if line.strip() not in MARKERS)


def attack_cell(attack: Callable, exercise: str, at_once: bool = False) -> str:
    """A cell in which an attack answers for an exercise: when it is called, or already when it is defined."""
    when = f"_now={attack.__name__}()" if at_once else ""
    arguments = "*args, **kwargs" if not at_once else f"*args, {when}, **kwargs"
    answer = f"return {attack.__name__}(*args, **kwargs)" if not at_once else "return _now"
    source = inspect.getsource(attack)
    helper = inspect.getsource(send_instead) + "\n\n" if "send_instead(" in source else ""
    return f"{helper}{source}\n\ndef {exercise}({arguments}):\n    {answer}"


def code(source: str, **more: Any) -> dict[str, Any]:
    """A code cell."""
    return {
        "cell_type": "code",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    } | more


def words(source: str) -> dict[str, Any]:
    """A cell of text."""
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def notebook(cells: Sequence[str | Mapping[str, Any]]) -> dict[str, Any]:
    """A notebook of cells; those given as text hold code."""
    made = [code(cell) if isinstance(cell, str) else dict(cell) for cell in cells]
    made = [{"id": f"cell-{number}"} | cell for number, cell in enumerate(made)]
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def sheet(answers: Mapping[str, str], *more: str | Mapping[str, Any]) -> dict[str, Any]:
    """A notebook of imports, an answer to each exercise, and whatever more."""
    return notebook([IMPORTS, *answers.values(), *more])


def as_bytes(content: Mapping[str, Any]) -> bytes:
    """The notebook as a file holds it."""
    return json.dumps(content, indent=1).encode()

"""Submissions to grade: the lab's solved source reduced to five exercises that import torch, no experiment.

One notebook serves all: an assertion stands under each exercise, in a cell that nbgrader takes for its test,
that papermill runs, and that our own grading never looks at, because it judges by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from courseware.labs import BEGIN, END
from courseware.notebooks import CourseError, read

LAB = "bottleneck"
IMPORTS = "import torch\nfrom torch import Tensor, nn\nfrom torch.nn import functional as F"
ASSERTIONS = {
    "conv_weights": """\
for groups in (1, 4, 8):
    layer = nn.Conv2d(16, 32, 3, groups=groups, bias=False)
    assert conv_weights(16, 32, 3, groups) == layer.weight.numel()""",
    "grouped_conv": """\
x, weight = torch.randn(2, 8, 9, 7), torch.randn(16, 2, 3, 3)
expected = F.conv2d(x, weight, padding=1, groups=4)
assert torch.allclose(grouped_conv(x, weight, 4), expected, atol=1e-4)""",
    "ResidualBlock": """\
block, x = ResidualBlock(8).eval(), torch.randn(2, 8, 6, 6)
assert block(x).shape == x.shape and bool((block(x) >= 0).all())
assert sum(each.numel() for each in block.parameters()) == 2 * (9 * 8 * 8 + 2 * 8)""",
    "make_shortcut": """\
x = torch.randn(2, 8, 6, 6)
assert torch.equal(make_shortcut(8, 8, 1)(x), x)
assert make_shortcut(8, 16, 2)(x).shape == (2, 16, 3, 3)""",
    "Bottleneck": """\
block, x = Bottleneck(16, 8, 32, 2).eval(), torch.randn(2, 16, 8, 8)
assert block(x).shape == (2, 32, 4, 4)
assert sum(each.numel() for each in block.parameters()) == 1472 + 2 * (8 + 8 + 32 + 32)""",
}


def write_sheets(root: Path, folder: Path, submissions: int) -> None:
    """Write honest submissions, student-000.ipynb and so on, each with solutions of its own.

    Raises:
        CourseError: if the lab does not solve one of the exercises.
    """
    solutions = solved(root)
    folder.mkdir(parents=True)
    for number in range(submissions):
        own = {name: f"# by student {number}\n{cell}" for name, cell in solutions.items()}
        (folder / f"student-{number:03d}.ipynb").write_text(json.dumps(sheet(own)), encoding="utf-8")


def solved(root: Path) -> dict[str, str]:
    """The lab's own cell for each exercise, without the marks of its solution."""
    cells = [cell["source"] for cell in read(root / "labs" / f"{LAB}.ipynb")["cells"]]
    found = {}
    for name in ASSERTIONS:
        cell = next((cell for cell in cells if cell.startswith((f"def {name}(", f"class {name}("))), None)
        if cell is None:
            raise CourseError(
                f"labs/{LAB}.ipynb has no cell for {name}: the benchmark needs another exercise"
            )
        lines = [line for line in cell.split("\n") if not BEGIN.match(line) and not END.match(line)]
        found[name] = "\n".join(lines)
    return found


def sheet(answers: Mapping[str, str]) -> dict[str, Any]:
    """A notebook of answers, each with its assertion beneath."""
    cells = [_cell(IMPORTS, "imports")]
    for name, answer in answers.items():
        cells.append(_cell(answer, name, solution=True, grade=False, locked=False))
        test = dict(solution=False, grade=True, locked=True, points=1)
        cells.append(_cell(ASSERTIONS[name], f"test-{name}", **test))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _cell(source: str, name: str, **marks: Any) -> dict[str, Any]:
    marked = {"nbgrader": {"schema_version": 3, "task": False, "grade_id": name} | marks} if marks else {}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": marked,
        "outputs": [],
        "source": source,
    }

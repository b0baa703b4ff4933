"""Student versions of labs, made from the solved sources.

In a code cell, the lines from `# BEGIN SOLUTION` to `# END SOLUTION` give way to a place to write in: code,
or words between quotation marks if the cell is tagged `answer`. Cells tagged `solution` or `instructor` are
left out. The same source gives the same bytes.
"""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

from courseware.notebooks import Cell, CourseError, Notebook, dumps, read, strip, tags, write_atomic

BEGIN = re.compile(r"^(?P<indent>[ \t]*)#[ \t]*BEGIN SOLUTION[ \t]*$")
END = re.compile(r"^[ \t]*#[ \t]*END SOLUTION[ \t]*$")
MARKER = re.compile(r"(BEGIN|END)[\s_-]*SOLUTION", re.IGNORECASE)
CODE = ("# your code here", "raise NotImplementedError")
WORDS = ('answer = """', '"""')  # what `Lab.hand_in` takes
DROPPED = {"solution", "instructor"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest date of a zip file; the same in each
COLAB = {"gpuType": "T4", "provenance": []}


class LabError(CourseError):
    """A lab whose solutions cannot be told from what students may see."""


def release(source: Path, target: Path) -> Path:
    """Write the student version of `source` to `target` (a file, or a folder to put it in); return its path.

    Raises:
        LabError: if a region is not closed, not opened, or nested, or a marker is left over.
        NotebookError: if `source` cannot be read.
    """
    if target.suffix != ".ipynb":
        target = target / source.name
    if target.resolve() == source.resolve():
        raise LabError(f"{target} is the solved source itself: choose another folder")
    write_atomic(target, dumps(student_version(read(source), source.name)))
    return target


def pack(notebook: Path) -> Path:
    """Write a zip file with a released notebook beside it, for a learning platform; return its path.

    The same notebook gives the same bytes.
    """
    entry = zipfile.ZipInfo(notebook.name, LONG_AGO)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(entry, notebook.read_bytes())
    path = notebook.with_suffix(".zip")
    write_atomic(path, content.getvalue())
    return path


def student_version(notebook: Notebook, name: str = "lab") -> Notebook:
    """Return the notebook without solutions, instructor's notes, outputs, or anything that tells of them."""
    cells = []
    for number, cell in enumerate(strip(notebook)["cells"], start=1):
        if DROPPED & set(tags(cell)):
            continue
        if cell["cell_type"] == "code":
            place = WORDS if "answer" in tags(cell) else CODE
            where = f"{name}, cell {number}"
            cell = dict(cell, source=_without_solutions(cell["source"], place, where))
        if MARKER.search(str(cell)):
            raise LabError(
                f"{name}, cell {number}: a solution's marker must be `# BEGIN SOLUTION` or `# END SOLUTION`, "
                "on a line of its own, in a code cell"
            )
        cells.append(_plain(cell))
    metadata = {
        "accelerator": "GPU",
        "colab": COLAB,
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _without_solutions(source: str, place: tuple[str, ...], where: str) -> str:
    """Put a place to write in where each solution stood, at the solution's indentation."""
    kept: list[str] = []
    opened = 0
    for number, line in enumerate(source.split("\n"), start=1):
        begin = BEGIN.match(line)
        if begin and opened:
            raise LabError(f"{where}: a solution begins on line {number} inside the one of line {opened}")
        if begin:
            opened = number
            kept += [begin["indent"] + text for text in place]
        elif END.match(line):
            if not opened:
                raise LabError(f"{where}: `# END SOLUTION` on line {number} ends no solution")
            opened = 0
        elif not opened:
            kept.append(line)
    if opened:
        raise LabError(f"{where}: the solution of line {opened} has no `# END SOLUTION`")
    return "\n".join(kept)


def _plain(cell: Cell) -> dict[str, Any]:
    """Keep only what the format knows; editors' own metadata stays behind."""
    names = ("attachments", "cell_type", "execution_count", "id", "outputs", "source")
    plain = {name: cell[name] for name in names if name in cell}
    plain["metadata"] = {"tags": tags(cell)} if tags(cell) else {}
    return plain

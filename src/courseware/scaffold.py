"""A new chapter: the parts that every chapter has, as a notebook that runs once its check is filled in."""

import re
from pathlib import Path

from courseware import repository
from courseware.labs import COLAB, KERNEL
from courseware.notebooks import Cell, CourseError, Notebook, dumps, write_atomic

TEMPLATE = Path(__file__).with_name("chapter.md")
# A cell begins with its kind, and for code its tags: <!-- code: parameters -->
CELL = re.compile(r"^<!-- (markdown|code)(?:: ([\w ,-]+))? -->\n", re.MULTILINE)
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def new_chapter(root: Path, name: str) -> Path:
    """Write `chapters/NAME.ipynb`; return its path.

    Raises:
        CourseError: if the name is not lower-case words joined by hyphens, or is taken.
    """
    if not NAME.fullmatch(name):
        raise CourseError(
            f"{name!r} cannot name a chapter: lower-case words joined by hyphens, as in wide-resnet"
        )
    path = root / "chapters" / f"{name}.ipynb"
    if path.exists():
        raise CourseError(f"chapters/{name}.ipynb is there already: choose another name or edit that one")
    write_atomic(path, dumps(chapter(name, repository.load(root).setup_source)))
    return path


def chapter(name: str, setup: str) -> Notebook:
    """Return the notebook of a new chapter."""
    text = TEMPLATE.read_text("utf-8")
    for field, value in {"title": name.replace("-", " ").capitalize(), "name": name, "setup": setup}.items():
        text = text.replace("{{" + field + "}}", value)
    _, *parts = CELL.split(text)
    cells = [
        _cell(number, kind, tags, source.strip())
        for number, (kind, tags, source) in enumerate(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
    ]
    metadata = {
        "accelerator": "GPU",
        "colab": COLAB,
        "kernelspec": KERNEL,
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(number: int, kind: str, tags: str | None, source: str) -> Cell:
    metadata = {"tags": [tag.strip() for tag in tags.split(",")]} if tags else {}
    cell: Cell = {"cell_type": kind, "id": f"cell-{number:02}", "metadata": metadata, "source": source}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell

"""Notebooks as plain dictionaries: find, read, clean and write them.

Everything here works on the JSON itself, because importing nbformat or papermill takes longer than all
that a command with a warm cache has to do.
"""

import contextlib
import errno
import json
import os
import re
import tempfile
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
Cell = dict[str, Any]

FOLDERS = ("chapters", "labs")
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
CELL_TYPES = ("markdown", "code", "raw")
MEASURED = "course_run"  # how long an executed copy took: {"seconds": wall clock, "threads": of its kernel}
# What running a notebook, or a tool around it, leaves in the metadata.
RUN_METADATA = ("papermill", "execution", "ExecuteTime", "outputId", "collapsed", MEASURED)
PROGRESS_BAR = re.compile(r"\d+%\||\d+it \[|it/s\b|s/it\b")


class CourseError(ValueError):
    """A request that the course cannot meet; the message says what to do."""


class NotebookError(CourseError):
    """A file that is not a notebook this course can run."""


def find_root(start: Path | None = None) -> Path:
    """Return the folder of the course: the nearest one upwards with `_toc.yml` or `chapters/`.

    Raises:
        CourseError: if there is none above `start` (the working directory by default).
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file() or (folder / "chapters").is_dir():
            return folder
    raise CourseError(f"no course in {start} or above it: run `course` inside a clone of the repository")


def list_notebooks(root: Path) -> list[Path]:
    """Return every notebook of the course, chapters first; what a lab wrote to hand in is none of it."""
    found = (path for folder in FOLDERS for path in sorted((root / folder).glob("*.ipynb")))
    return [path for path in found if not path.stem.endswith("-hand-in")]


def select(root: Path, names: Iterable[str] = ()) -> list[Path]:
    """Return the notebooks called `names` (a name or a path); all of them when `names` is empty.

    Raises:
        CourseError: for a name that fits no notebook, with the ones that are near.
    """
    known = {path.stem: path for path in reversed(list_notebooks(root))}
    chosen: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.suffix == ".ipynb" and path.is_file():
            chosen[path.resolve()] = None
        elif (root / f"{name.removesuffix('.ipynb')}.ipynb").is_file():  # chapters/lenet
            chosen[root / f"{name.removesuffix('.ipynb')}.ipynb"] = None
        elif path.stem in known and path.parent == Path():
            chosen[known[path.stem]] = None
        else:
            near = get_close_matches(path.stem, known, n=3, cutoff=0.4) or sorted(known)
            hint = f"did you mean {', '.join(near)}?" if near else "the course has no notebooks yet"
            raise CourseError(f"no notebook is called {name!r}; {hint}")
    return list(chosen) or list_notebooks(root)


def read(path: Path) -> Notebook:
    """Read a notebook in format 4, with every source joined into one string.

    Raises:
        NotebookError: if the file is missing, is not JSON, or is not a notebook.
    """
    try:
        notebook = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotebookError(f"{path.name}: no such file") from None
    except UnicodeDecodeError:
        raise NotebookError(f"{path.name} is not a notebook: it is not text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotebookError(
            f"{path.name} is not a notebook: {error.msg} at line {error.lineno}, column {error.colno}; "
            "was it cut short, or left with merge markers?"
        ) from None
    except RecursionError:
        raise NotebookError(f"{path.name} is not a notebook: nested too deeply") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise NotebookError(f"{path.name} is not a notebook: it has no list of cells")
    if notebook.get("nbformat") != 4:
        raise NotebookError(
            f"{path.name} has format {notebook.get('nbformat')}, not 4: open and save it in Jupyter"
        )
    for number, cell in enumerate(notebook["cells"], start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") not in CELL_TYPES:
            raise NotebookError(f"{path.name} is not a notebook: cell {number} has no known type")
        source = cell.get("source")
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            cell["source"] = "".join(source)
        elif not isinstance(source, str):
            raise NotebookError(f"{path.name} is not a notebook: cell {number} has no source")
        if not isinstance(cell.setdefault("metadata", {}), dict):
            raise NotebookError(f"{path.name} is not a notebook: the metadata of cell {number} is no mapping")
    if not isinstance(notebook.setdefault("metadata", {}), dict):
        raise NotebookError(f"{path.name} is not a notebook: its metadata is no mapping")
    return notebook


def dumps(notebook: Notebook) -> bytes:
    """Return the bytes Jupyter would write: sources as lists of lines, one-space indent, a last newline."""
    cells = [dict(cell, source=cell["source"].splitlines(keepends=True)) for cell in notebook["cells"]]
    text = json.dumps(dict(notebook, cells=cells), indent=1, sort_keys=True, ensure_ascii=False)
    return (text + "\n").encode()


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` so that `path` holds either the old bytes or all of the new ones.

    Raises:
        OSError: as `open` and `write` do; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # a full disk may show only here
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        os.chmod(name, mode)  # noqa: PTH101
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise


def tags(cell: Cell) -> list[str]:
    """Return the cell's tags."""
    found = cell["metadata"].get("tags", [])
    return found if isinstance(found, list) else []


def first_line(source: str) -> str:
    """Return the first line of code in `source`, shortened, to name a cell in a message."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    code = [line for line in lines if not line.startswith("#")] or lines or [""]
    return code[0] if len(code[0]) <= 60 else code[0][:57] + "..."


def drop_run_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook's or a cell's metadata without what a run left there."""
    return {key: value for key, value in metadata.items() if key not in RUN_METADATA}


def strip(notebook: Notebook) -> Notebook:
    """Return the notebook as a source: no outputs, no counts, nothing that a run left behind."""
    cells = []
    for cell in notebook["cells"]:
        cell = dict(cell, metadata=drop_run_metadata(cell["metadata"]))
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        cells.append(cell)
    metadata = drop_run_metadata(notebook["metadata"])
    metadata.pop("widgets", None)
    return dict(notebook, cells=cells, metadata=metadata)


def clean_executed(notebook: Notebook) -> Notebook:
    """Return an executed notebook fit for readers.

    Without papermill's paths and timings, without progress bars, with the cell of injected parameters
    hidden from the page, and without widget metadata that has no state (GitHub refuses to render it).
    Lines that a kernel happened to send apart are one output again.
    Warnings stay: they are the author's to mend.
    """
    cells = []
    for cell in notebook["cells"]:
        cell = dict(cell, metadata=drop_run_metadata(cell["metadata"]))
        if not tags(cell):
            cell["metadata"].pop("tags", None)  # papermill adds an empty list
        if "injected-parameters" in tags(cell):
            cell["metadata"]["tags"] = [*tags(cell), "remove-cell"]
            cell["id"] = "injected-parameters"
        if cell["cell_type"] == "code":
            cell["outputs"] = _joined(filter(None, map(_without_progress, cell["outputs"])))
        cells.append(cell)
    metadata = drop_run_metadata(notebook["metadata"])
    widgets = metadata.get("widgets", {})
    if not any("state" in view for view in widgets.values() if isinstance(view, dict)):
        metadata.pop("widgets", None)
    return dict(notebook, cells=cells, metadata=metadata)


def _joined(outputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join neighbouring outputs of the same stream; what stands between them stays there."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output.get("output_type") == "stream" and last.get("name") == output["name"]:
            joined[-1] = dict(last, text="".join([*last["text"], *output["text"]]))
        else:
            joined.append(output)
    return joined


def _without_progress(output: dict[str, Any]) -> dict[str, Any] | None:
    """Drop progress bars from a stderr stream; None if nothing else was there."""
    if output.get("output_type") != "stream" or output.get("name") != "stderr":
        return output
    text = "".join(output["text"])
    lines = [line for line in re.split(r"[\r\n]", text) if line.strip() and not PROGRESS_BAR.search(line)]
    return dict(output, text="\n".join(lines) + "\n") if lines else None

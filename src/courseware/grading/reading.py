"""A submission's bytes as code, words and figures.

Nothing is executed and nothing is trusted: sizes are bounded before anything is decoded, and whatever the
bytes are, a `Reading` comes back that says what is wrong with them.
"""

import ast
import base64
import binascii
import json
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convbook.lab.handin import ANSWER, LARGEST_FIGURE, TITLE
from convbook.lab.magics import understand
from courseware.grading.archive import LARGEST_FILE

LARGEST_CODE = 1_000_000  # characters in all cells together
MOST_CELLS = 5_000
MOST_WORDS = 20_000  # characters
MOST_FIGURES = 3
WIDEST_FIGURE = 4_000  # pixels a side
# What makes a small file a large object: containers, strings, numbers.
MOST_VALUES = {b"[": 500_000, b"{": 500_000, b'"': 4_000_000, b",": 8_000_000}
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
NAMED = re.compile(rf"^\s*{re.escape(TITLE)} `([\w-]{{1,50}})`")
OPENED = re.compile(r"""\bLab\(\s*(?:name\s*=\s*)?["']([\w-]{1,50})["']""")


@dataclass(frozen=True)
class Reading:
    """What a submission holds.

    Attributes:
        cells: code of each code cell, oldest first, with the notebook's own commands made harmless.
        words: the answer in words.
        figures: the last PNGs that the notebook showed, base64.
        lab: the lab that the notebook names; None if it names none.
        problem: why it cannot be read; empty if it can.
    """

    cells: tuple[str, ...] = ()
    words: str = ""
    figures: tuple[str, ...] = ()
    lab: str | None = None
    problem: str = ""


class _Unreadable(Exception):
    """The bytes are no notebook; the message says why."""


def read_submission(data: bytes, labs: Mapping[str, Collection[str]] | None = None) -> Reading:
    """Read a notebook; whatever the bytes are, no exception leaves.

    Args:
        data: the file's bytes.
        labs: names of the exercises of each lab, to know a notebook that names no lab by what it defines.
    """
    try:
        notebook = _load(data)
        cells = _cells(notebook)
        code = _code(cells)
        words, figures = _words(cells, code), _figures(cells)
        return Reading(code, words, figures, _lab(notebook, cells, code, labs or {}))
    except _Unreadable as error:
        return Reading(problem=str(error))
    except (RecursionError, MemoryError):
        return Reading(problem="it is not a notebook: nested too deeply")


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST_FILE:
        raise _Unreadable(f"it is larger than {LARGEST_FILE // 1_000_000} MB: clear its outputs")
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        raise _Unreadable("it is empty" if not data.strip() else "it holds nothing but space")
    if start.startswith(b"<"):
        raise _Unreadable("it is a web page, not a notebook: choose File, Download, Download .ipynb")
    if start.startswith((b"pk\x03\x04", b"\x1f\x8b", b"%pdf")):
        raise _Unreadable("it is an archive or a PDF, not a notebook")
    if any(data.count(mark) > most for mark, most in MOST_VALUES.items()):
        raise _Unreadable("it holds too many values: clear its outputs")
    try:
        notebook = json.loads(data.decode(json.detect_encoding(data)))
    except UnicodeDecodeError:
        raise _Unreadable("it is not a notebook: not text in UTF-8") from None
    except json.JSONDecodeError as error:
        if re.match(rb"(#|import |from |def |class |\"\"\")", start):
            raise _Unreadable("it is a Python script, not a notebook: hand in the .ipynb file") from None
        where = f"line {error.lineno}, column {error.colno}"
        raise _Unreadable(f"it is not a notebook, or was cut short: {error.msg} at {where}") from None
    except ValueError:
        raise _Unreadable("it is not a notebook: it holds a number that is too long") from None
    if not isinstance(notebook, dict):
        raise _Unreadable("it is not a notebook: it has no list of cells")
    return notebook


def _cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells; whatever is no cell among them is left out."""
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets := notebook.get("worksheets"), list):  # format 3
        inside = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [cell for each in inside if isinstance(each, list) for cell in each]
    if not isinstance(cells, list):
        raise _Unreadable("it is not a notebook: it has no list of cells")
    if len(cells) > MOST_CELLS:
        raise _Unreadable(f"it has more than {MOST_CELLS:,} cells")
    return [cell for cell in cells if isinstance(cell, dict)]


def _code(cells: list[dict[str, Any]]) -> tuple[str, ...]:
    sources = [_source(cell) for cell in cells if cell.get("cell_type") == "code"]
    sources = [source for source in sources if source.strip()]
    if not sources:
        raise _Unreadable("it holds no code")
    if sum(map(len, sources)) > LARGEST_CODE:
        raise _Unreadable(f"it holds more than {LARGEST_CODE:,} characters of code")
    understood = [(source, understand(source)) for source in sources]
    return tuple(source if cell.tree is None else cell.text for source, cell in understood)


def _source(cell: dict[str, Any]) -> str:
    return _text(cell.get("source", cell.get("input")))


def _text(value: object) -> str:
    """A string, or a list of lines; without halves of characters, which no file could hold."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _words(cells: list[dict[str, Any]], code: tuple[str, ...]) -> str:
    """The hand-in file's answer cell, else what was last assigned to `answer`."""
    for cell in reversed(cells):
        if cell.get("cell_type") == "markdown":
            text = _source(cell).strip()
            if text.startswith(ANSWER):
                return text.removeprefix(ANSWER).strip()[:MOST_WORDS]
    for source in reversed(code):
        tree = understand(source).tree if "answer" in source else None
        for node in reversed(tree.body if tree else []):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == "answer" for target in targets):
                value = getattr(node, "value", None)
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    return _text(value.value).strip()[:MOST_WORDS]
    return ""


def _figures(cells: list[dict[str, Any]]) -> tuple[str, ...]:
    """The last figures, in the notebook's order."""
    found: list[str] = []
    for cell in reversed(cells):
        for each in reversed(list(_pictures(cell))):
            if len(found) < MOST_FIGURES and (figure := _checked(_text(each))):
                found.append(figure)
    return tuple(reversed(found))


def _pictures(cell: dict[str, Any]) -> Iterator[object]:
    """Whatever claims to be a PNG in a cell's outputs or attachments."""
    attachments = cell.get("attachments")
    for bundle in attachments.values() if isinstance(attachments, dict) else []:
        if isinstance(bundle, dict):
            yield bundle.get("image/png")
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if isinstance(output, dict):
            bundle = output.get("data")
            yield bundle.get("image/png") if isinstance(bundle, dict) else output.get("png")  # format 3


def _checked(encoded: str) -> str:
    """The figure encoded anew if it is a PNG of bounded size; else nothing."""
    if not 0 < len(encoded) <= 2 * LARGEST_FIGURE:
        return ""
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    if len(data) > LARGEST_FIGURE or len(data) < len(PNG) + 8 or not data.startswith(PNG):
        return ""
    width, height = struct.unpack_from(">II", data, len(PNG))
    if not (0 < width <= WIDEST_FIGURE and 0 < height <= WIDEST_FIGURE):
        return ""
    return base64.b64encode(data).decode()


def _lab(
    notebook: dict[str, Any],
    cells: list[dict[str, Any]],
    code: tuple[str, ...],
    labs: Mapping[str, Collection[str]],
) -> str | None:
    """The lab that the notebook names, else the one of whose exercises it defines at least half."""
    for cell in cells:
        if cell.get("cell_type") == "markdown" and (named := NAMED.match(_source(cell))):
            return named[1]
    metadata = notebook.get("metadata")
    about = metadata.get("convbook") if isinstance(metadata, dict) else None
    if isinstance(about, dict) and re.fullmatch(r"[\w-]{1,50}", _text(about.get("lab"))):
        return _text(about["lab"])
    for source in reversed(code):
        if opened := OPENED.findall(source):
            return opened[-1]
    defined = set(re.findall(r"^(?:def|class)\s+(\w+)", "\n".join(code), re.MULTILINE))
    shares = {lab: len(defined & set(names)) / len(names) for lab, names in sorted(labs.items()) if names}
    best = max(shares, key=lambda lab: shares[lab], default=None)
    return best if best is not None and shares[best] >= 0.5 else None

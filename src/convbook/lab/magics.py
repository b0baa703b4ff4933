"""A notebook's cell as Python: IPython's own commands give way to statements that do nothing."""

import ast
import re
import warnings
from dataclasses import dataclass

LARGEST = 200_000  # characters of a cell that will be parsed
EFFORT = 2_000_000  # characters parsed over and over while commands are found in one cell
TRANSPARENT = {"capture", "prun", "time", "timeit"}  # cell commands around Python that counts
COMMAND = re.compile(r"(?P<indent>\s*)([%!?].*|[^#]*\?\s*)$")
BOUND = re.compile(r"(?P<target>\s*[A-Za-z_][\w.,\s]*=\s*)[%!].*$")


@dataclass(frozen=True)
class Cell:
    """Code of one cell, with as many lines as the cell had.

    Attributes:
        text: the code, commands made harmless.
        tree: its syntax tree; None if it is not Python.
        problem: why not, with the line; empty if it is Python.
    """

    text: str
    tree: ast.Module | None
    problem: str


def understand(source: str) -> Cell:
    """Parse a cell; whatever it holds, no exception leaves."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > LARGEST:
        return Cell("", None, f"it is longer than {LARGEST:,} characters")
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        command = re.match(r"%%(\w*)", lines[first])
        if command and command[1] not in TRANSPARENT:
            return Cell("", ast.Module([], []), "")
        lines[first] = ""
    for _ in range(10 + EFFORT // (len(text) + 1)):
        text = "\n".join(lines)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # invalid escapes are no business of ours
                return Cell(text, ast.parse(text), "")
        except SyntaxError as error:
            # Python reports the line; only there may a % or ! be a command and not an operator or text.
            if not _disarm(lines, (error.lineno or 1) - 1):
                return Cell(text, None, f"line {error.lineno or 1}: {error.msg[:100]}")
        except (ValueError, RecursionError, MemoryError) as error:
            return Cell(text, None, f"Python cannot read it: {(str(error) or type(error).__name__)[:100]}")
    return Cell(text, None, "too many lines are commands")


def _disarm(lines: list[str], number: int) -> bool:
    """Put a statement that does nothing for the command on this line; False if there is none."""
    if not 0 <= number < len(lines):
        return False
    line = lines[number]
    if bound := BOUND.match(line):
        lines[number] = f"{bound['target']}None"
    elif command := COMMAND.match(line):
        lines[number] = f"{command['indent']}pass"
    else:
        return False
    while line.endswith("\\") and number + 1 < len(lines):
        number += 1
        line, lines[number] = lines[number], ""
    return True

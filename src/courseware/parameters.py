"""Parameters of notebooks: what they are called, and values for them from the command line."""

import ast
import contextlib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from courseware.notebooks import CourseError, Notebook, tags

WORDS = {"true": True, "false": False, "none": None, "null": None}


class ParameterError(CourseError):
    """A parameter that a notebook does not have."""


def known_parameters(notebook: Notebook) -> list[str]:
    """Return the names assigned in the cells tagged `parameters`."""
    names: list[str] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code" or "parameters" not in tags(cell):
            continue
        lines = [line for line in cell["source"].splitlines() if not line.lstrip().startswith(("%", "!"))]
        with contextlib.suppress(SyntaxError):
            for node in ast.parse("\n".join(lines)).body:
                targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
                names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def require_parameters(path: Path, notebook: Notebook, parameters: dict[str, Any]) -> None:
    """Check that the notebook has every one of `parameters`.

    Raises:
        ParameterError: naming those it has.
    """
    known = known_parameters(notebook)
    for name in parameters:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            listed = ", ".join(known) or "none"
            raise ParameterError(f"{path.name} has no parameter {name!r} (its parameters: {listed}){hint}")


def parse_value(text: str) -> Any:
    """Read a parameter's value: an int, a float, true, false, none, or a list or mapping in YAML; else text.

    Unlike YAML 1.1, `no` and `on` are words, and `1e-3` is a number.
    """
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text[:1] in ("[", "{"):
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            raise CourseError(f"cannot read the parameter's value {text!r} as YAML") from None
    return text

"""The file that a student hands in, a notebook that says in its own text what it is.

Editors drop metadata and change ids, so the lab's name and the answer's place can be read from the text, too.
"""

import ast
import base64
import io
from collections.abc import Sequence
from typing import Any

TITLE = "# Hand-in for the lab"
ANSWER = "## Answer in words"
LARGEST_FIGURE = 300_000  # bytes


def notebook(lab: str, exercises: Sequence[str], code: Sequence[str], answer: str) -> dict[str, Any]:
    """Return the notebook: a title, imports, a cell a definition, the last figures, the answer."""
    names = ", ".join(f"`{name}`" for name in exercises)
    imports = dict.fromkeys(line for source in code for line in _imports(source))
    sources = ["\n".join(imports), *(source for source in code if not _imports(source))]
    cells = [
        _markdown("title", f"{TITLE} `{lab}`\n\nExercises: {names}"),
        *(_code(f"code-{number}", source) for number, source in enumerate(filter(None, sources))),
        _code("figures", "# The figures shown last.", figures()),
        _markdown("answer", f"{ANSWER}\n\n{answer}"),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"lab": lab, "exercises": list(exercises)}
    metadata = {"convbook": about, "kernelspec": kernel}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def figures() -> list[dict[str, Any]]:
    """The figures that ``plots.show`` put on the page last, as outputs of a cell."""
    from convbook.plots.display import SHOWN

    outputs = []
    for figure, alt in SHOWN:
        for dots in (120, 80, 50):
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=dots, bbox_inches="tight", metadata={"Software": None})
            if len(buffer.getvalue()) <= LARGEST_FIGURE:
                picture = base64.b64encode(buffer.getvalue()).decode()
                data = {"image/png": picture, "text/plain": alt}
                outputs.append(
                    {"output_type": "display_data", "data": data, "metadata": {"image/png": {"alt": alt}}}
                )
                break
    return outputs


def _imports(source: str) -> list[str]:
    """Its statements, if they are nothing but imports."""
    body = ast.parse(source).body
    if not all(isinstance(node, ast.Import | ast.ImportFrom) for node in body):
        return []
    return [ast.unparse(node) for node in body]


def _markdown(name: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def _code(name: str, source: str, outputs: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": list(outputs),
        "source": source,
    }

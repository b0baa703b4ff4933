"""papermill's engine for a process that must not start another: cells run right here, in one namespace."""

import contextlib
import io
import sys
import types
from typing import Any

import nbformat
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

SPACE = "notebook"  # the module that the cells fill


class CellError(Exception):
    """A cell that raised; the message says what and on which of its lines."""


class Inside(NBClientEngine):
    """Executes cells in the module SPACE."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> None:
        """Run all code cells in order; what they print becomes their output; the first error ends the run."""
        space = types.ModuleType(SPACE)
        sys.modules[SPACE] = space
        for index, cell in enumerate(nb_man.nb.cells):
            printed = io.StringIO()
            nb_man.cell_start(cell, index)
            try:
                with contextlib.redirect_stdout(printed):
                    exec(compile(cell.source, f"cell {index + 1}", "exec"), vars(space))
            except Exception as error:
                text = describe(error)
                cell.outputs = [
                    nbformat.v4.new_output("error", ename=type(error).__name__, evalue=text, traceback=[text])
                ]
                nb_man.cell_exception(cell, index)
                return
            if printed.getvalue():
                cell.outputs = [nbformat.v4.new_output("stream", text=printed.getvalue())]
            nb_man.cell_complete(cell, index)


def run(cells: list[str]) -> dict[str, Any]:
    """Execute `cells` as a notebook through papermill; return the names they define.

    Raises:
        CellError: if a cell raised.
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    papermill_engines.register("inside", Inside)
    try:
        execute_notebook(notebook, None, engine_name="inside", progress_bar=False, log_output=False)
    except PapermillExecutionError as error:
        raise CellError(error.evalue) from None
    return vars(sys.modules[SPACE])


def describe(error: BaseException) -> str:
    """The error in one line, with the line of the cell in which it rose."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("cell "):
            line = trace.tb_lineno
        trace = trace.tb_next
    where = f" (line {line} of the cell)" if line is not None else ""
    return f"{type(error).__name__}: {error}{where}"

"""Run one notebook through papermill: the process behind each `courseware.child.Child`.

Reads its order as a line of JSON on standard input and writes its news to the descriptor given as its
argument: the kernel's process id, each cell as it begins, and at last how it went.
"""

import json
import os
import re
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

from jupyter_client.provisioning import local_provisioner

from courseware.hatched import Hatched
from courseware.notebooks import FULL_DISK, first_line, tags

TRACEBACK_LINES = 14
SUMMARY_LENGTH = 300
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class News:
    """The pipe to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_inheritable(descriptor, False)

    def tell(self, **news: Any) -> None:
        """Send one line; if nobody listens any more, the run is over."""
        line = json.dumps(news).encode() + b"\n"
        while line:
            line = line[os.write(self._descriptor, line) :]


def run(order: dict[str, Any], news: News) -> dict[str, Any]:
    """Execute the notebook and return how it went: a status, a line about it, and the cell concerned."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook

    from courseware.engine import make_engine

    place = Place(news)
    papermill_engines.register("course", make_engine(place, order["max_output"]))
    try:
        execute_notebook(
            _literal(order["path"]),
            _literal(order["partial"]),
            order["parameters"],
            engine_name="course",
            progress_bar=False,
            cwd=order["home"],
            autosave_cell_every=5,
        )
    except PapermillExecutionError as error:
        place.cell = error.cell_index
        summary = " ".join(f"{error.ename}: {error.evalue}".split()).removesuffix(":")
        if len(summary) > SUMMARY_LENGTH:
            summary = summary[: SUMMARY_LENGTH - 3] + "..."
        return place.result("failed", summary, traceback=shorten(error.traceback))
    except NoSuchKernel as error:
        installed = ", ".join(sorted(KernelSpecManager().find_kernel_specs())) or "none"
        message = f"its kernel {error.name!r} is not installed (installed: {installed}); set it to python3"
        return {"status": "kernel", "error": message}
    except DeadKernelError:
        if place.flooded:
            megabytes = order["max_output"] / 1e6
            return place.result(
                "flood", f"(`{place.line}`) wrote more than {megabytes:g} MB of output: print less"
            )
        return place.result("died", "the kernel died: a crash in native code, os._exit, or out of memory")
    except OSError as error:
        if error.errno in FULL_DISK:
            folder = Path(order["partial"]).parent
            return {
                "status": "disk",
                "error": f"no space left on the disk of {folder}: free some and run again",
            }
        return place.result("broken", f"{type(error).__name__}: {error}")
    except Exception as error:
        return place.result("broken", f"{type(error).__name__}: {error}", traceback=traceback.format_exc())
    return {"status": "ok", "error": ""}


class Place:
    """Where the run is: the current cell, numbered as in the source, from 1."""

    def __init__(self, news: News) -> None:
        self.news = news
        self.cells: list[Any] = []
        self.cell: int | None = None  # index, the injected cell counted
        self.flooded = False
        self.kernel: int | None = None
        self.save: Any = None

    def enter(self, index: int) -> None:
        """Begin a cell and tell the parent."""
        self.cell = index
        total = sum("injected-parameters" not in tags(cell) for cell in self.cells)
        self.news.tell(cell=self.number, line=self.line, total=total)

    @property
    def number(self) -> int | None:
        """The current cell's number in the source."""
        if self.cell is None:
            return None
        injected = sum("injected-parameters" in tags(cell) for cell in self.cells[: self.cell + 1])
        return self.cell + 1 - injected

    @property
    def line(self) -> str:
        """The current cell's first line of code."""
        return first_line(self.cells[self.cell]["source"]) if self.cell is not None else ""

    def result(self, status: str, error: str, **more: Any) -> dict[str, Any]:
        """Return a result that names the current cell."""
        return {"status": status, "error": error, "cell": self.number, "line": self.line, **more}


def shorten(lines: list[str]) -> str:
    """Return the end of an IPython traceback, without colours."""
    text = ANSI.sub("", "\n".join(lines)).splitlines()
    kept = text[-TRACEBACK_LINES:]
    return "\n".join(["..."] * (len(kept) < len(text)) + kept)


def _literal(path: str) -> str:
    """Escape a path for papermill, which formats it."""
    return path.replace("{", "{{").replace("}", "}}")


def serve(descriptor: int, kernel: Hatched | None = None) -> NoReturn:
    """Take the order, run it, tell the result; with a kernel that waits, or one that is started afresh."""
    if kernel is not None:
        local_provisioner.launch_kernel = kernel.launch  # type: ignore[assignment]
    news = News(descriptor)
    order = json.loads(_read_line())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    news.tell(**run(order, news))
    os._exit(0)  # at once: the thread above still reads


def _read_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(1)
        line += byte
    return line


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    serve(int(sys.argv[1]))

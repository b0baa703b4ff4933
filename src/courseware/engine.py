"""papermill's engine with what a course needs: it counts output, and it can be stopped halfway."""

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine

if TYPE_CHECKING:
    from courseware.worker import Place


class Client(PapermillNotebookClient):
    """Runs the cells; tells which one runs, and stops at `max_output` bytes of output.

    An output that a cell clears or updates in place counts once: the limit is on what stays.
    """

    place: "Place"
    max_output: int

    def start_new_kernel(self, **kwargs: Any) -> None:
        """Start the kernel and tell its process id, so that the parent can kill it."""
        super().start_new_kernel(**kwargs)
        self.place.kernel = self.km.provisioner.pid
        self.place.news.tell(kernel=self.place.kernel)
        self._before, self._here = 0, 0  # bytes of output in earlier cells, in this one

    def execute_cell(self, cell: Any, cell_index: int, **kwargs: Any) -> Any:
        """Execute one cell."""
        self.place.enter(cell_index)
        self._before, self._here = self._before + self._here, 0
        return super().execute_cell(cell, cell_index, **kwargs)

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Keep one message of output if there is room for it; else end the run."""
        if self.place.flooded:
            return None
        kind = msg["msg_type"]
        if kind == "clear_output":
            self._here = 0
        elif kind in ("stream", "display_data", "execute_result"):
            self._here += size(msg["content"])
            if self._before + self._here > self.max_output:
                self.place.flooded = True
                self.shutdown_kernel = "immediate"  # it would first finish writing
                self.task_poll_for_reply.cancel()  # surfaces as DeadKernelError
                return None
        return super().process_message(msg, cell, cell_index)


def size(content: dict[str, Any]) -> int:
    """Return about how many bytes an output takes in the notebook's file."""
    if "text" in content:
        return len(content["text"])
    return sum(
        len(value) if isinstance(value, str) else len(str(value)) for value in content["data"].values()
    )


def make_engine(place: "Place", max_output: int) -> type[NBClientEngine]:
    """Return an engine that keeps `place` up to date and saves the partial copy when told to stop."""

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
            place.cells = list(nb_man.nb.cells)

            def stop(*_: Any) -> None:
                with contextlib.suppress(Exception):
                    nb_man.save()
                if place.kernel is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(place.kernel, signal.SIGKILL)
                os._exit(143)

            signal.signal(signal.SIGTERM, stop)
            client = Client(
                nb_man,
                kernel_name=kernel_name,
                timeout=None,  # the parent holds the clock, for the whole notebook
                startup_timeout=kwargs.get("start_timeout", 60),
                record_timing=False,
            )
            client.place, client.max_output = place, max_output
            return client.execute()

    return Engine

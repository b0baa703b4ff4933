"""The curve of a run, redrawn in place in a live notebook."""

from __future__ import annotations

import base64
import io
import sys
import time
from types import TracebackType
from typing import Any

from convbook.progress import somebody_watches
from convbook.training.history import History

SHARE = 0.05  # of the run's time that drawing may take


class LiveCurve:
    """Shows a history's figure below the cell and replaces it after each epoch; silent elsewhere.

    Drawing takes about a fifth of a second, which short epochs are not worth: then it skips some. The last
    epoch is always drawn, when the context is left.

    Args:
        history: what is drawn; it may still be empty.
        wanted: False for silence everywhere.
    """

    def __init__(self, history: History, *, wanted: bool = True) -> None:
        self.history = history
        self.live = wanted and _in_notebook() and somebody_watches()
        self._handle: Any = None
        self._drawn = 0  # rows in the figure that is shown
        self._next = 0.0  # when drawing is affordable again

    def __enter__(self) -> LiveCurve:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live and self._drawn < len(self.history):
            self._draw()

    def update(self) -> None:
        """Show the history as it is now, if that is affordable."""
        if self.live and self._drawn < len(self.history) and time.perf_counter() >= self._next:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import display

        start = time.perf_counter()
        final = self.history.final
        alt = (
            f"Loss and accuracy on {self.history.data} up to epoch {final['epoch']:.0f}: "
            f"validation accuracy {100 * final['val_accuracy']:.2f} %"
        )
        figure = self.history.plot()
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=192)  # twice a screen's pixels
        picture = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": alt}
        metadata = {"image/png": {"alt": alt, "width": round(96 * figure.get_figwidth())}}
        if self._handle is None:
            self._handle = display(picture, raw=True, metadata=metadata, display_id=True)
        else:
            self._handle.update(picture, raw=True, metadata=metadata)
        self._drawn = len(self.history)
        now = time.perf_counter()
        self._next = now + (now - start) * (1 / SHARE - 1)


def _in_notebook() -> bool:
    """Whether an IPython kernel runs this. IPython is not imported to find out."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None

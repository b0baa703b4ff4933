"""Ending a run from outside without losing anything."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Terminated(SystemExit):
    """SIGTERM ended the run: the process exits with the status that shells expect of it, 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class StopSignal:
    """Inside the context, SIGTERM is noted instead of ending the process in the middle of a step.

    Attributes:
        asked: whether it came.
    """

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> StopSignal:
        self.listens = threading.current_thread() is threading.main_thread()  # only it may set handlers
        if self.listens:
            self.before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.listens:
            signal.signal(signal.SIGTERM, self.before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

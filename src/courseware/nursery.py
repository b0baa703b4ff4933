"""A process that has imported what is slow to import, and forks a worker for each notebook.

Importing torch and torchvision costs a notebook more than many of its cells. On Linux it is done once for
all of them; elsewhere libraries do not survive a fork, and every worker starts afresh.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from courseware.hatched import Hatched, Polled

AVAILABLE = sys.platform == "linux"
WORKER = ("papermill.execute", "nbclient", "ipykernel.kernelapp", "courseware.worker", "courseware.engine")
LIBRARIES = ("torch", "torchvision")  # not matplotlib: it chooses its backend when it is imported


class Nursery:
    """The parent's end. What it forks is not its child, so the nursery tells how each worker ended."""

    def __init__(self, environ: dict[str, str], libraries: Sequence[str] = ()) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            # Python 3.12 warns of a fork beside threads; OpenBLAS, whose threads they are, takes care of it.
            quiet = ("-W", "ignore::DeprecationWarning")
            self._process = subprocess.Popen(
                [sys.executable, "-P", *quiet, "-m", __name__, str(theirs.fileno()), *WORKER, *libraries],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=environ,
            )
        self._heard = b""
        self._born: list[int] = []
        self._statuses: dict[int, int] = {}

    def fork(self, stdin: int, stderr: int, news: int) -> Forked:
        """Let a worker begin that owns these descriptors.

        Raises:
            OSError: if the nursery has ended.
        """
        with contextlib.suppress(BrokenPipeError):
            socket.send_fds(self._socket, [b"f"], [stdin, stderr, news])
        while not self._born:
            if not self._hear():
                raise OSError(f"the process that starts notebooks ended with status {self._process.wait()}")
        return Forked(self._born.pop(), self)

    def status(self, pid: int) -> int | None:
        """How a worker ended, as `subprocess` tells it; None while it runs."""
        while pid not in self._statuses and select.select([self._socket], [], [], 0)[0]:
            if not self._hear():  # the nursery is gone: nobody would tell any more
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                self._statuses[pid] = -signal.SIGKILL
        return self._statuses.get(pid)

    def _hear(self) -> bool:
        """Take in what the nursery says; False if it will say nothing more."""
        said = self._socket.recv(1 << 16)
        *lines, self._heard = (self._heard + said).split(b"\n")
        for reply in map(json.loads, lines):
            if "status" in reply:
                self._statuses[reply["pid"]] = reply["status"]
            else:
                self._born.append(reply["pid"])
        return bool(said)

    def close(self) -> None:
        """End the nursery; workers that still run are the caller's to kill first."""
        self._socket.close()
        self._process.wait()


class Forked(Polled):
    """A worker, with what is used of `subprocess.Popen`."""

    def __init__(self, pid: int, nursery: Nursery) -> None:
        self.pid = pid
        self._nursery = nursery

    def poll(self) -> int | None:
        """Return how it ended, or None."""
        return self._nursery.status(self.pid)

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)


def main() -> None:
    """Import the modules given as arguments, then fork until the parent closes its end."""
    parent = socket.socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2:]:
        with contextlib.suppress(ImportError):  # the notebook will say what is missing
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else the collector of each worker would copy all these pages
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    while True:
        ready = select.select([parent.fileno(), woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _tell_ended(parent)
        if parent.fileno() in ready:
            request, descriptors, _, _ = socket.recv_fds(parent, 1, 3)
            if not request:
                os._exit(0)
            pid = os.fork()
            if pid == 0:
                _begin(parent, (woken, wake), descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            _tell(parent, pid=pid)


def _tell_ended(parent: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            _tell(parent, pid=ended[0], status=os.waitstatus_to_exitcode(ended[1]))


def _tell(parent: socket.socket, **reply: int) -> None:
    try:
        parent.sendall(json.dumps(reply).encode() + b"\n")
    except OSError:  # nobody listens any more; workers notice it themselves
        os._exit(0)


def _begin(parent: socket.socket, pipe: tuple[int, int], descriptors: Sequence[int]) -> NoReturn:
    """Be a worker: in a session of its own, with its own standard files and no others of the nursery."""
    from courseware import worker

    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        parent.close()
        stdin, stderr, news = descriptors
        os.dup2(stdin, 0)
        os.dup2(stderr, 2)
        for descriptor in (*pipe, stdin, stderr):
            os.close(descriptor)
        worker.serve(news, Hatched())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()

"""The parent's end of a process that runs one notebook: start it, listen to it, end it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from courseware.nursery import Forked, Nursery

GRACE = 2.0  # seconds for a worker to save the partial copy before it is killed
UNCLEAN = (None, "timeout", "died", "flood", "broken")  # ends after which a kernel may live on


@dataclass(frozen=True)
class Job:
    """One notebook to run: where it is, what to set, where its copies go, what it may use."""

    path: Path
    parameters: dict[str, Any]
    kept: Path
    partial: Path
    timeout: float
    max_output: int


class Child:
    """A worker in its own session, forked by the nursery or started afresh.

    It tells its news as lines of JSON through a pipe only it can write to. Its standard input stays open:
    when this process dies, however it dies, the worker reads its end and takes the kernel with it.
    """

    def __init__(
        self,
        job: Job,
        environ: dict[str, str],
        at_cell: Callable[[Path, int, int], None],
        home: str,
        nursery: Nursery | None = None,
    ) -> None:
        self.job = job
        self.threads = int(environ["OMP_NUM_THREADS"])
        self.started = time.monotonic()
        self.result: dict[str, Any] = {}
        self._at_cell = at_cell
        self._cell: tuple[int, str] | None = None
        self._kernel: int | None = None
        self._news = b""
        self._stderr = b""
        self._process: subprocess.Popen[bytes] | Forked
        stdin, self._stdin_fd = os.pipe()
        self._stderr_fd, stderr = os.pipe()
        self._news_fd, news = os.pipe()
        try:
            if nursery is not None:
                self._process = nursery.fork(stdin, stderr, news)
            else:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "courseware.worker", str(news)],
                    stdin=stdin,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    pass_fds=(news,),
                    start_new_session=True,
                    env=environ,
                )
        except OSError:
            self._close()
            raise
        finally:
            for theirs in (stdin, stderr, news):
                os.close(theirs)
        self._open = {self._news_fd, self._stderr_fd}
        order = {
            "path": str(job.path),
            "parameters": job.parameters,
            "partial": str(job.partial),
            "max_output": job.max_output,
            "home": home,
        }
        with contextlib.suppress(BrokenPipeError):
            os.write(self._stdin_fd, json.dumps(order).encode() + b"\n")

    @staticmethod
    def wait_for_news(children: Iterable["Child"], seconds: float) -> None:
        """Wait until some child says something, at most `seconds`, and take in what is there."""
        owners = {fd: child for child in children for fd in child._open}
        if owners:
            for fd in select.select(list(owners), [], [], seconds)[0]:
                owners[fd]._take(fd)

    def ended(self) -> bool:
        """Return whether the worker is done, ending it if its time is up; then `result` says how it went."""
        if self._news_fd not in self._open:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
            if not self.result:
                self.result = self._unexplained()
            self.kill()
            return True
        if time.monotonic() - self.started > self.job.timeout:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()  # the worker saves what there is
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
            message = f"stopped after {self.job.timeout:g} s: make it cheaper or raise --timeout"
            self.result = self._at_current_cell("timeout", message)
            self.kill()
            return True
        return False

    def kill(self) -> None:
        """Kill the worker and its kernel, each with its process group, and close the pipes."""
        orphans = self._process.poll() is None or self.result.get("status") in UNCLEAN
        if self._kernel is not None and orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._kernel, signal.SIGKILL)
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._close()

    def _close(self) -> None:
        """Close the pipes; the worker ends when it reads that of its standard input."""
        for descriptor in (self._stdin_fd, self._stderr_fd, self._news_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._stdin_fd = self._stderr_fd = self._news_fd = -1
        self._open = set()

    def _take(self, fd: int) -> None:
        data = os.read(fd, 1 << 16)
        if not data:
            self._open.discard(fd)
        elif fd == self._stderr_fd:
            self._stderr = (self._stderr + data)[-4000:]
        else:
            *lines, self._news = (self._news + data).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))

    def _hear(self, news: dict[str, Any]) -> None:
        if "kernel" in news:
            self._kernel = news["kernel"]
        elif "status" in news:
            self.result = news
        else:
            self._cell = (news["cell"], news["line"])
            self._at_cell(self.job.path, news["cell"], news["total"])

    def _unexplained(self) -> dict[str, Any]:
        """The worker ended without a word: killed from outside, or it crashed."""
        code = self._process.poll()
        last = self._stderr.decode(errors="replace").strip().splitlines()[-1:]
        how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
        return self._at_current_cell(
            "broken", f"the process running it ended {how}" + "".join(f": {x}" for x in last)
        )

    def _at_current_cell(self, status: str, error: str) -> dict[str, Any]:
        cell, line = self._cell or (None, "")
        return {"status": status, "error": error, "cell": cell, "line": line}

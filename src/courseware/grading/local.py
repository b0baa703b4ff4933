"""Grade on this machine: worker processes, a thread of this one beside each.

A worker that is lost (it crashed, was killed for its memory, is stuck) is replaced. What it had in hand is
tried once more on a fresh one, then given up with the reason.
"""

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import courseware
from courseware.execute import cores
from courseware.grading.order import Order, Parcel, Results, not_run, pack
from courseware.grading.result import Result
from courseware.grading.submissions import Submission
from courseware.grading.worker import GRACE
from courseware.notebooks import CourseError

START = 300.0  # seconds for a worker to import torch and open its sandbox on a busy machine
TICK = 0.5  # seconds between two looks at the clock
ATTEMPTS = 2


class GradingError(CourseError):
    """A folder that cannot be graded; the message says what to do."""


class Lost(Exception):
    """A worker ended, or was ended, with work in hand; the message says how."""


class Desk:
    """A worker process of its own; it grades one submission at a time and is replaced when lost.

    `stop` may be called from any thread, all else from one.
    """

    def __init__(self, order: Order, threads: int = 1) -> None:
        self._order, self._threads = order, threads
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: FileIO | None = None
        self._bound = START
        self._stopped = False
        self._starting = threading.Lock()

    def grade(self, parcel: Parcel) -> Result:
        """Return the result: "not run", with the reason, if workers are lost on it.

        Raises:
            GradingError: if a worker cannot set up: no bubblewrap, for example.
            Lost: if no worker starts, or the desk was stopped.
        """
        reason = ""
        for attempt in range(1, ATTEMPTS + 1):
            self._start()
            try:
                return replace(self._ask(parcel), attempts=attempt)
            except Lost as lost:
                self.close()
                reason = f"its grader was lost {ATTEMPTS} times; the last time, {lost}"
        return not_run(parcel, self._order.lab, reason, attempts=ATTEMPTS)

    def stop(self) -> None:
        """End the worker, and with it its sandbox; whoever waits for a result is told that it is lost."""
        with self._starting:
            self._stopped = True
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()  # it closes its sandbox
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            _kill(process)

    def close(self) -> None:
        """End the worker; the next submission gets a new one."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None and process.stderr is not None and self._pipe is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            _kill(process)
            process.stderr.close()
            self._pipe.close()

    def _start(self) -> None:
        """Have a worker that is ready."""
        for attempt in range(1, ATTEMPTS + 1):
            if self._process is None or self._process.poll() is not None:
                self.close()
                self._spawn()
                self._send(self._order.dumps().encode() + b"\n")
                try:
                    self._bound = self._hear(START)["ready"]
                except Lost:
                    self.close()
                    if attempt == ATTEMPTS:
                        raise

    def _spawn(self) -> None:
        with self._starting:
            if self._stopped:
                raise Lost("it was stopped")
            ours, theirs = os.pipe()
            self._pipe = FileIO(ours)
            self._news = b""
            self._stderr = b""
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "courseware.grading.worker", str(theirs)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=(theirs,),
                    start_new_session=True,  # Ctrl-C is ours to handle
                    env=_environ(self._threads),
                )
            finally:
                os.close(theirs)

    def _ask(self, parcel: Parcel) -> Result:
        self._send(b"%d\n%s\n%s" % (len(parcel.data), parcel.about().encode(), parcel.data))
        try:
            return Result.from_json(self._hear(self._bound)["result"])
        except ValueError as error:
            raise Lost(f"its result was none: {error}") from None

    def _send(self, data: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `_hear` will tell
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _hear(self, seconds: float) -> dict[str, Any]:
        """Return the worker's next news."""
        assert self._process is not None and self._process.stderr is not None and self._pipe is not None
        end = time.monotonic() + seconds
        news_fd = self._pipe.fileno()
        ears = [news_fd, self._process.stderr.fileno()]
        while b"\n" not in self._news:
            ready = select.select(ears, [], [], max(0.0, end - time.monotonic()))[0]
            if not ready:
                _kill(self._process)
                raise Lost(f"it did not answer for {seconds:g} s")
            for fd in ready:
                data = os.read(fd, 1 << 20)
                if fd != news_fd:
                    self._stderr = (self._stderr + data)[-4000:]
                    if not data:
                        ears.remove(fd)
                elif data:
                    self._news += data
                else:
                    raise Lost(self._last_words())
        line, _, self._news = self._news.partition(b"\n")
        news: dict[str, Any] = json.loads(line)
        if "refused" in news:
            raise GradingError(news["refused"])
        return news

    def _last_words(self) -> str:
        """Say how a worker ended that said nothing itself."""
        assert self._process is not None and self._process.stderr is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        code = self._process.poll()
        if code is not None and code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        stderr = self._process.stderr.fileno()
        while select.select([stderr], [], [], 0)[0] and (data := os.read(stderr, 1 << 16)):
            self._stderr = (self._stderr + data)[-4000:]
        last = self._stderr.decode(errors="replace").strip().splitlines()[-1:]
        return f"it ended with status {code}" + "".join(f": {line[:300]}" for line in last)


def grade_here(order: Order, submissions: Sequence[Submission], workers: int) -> Results:
    """Yield each result as it comes, and None whenever none has come for a moment.

    Closing the iterator ends all workers; what they had in hand has no result then.
    """
    workers = max(1, min(workers, len(submissions)))
    desks = [Desk(order, max(1, cores() // workers)) for _ in range(workers)]
    waiting: queue.SimpleQueue[Submission] = queue.SimpleQueue()
    done: queue.SimpleQueue[Result | Exception] = queue.SimpleQueue()
    for submission in submissions:
        waiting.put(submission)

    def work(desk: Desk) -> None:
        try:
            with contextlib.suppress(queue.Empty):
                while True:
                    parcel = pack(waiting.get_nowait(), order.lab)
                    done.put(desk.grade(parcel) if isinstance(parcel, Parcel) else parcel)
        except Exception as error:
            done.put(error)
        finally:
            desk.close()

    threads = [threading.Thread(target=work, args=(desk,), daemon=True) for desk in desks]
    try:
        for thread in threads:
            thread.start()
        for _ in submissions:
            while (news := _next(done)) is None:
                yield None
            if isinstance(news, Lost):
                raise GradingError(f"graders do not start: {news}")
            if isinstance(news, Exception):
                raise news
            yield news
    finally:
        stop(desks)
        for thread in threads:
            if thread.ident is not None:
                thread.join(GRACE)


def stop(desks: Iterable[Desk]) -> None:
    """Stop many at once."""
    stoppers = [threading.Thread(target=desk.stop, daemon=True) for desk in desks]
    for thread in stoppers:
        thread.start()
    for thread in stoppers:
        thread.join()


def _next(done: "queue.SimpleQueue[Result | Exception]") -> Result | Exception | None:
    try:
        return done.get(timeout=TICK)
    except queue.Empty:
        return None


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill the worker with its process group; its sandbox dies with it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environ(threads: int) -> dict[str, str]:
    """Return the worker's environment: this very package, its share of the cores."""
    environ = dict(os.environ)
    for name in ("OMP", "MKL", "OPENBLAS"):
        environ[f"{name}_NUM_THREADS"] = str(threads)
    source = str(Path(courseware.__file__).parent.parent)
    environ["PYTHONPATH"] = os.pathsep.join([source, *filter(None, [environ.get("PYTHONPATH")])])
    return environ

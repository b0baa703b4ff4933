"""Watches one jail from outside: feeds on its pipes, bounds what it uses, and ends it whole."""

import contextlib
import os
import select
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

from . import jail, kernel, processes
from .frames import Limits
from .jail import Driver, Plan

TICK = 0.05
BUILDING = 60.0  # seconds for the walls to stand, or for the killed to be gone, on a busy machine
CHUNK = 1 << 18


class JailError(RuntimeError):
    """The walls of a jail do not stand; nothing ran."""


@dataclass
class Report:
    """How one run went."""

    status: str = ""
    detail: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    answer: bytearray = field(default_factory=bytearray)
    printed: bytearray = field(default_factory=bytearray)


def supervise(driver: Driver, payload: bytes, limits: Limits, plan: Plan, parent: int | None) -> Report:
    """Run the driver in a jail. `parent` is a pipe whose end means that nobody waits for an answer.

    Raises:
        JailError: if a wall of the plan cannot be built.
    """
    try:
        if plan.namespaces:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # and the jail is gone with this process
            kernel.call("unshare", kernel.CLONE_NEWPID)
        else:
            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    except OSError as error:
        raise JailError(str(error)) from error
    with _scratch(plan) as scratch:
        pipes = [os.pipe() for _ in range(3)]
        pid = os.fork()
        if pid == 0:
            jail.run(driver, payload, limits, plan, scratch, [theirs for _, theirs in pipes])
        handle = os.pidfd_open(pid)
        for _, theirs in pipes:
            os.close(theirs)
        printed, answer, state = (ours for ours, _ in pipes)
        try:
            _await_walls(state)
            return _Watch(pid, handle, limits, printed, answer, parent).watch()
        finally:
            _end(pid, handle, plan)


@contextlib.contextmanager
def _scratch(plan: Plan) -> Any:
    """A folder for the run; the jail mounts its own where it can."""
    if plan.namespaces:
        yield jail.SCRATCH
        return
    folder = tempfile.mkdtemp(prefix="jail-", dir=os.environ.get("TMPDIR"))
    if plan.user is not None:
        os.chown(folder, plan.user, plan.user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await_walls(state: int) -> None:
    said = b""
    if select.select([state], [], [], BUILDING)[0]:
        said = os.read(state, 1000)
    os.close(state)
    if said != jail.READY:
        raise JailError(said.decode(errors="replace") or "it ended, or hung, while it was built")


class _Watch:
    """Reads what the jail says and looks at what it uses, until it has ended."""

    def __init__(
        self, pid: int, handle: int, limits: Limits, printed: int, answer: int, parent: int | None
    ) -> None:
        self.pid, self.handle, self.limits, self.parent = pid, handle, limits, parent
        self.printed, self.answer = printed, answer
        self.report = Report()
        self.flood = 0
        self.started = time.monotonic()
        self.open = {printed, answer, self.handle} | ({parent} if parent is not None else set())
        os.set_blocking(printed, False)
        os.set_blocking(answer, False)

    def watch(self) -> Report:
        looked = self.started
        while True:
            readable = select.select(list(self.open), [], [], TICK)[0]
            for fd in readable:
                if fd in (self.printed, self.answer):
                    self._take(fd)
            if self.parent in readable:
                raise EOFError("nobody waits for the answer any more")
            if self.handle in readable:
                break
            now = time.monotonic()
            if now - looked >= TICK:
                looked = now
                self._look(now)
            if self.report.status:
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
                select.select([self.handle], [], [], BUILDING)
                break
        return self._close()

    def _take(self, fd: int) -> None:
        try:
            chunk = os.read(fd, CHUNK)
        except BlockingIOError:
            return
        limits, report = self.limits, self.report
        if not chunk:
            self.open.discard(fd)
        elif fd == self.answer:
            if len(report.answer) + len(chunk) > limits.answer:
                self._stop("output", f"answered with more than {_amount(limits.answer)}")
            else:
                report.answer += chunk
        else:
            report.printed += chunk[: limits.printed - len(report.printed)]
            self.flood += len(chunk)
            if self.flood > limits.flood:
                self._stop("output", f"printed more than {_amount(limits.flood)}")

    def _look(self, now: float) -> None:
        """Compare what the jail uses with its limits."""
        limits, report = self.limits, self.report
        use = processes.usage(os.getpid(), limits.memory)
        report.cpu = max(report.cpu, use.cpu)
        if now - self.started > limits.seconds:
            self._stop("time", f"ran longer than {limits.seconds:g} s")
        elif report.cpu > limits.cpu:
            self._stop("cpu", f"used the processor for more than {limits.cpu:g} s")
        elif use.memory > limits.memory:
            self._stop("memory", f"used more than {_amount(limits.memory)} of memory")
        elif use.tasks > 4 * limits.processes:  # where the kernel does not count for us
            self._stop("died", f"started more than {limits.processes} processes")

    def _stop(self, status: str, detail: str) -> None:
        if not self.report.status:
            self.report.status, self.report.detail = status, detail

    def _close(self) -> Report:
        """Collect the dead and read what is left in the pipes."""
        report = self.report
        ended, status, used = os.wait4(self.pid, os.WNOHANG)
        report.cpu = max(report.cpu, used.ru_utime + used.ru_stime)
        report.seconds = time.monotonic() - self.started
        while not report.status and (left := self.open & {self.printed, self.answer}):
            if not (readable := select.select(list(left), [], [], 0)[0]):
                break  # held by a process that outlived the first one
            for fd in readable:
                self._take(fd)
        if report.status or not ended:
            return report
        if (code := os.waitstatus_to_exitcode(status)) == jail.FINISHED:
            report.status = "ok"
        elif code in (-signal.SIGXCPU, -signal.SIGKILL) and report.cpu >= self.limits.cpu:
            self._stop("cpu", f"used the processor for more than {self.limits.cpu:g} s")
        else:
            self._stop("died", _how(code))
        return report


def _how(code: int) -> str:
    if code >= 0:
        return f"its process ended before it had answered (status {code})"
    try:
        return f"its process crashed ({signal.Signals(-code).name})"
    except ValueError:
        return f"its process crashed (signal {-code})"


def _amount(size: int) -> str:
    return f"{size / 1e6:.3g} MB" if size < 1e9 else f"{size / 1e9:.3g} GB"


def _end(pid: int, handle: int, plan: Plan) -> None:
    """Leave nothing of the jail alive: the end of a process namespace's first process is the end of all."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.waitpid(pid, 0)
    if plan.namespaces:
        return
    deadline = time.monotonic() + BUILDING
    while left := processes.descendants(os.getpid()):
        if plan.user is not None:
            _kill_all_of(plan.user)
        for descendant in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(descendant, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > deadline:
            raise JailError("processes of the jail cannot be ended")


def _kill_all_of(user: int) -> None:
    """Kill every process of a user at once, so that none can fork away."""
    killer = os.fork()
    if killer == 0:
        try:
            os.setresuid(user, user, user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(killer, 0)

"""The warm process of a sandbox: it has imported what is slow to import, and forks a jail for each run.

It never reads what it is asked to run: a supervisor of each run does, so that nothing of one student's
program stays in the memory that the next one's process begins with.
"""

import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from . import frames, kernel, processes
from .frames import Limits
from .jail import Driver, Plan
from .supervisor import JailError, supervise

MATES = 3  # of an ordinary user in a sandbox: bubblewrap's own process, this one, and a supervisor


def main() -> None:
    """Take `{"kind", "user", "driver", "warm"}` as the argument; requests from standard input."""
    order = json.loads(sys.argv[1])
    replies = os.dup(1)
    os.dup2(2, 1)  # what an import may print is no reply
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    for name in order["warm"]:
        importlib.import_module(name)
    driver: Driver = importlib.import_module(order["driver"]).drive
    plan, weak = _find_plan(order["kind"], order["user"])
    gc.collect()
    gc.freeze()  # else the collector of each jail would copy all these pages
    if (threads := processes.threads()) != 1:
        weak.append(f"{threads} threads were running before the first fork, which may make a run hang")
    frames.send_reply(replies, weak=weak)
    while length := _next_length():
        supervisor = os.fork()
        if supervisor == 0:
            _serve(driver, length, plan, replies)
        if os.waitpid(supervisor, 0)[1]:
            os._exit(1)  # who asked will start another of this
    os._exit(0)


def _next_length() -> int:
    """Wait for a request; 0 when none will come."""
    try:
        return frames.LENGTH.unpack(frames.read_exactly(0, frames.LENGTH.size))[0]
    except EOFError:
        return 0


def _serve(driver: Driver, length: int, plan: Plan, replies: int) -> NoReturn:
    """Be the supervisor of one run."""
    try:
        payload, limits = frames.parse_request(frames.read_exactly(0, length))
        try:
            report = supervise(driver, payload, limits, plan, parent=0)
        except JailError as error:
            frames.send_reply(replies, error=str(error))
        else:
            frames.send_reply(
                replies, bytes(report.printed), bytes(report.answer),
                status=report.status, detail=report.detail, seconds=report.seconds, cpu=report.cpu,
            )  # fmt: skip
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _find_plan(kind: str, user: int | None) -> tuple[Plan, list[str]]:
    """Return the walls to build, tried out, and what is missing of them where that is allowed."""
    if kind == "NONE":
        return Plan(namespaces=False, filtered=False), []
    full = Plan(namespaces=True, filtered=True, user=user, mates=0 if user is not None else MATES)
    try:
        _try(full)
        return full, []
    except JailError as error:
        if kind != "container":
            raise
        weak = f"a jail has no namespaces of its own in this container ({error})"
    less = Plan(namespaces=False, filtered=True, user=user)
    _try(less)
    return less, [weak]


def _try(plan: Plan) -> None:
    """Build a jail and look around in it, in a process of its own.

    Raises:
        JailError: if it does not stand, or hides what it should show.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        problem = ""
        try:
            report = supervise(_look_around, b"", Limits(), plan, parent=None)
            if report.status != "ok":
                problem = report.printed.decode(errors="replace").strip().rpartition("\n")[2] or report.detail
        except BaseException as error:
            problem = str(error) or type(error).__name__
        os.write(theirs, problem.encode()[:1000])
        os._exit(0)
    os.close(theirs)
    problem = os.read(ours, 1000).decode(errors="replace")
    os.close(ours)
    os.waitpid(pid, 0)
    if problem:
        raise JailError(problem)


def _look_around(_: bytes) -> bytes:
    """Fail where the user of a jail cannot read what Python will import."""
    for place in map(Path, sys.path):
        if place.is_dir():
            list(place.iterdir())
    Path(__file__).read_bytes()
    return b""


if __name__ == "__main__":
    main()

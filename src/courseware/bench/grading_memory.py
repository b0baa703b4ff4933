"""How much memory the processes of one grading run hold, from its beginning to its end."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.25  # seconds between two looks
LASTING = 0.6  # of all looks: a process that is seen more often stays for the run
WARM = 0.1  # of all submissions, before which memory may grow
WINDOW = 0.1  # of all submissions, whose looks make one figure


@dataclass(frozen=True)
class Look:
    """Bytes that each process held when this share of the submissions was done."""

    done: float
    resident: dict[int, int]


def watch(process: subprocess.Popen, done: Callable[[], float]) -> list[Look]:
    """Look at a process and all below it until it ends."""
    looks = []
    while process.poll() is None:
        looks.append(Look(done(), resident(process.pid)))
        time.sleep(EVERY)
    return looks


def course_of(looks: Sequence[Look]) -> list[float]:
    """Bytes held by the processes that last: after the warming up, in the middle, and at the end.

    Each is a median over the looks in a window; jails, which come and go, are none of these processes.
    """
    graded = [look for look in looks if look.done >= WARM]
    often: dict[int, int] = {}
    for look in graded:
        for pid in look.resident:
            often[pid] = often.get(pid, 0) + 1
    lasting = {pid for pid, count in often.items() if count >= LASTING * len(graded)}
    found = []
    for low in (WARM, 0.5 - WINDOW / 2, 1 - WINDOW):
        sums = [
            sum(size for pid, size in look.resident.items() if pid in lasting)
            for look in graded
            if low <= look.done <= low + WINDOW and lasting <= set(look.resident)
        ]
        found.append(statistics.median(sums) if sums else float("nan"))
    return found


def resident(pid: int) -> dict[int, int]:
    """Bytes in memory of a process and of each below it."""
    parents, sizes = {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:  # it ended meanwhile
            continue
        parents[int(status.parent.name)] = int(fields["PPid"])
        sizes[int(status.parent.name)] = 1024 * int(fields.get("VmRSS", "0 kB").split()[0])
    below = {pid}
    while more := {each for each, parent in parents.items() if parent in below} - below:
        below |= more
    return {each: sizes[each] for each in below if each in sizes}

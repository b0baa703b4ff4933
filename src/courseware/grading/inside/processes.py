"""What the processes below one use, by `/proc`."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_COUNTED = ("RssAnon:", "RssShmem:", "VmPTE:")  # a page of a file costs nothing, a page table does
_SHARED_OUT = ("Pss_Anon:", "Pss_Shmem:")


@dataclass(frozen=True)
class Usage:
    """Memory in bytes, processor time in seconds, processes and threads."""

    memory: int
    cpu: float
    tasks: int


def descendants(root: int) -> list[int]:
    """Return the processes that come of `root`, the nearest first."""
    return list(_stats(root))


def threads() -> int:
    """Return how many threads this process has."""
    return sum(1 for _ in (_PROC / "self" / "task").iterdir())


def usage(root: int, enough: int) -> Usage:
    """Return what the processes below `root` use together.

    What a process shares with those it forked counts for each of them at first; only if the sum is more than
    `enough` is it shared out, which takes longer.
    """
    stats = _stats(root)
    memory = sum(_sum(pid, "status", _COUNTED) for pid in stats)
    if memory > enough:
        memory = sum(
            _sum(pid, "smaps_rollup", _SHARED_OUT) + _sum(pid, "status", ("VmPTE:",)) for pid in stats
        )
    # Fields 14 to 17 of `man proc_pid_stat`: its own time, and that of the children it has collected.
    ticks = sum(int(value) for fields in stats.values() for value in fields[11:15])
    return Usage(memory, ticks / _TICKS, sum(int(fields[17]) for fields in stats.values()))


def _stats(root: int) -> dict[int, list[str]]:
    """Return the fields of `stat` behind the name (the third is the first), by process."""
    every: dict[int, list[str]] = {}
    for place in _PROC.iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                every[int(place.name)] = (place / "stat").read_text().rpartition(")")[2].split()
    below: dict[int, list[str]] = {}
    parents = {root}
    while parents:
        found = {pid: fields for pid, fields in every.items() if int(fields[1]) in parents}
        below.update(found)
        parents = set(found)
    return below


def _sum(pid: int, file: str, names: tuple[str, ...]) -> int:
    """Add up lines like `RssAnon:   1234 kB`; a process that is gone, or going, has none."""
    with contextlib.suppress(OSError):
        lines = (_PROC / str(pid) / file).read_text().splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(names))
    return 0

"""Measuring in turns: a slow spell of the machine then hits both sides, and drift favours none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from courseware.bench.figure import REPEATS

Side = Callable[[], float]
Clock = Callable[[], float]
CORES = 2  # a free Colab machine's


class OutOfTime(Exception):
    """The budget is used up."""


@dataclass
class Bench:
    """How to measure.

    Attributes:
        device: "cpu" or "cuda".
        repeats: turns of every side.
        quick: tiny sizes, to see that everything runs.
        budget: seconds for all cases together; a repeat that has begun is finished.
        say: takes a line of progress.
        clock: seconds from anywhere.
    """

    device: str = "cpu"
    repeats: int = REPEATS
    quick: bool = False
    budget: float | None = None
    say: Callable[[str], None] = lambda line: None
    clock: Clock = time.perf_counter
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def left(self) -> float | None:
        """Seconds of the budget that remain; None without a budget."""
        return None if self.budget is None else self.budget - (self.clock() - self.began)

    def check_time(self) -> None:
        """Raise OutOfTime once the budget is used up."""
        left = self.left()
        if left is not None and left <= 0:
            raise OutOfTime

    def size(self, full: int, quick: int) -> int:
        """A size of the work: ``full``, or ``quick`` in a quick run."""
        return quick if self.quick else full

    def timed(self, work: Callable[[], object]) -> float:
        """Seconds that ``work`` takes, until the device is done with it."""
        self.wait()
        start = self.clock()
        work()
        self.wait()
        return self.clock() - start

    def wait(self) -> None:
        """Let the GPU finish what it was told."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def turns(self, sides: Mapping[str, Side], repeats: int | None = None) -> dict[str, list[float]]:
        """What each side returned in each repeat; every other repeat goes through the sides backwards.

        Args:
            sides: name -> what runs it once and returns its seconds.
            repeats: turns, if not :attr:`repeats`.

        Raises:
            OutOfTime: the budget is used up.
        """
        found: dict[str, list[float]] = {name: [] for name in sides}
        repeats = repeats or self.repeats
        for repeat in range(repeats):
            self.check_time()
            for name in list(sides)[:: -1 if repeat % 2 else 1]:
                found[name].append(sides[name]())
            self.say(f"  repeat {repeat + 1} of {repeats}")
        return found


@contextmanager
def held_to(cores: int = CORES) -> Iterator[None]:
    """Hold this process and its children to a few cores, and PyTorch to as many threads.

    Where the system cannot bind processes to cores, the number of threads alone is held.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(cores)
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    try:
        _bind(allowed[:cores])
        yield
    finally:
        _bind(allowed)
        torch.set_num_threads(threads)


def _bind(cores: list[int]) -> None:
    """Bind every thread of this process: the pools of PyTorch may have been started already."""
    tasks = Path("/proc/self/task")
    if cores and tasks.is_dir():
        for task in tasks.iterdir():
            try:
                os.sched_setaffinity(int(task.name), cores)
            except ProcessLookupError:  # it ended meanwhile
                continue

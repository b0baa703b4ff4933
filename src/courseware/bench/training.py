"""`course bench training`: the cases, and running them one after the other."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from difflib import get_close_matches

import torch

from convbook.training import DeviceError, OutOfMemoryError, pick_device
from courseware.bench import cpu, gpu, growth, mnist, speed_record
from courseware.bench.case import Case
from courseware.bench.figure import REPEATS, Figure
from courseware.bench.result import Result, make_result
from courseware.bench.turns import Bench, OutOfTime, held_to
from courseware.bench.words import amount
from courseware.notebooks import CourseError

SUITE = "training"
CASES: tuple[Case, ...] = (
    cpu.Loading(),
    cpu.LeNet5(),
    cpu.ResNet20(),
    cpu.Automatic(),
    cpu.AutomaticAVX2(),
    growth.Growth(),
    mnist.TimeTo99(),
    *gpu.CASES,
    speed_record.AgainstSpeedRecord(),
)


def select(device: str, names: Iterable[str] = (), cases: Sequence[Case] | None = None) -> list[Case]:
    """The cases of a device, all or those named.

    Raises:
        CourseError: there is no such device or case.
    """
    try:
        pick_device(device)
    except DeviceError as error:
        raise CourseError(str(error)) from None
    known = {case.name: case for case in (CASES if cases is None else cases) if case.device == device}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.4) or known
            raise CourseError(f"no benchmark on {device} is called {name!r}; there are {', '.join(near)}")
    return [case for name, case in known.items() if not names or name in names]


class Suite:
    """A run of cases, which keeps what has been measured when it is interrupted."""

    def __init__(
        self,
        bench: Bench,
        cases: list[Case],
        only: Iterable[str] = (),
        name: str = SUITE,
        repeats: int = REPEATS,
    ) -> None:
        self.bench, self.cases, self.name = bench, cases, name
        self.command = command(bench, only, name, repeats)
        self.figures: list[Figure] = []
        self.began = datetime.now(UTC)
        self.start = time.perf_counter()

    def run(self) -> None:
        """Measure each case; what the budget does not reach, or the machine cannot hold, is said so."""
        # All on a CPU is measured on two cores; on a GPU a case that wants this says so.
        with held_to() if self.bench.device == "cpu" else nullcontext():
            for number, case in enumerate(self.cases, start=1):
                self.bench.say(f"{case.name} ({number} of {len(self.cases)}): {case.title}")
                self._measure(case)

    def _measure(self, case: Case) -> None:
        done: set[str] = set()
        why = ""
        try:
            self.bench.check_time()
            for figure in case.run(self.bench):
                self.figures.append(figure)
                done.add(figure.part)
                value = figure.missing or amount(figure.value, figure.kind)
                self.bench.say(f"  {figure.part}: {value}, {figure.verdict}")
        except OutOfTime:
            why = f"the budget of {self.bench.budget:.0f} s was used up"
        except (torch.OutOfMemoryError, OutOfMemoryError) as error:
            why = f"out of memory ({str(error).splitlines()[0]})"
            torch.cuda.empty_cache()
        except ImportError as error:
            why = f"{error.name} is not installed"
        if why:
            self.bench.say(f"  {why}")
            self.figures += [case.missing(part, why) for part in case.targets if part not in done]

    def result(self) -> Result:
        """What has been measured so far."""
        seconds = time.perf_counter() - self.start
        return make_result(self.name, self.bench.device, self.command, self.began, seconds, self.figures)


def command(bench: Bench, only: Iterable[str] = (), name: str = SUITE, repeats: int = REPEATS) -> str:
    """What a reader types to measure the same; ``repeats`` are the suite's own, which need no word."""
    words = ["course", "bench", name]
    words += ["--device", bench.device] if bench.device != "cpu" else []
    words += [word for name in only for word in ("--only", name)]
    words += ["--repeats", str(bench.repeats)] if bench.repeats != repeats else []
    words += ["--quick"] if bench.quick else []
    return shlex.join(words)

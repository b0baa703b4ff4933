"""`course bench grading`: submissions a minute beside nbgrader and papermill, and memory over a long run."""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from courseware.bench.case import Case
from courseware.bench.figure import Figure, at_least, at_most
from courseware.bench.grading_memory import course_of, watch
from courseware.bench.grading_sheets import ASSERTIONS, write_sheets
from courseware.bench.grading_sides import NBGRADER, Nbgrader, Ours, Papermill, Unavailable, results
from courseware.bench.turns import CORES, Bench, Side
from courseware.notebooks import CourseError, find_root

SUITE = "grading"
REPEATS = 3  # each takes minutes: grading the class in three ways
SUBMISSIONS = 20
LONG = 200  # submissions of the run that memory is watched in


class Speed(Case):
    """The same class in three ways, in turns; each time is a whole command's, its start included."""

    name, device, by_best = "speed", "cpu", True
    title = f"Grading {SUBMISSIONS} submissions of {len(ASSERTIONS)} exercises on two cores"
    against = "what grades notebooks otherwise, on the same files"
    autograde, loop = f"nbgrader {NBGRADER} autograde", "papermill in a loop"
    targets = MappingProxyType({autograde: at_least(4), loop: at_least(4)})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Grade the class in each way, as often as asked for."""
        root = find_root()
        with tempfile.TemporaryDirectory(prefix="course-bench-") as place:
            submissions = Path(place, "submissions")
            write_sheets(root, submissions, bench.size(SUBMISSIONS, 2))
            sides: dict[str, Side] = {"ours": Ours(submissions, Path(place, "ours"), root)}
            others: dict[str, Side] = {self.loop: Papermill(submissions, Path(place, "papermill"))}
            try:
                others[self.autograde] = Nbgrader(submissions, Path(place, "nbgrader"), root)
            except Unavailable as why:
                yield self.missing(self.autograde, str(why))
            found = bench.turns({**sides, **others})
        for part in others:
            yield self.figure(part, found["ours"], found[part], unit="s/submission", needed=REPEATS)


class Memory(Case):
    """A long run: what lasts, workers and the processes that fork for them, must not grow."""

    name, device, kind = "memory", "cpu", "share"
    title = f"Memory while {LONG} submissions are graded"
    against = "the same processes after the first tenth of the run"
    targets = MappingProxyType({"growth until the end": at_most(0.05)})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Grade the long class once, and look at its processes."""
        part = "growth until the end"
        if not Path("/proc/self/status").exists():
            yield self.missing(part, "memory is read from /proc, which this system does not have")
            return
        root = find_root()
        with tempfile.TemporaryDirectory(prefix="course-bench-") as folder:
            number = bench.size(LONG, 10)
            write_sheets(root, Path(folder, "submissions"), number)
            side = Ours(Path(folder, "submissions"), Path(folder, "ours"), root)
            place = side.prepare()
            process = subprocess.Popen(
                side.command(place),
                cwd=root,
                env=side.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            looks = watch(process, lambda: len(results(place)) / number)
            if process.returncode or side.passed(place) != number * len(ASSERTIONS):
                raise CourseError(f"`course grade` ended with status {process.returncode}, not all passed")
        early, middle, late = course_of(looks)
        if not all(map(math.isfinite, (early, middle, late))):
            yield self.missing(part, "the run was too short to be looked at")
            return
        sizes = ", ".join(f"{size / 1e6:.0f}" for size in (early, middle, late))
        note = f"{number} submissions; megabytes after a tenth, in the middle, at the end: {sizes}"
        yield self.figure(part, [late], [early], unit="", needed=1, note=f"{note}; {CORES} workers")


CASES: tuple[Case, ...] = (Speed(), Memory())

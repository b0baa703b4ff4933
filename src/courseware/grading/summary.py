"""What the instructor sees of a class: how it did, which exercise was hard, who may have copied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple, Protocol

from courseware.grading import figures
from courseware.grading.feedback import address
from courseware.grading.pages import count, duration, percent, write_page
from courseware.grading.result import Result

SHOWN_MESSAGES = 3  # an exercise


class Alike(Protocol):
    """Students whose work is suspiciously equal, in which exercises, and how much of it (0 to 1)."""

    @property
    def students(self) -> tuple[str, ...]:
        """Who."""

    @property
    def exercises(self) -> tuple[str, ...]:
        """Where."""

    @property
    def degree(self) -> float:
        """How much."""


class Bin(NamedTuple):
    """How many lie from `low` up to, but without, `high`."""

    low: float
    high: float
    number: int


class Hard(NamedTuple):
    """How a class did at one exercise."""

    name: str
    of: float
    passed: int
    tried: int
    mean: float  # points
    messages: list[tuple[str, int]]

    @property
    def share(self) -> float:
        """Of those whose work was run, how many passed."""
        return self.passed / self.tried


def write_summary(folder: Path, title: str, points: Mapping[str, float], results: Sequence[Result]) -> None:
    """Write `summary.html`: counts, scores, exercises from the hardest on, time."""
    graded = [result for result in results if result.graded]
    scores = [100 * result.points / sum(points.values()) for result in graded]
    exercises = hardest(points, graded)
    seconds = [result.seconds for result in graded]
    write_page(
        folder / "summary.html",
        "summary.html",
        title=title,
        results=results,
        graded=graded,
        missing=[result for result in results if not result.graded],
        remarks=[result for result in results if result.notes],
        retried=[result for result in results if result.attempts > 1],
        slowest=sorted(graded, key=lambda result: -result.seconds)[:5],
        address=address,
        mean=fmean(scores) if scores else 0,
        median=median(scores) if scores else 0,
        distribution=distribution(scores),
        exercises=exercises,
        seconds=seconds,
        typical=median(seconds) if seconds else 0,
        times=times(seconds),
        score_plot=_score_plot(scores),
        exercise_plot=_exercise_plot(exercises),
        time_plot=_time_plot(seconds),
    )


def write_equal(folder: Path, title: str, results: Sequence[Result], equal: Sequence[Alike]) -> None:
    """Write `equal.html`: groups of submissions that are suspiciously equal, the most equal first."""
    groups = sorted(equal, key=lambda group: (-group.degree, -len(group.exercises), group.students))
    names = {result.student: result.name for result in results}
    write_page(folder / "equal.html", "equal.html", title=title, groups=groups, names=names, address=address)


def write_index(folder: Path, title: str, results: Sequence[Result], equal: Sequence[Alike]) -> None:
    """Write `index.html`: the way to everything else, and a row a student."""
    write_page(
        folder / "index.html",
        "index.html",
        title=title,
        results=results,
        graded=sum(result.graded for result in results),
        written=sum(bool(result.words.strip()) for result in results),
        groups=len(equal),
        address=address,
    )


def distribution(scores: Sequence[float]) -> list[Bin]:
    """Return how many scores lie in each tenth of 0 to 100; 100 counts into the last."""
    tenths = Counter(min(int(score + 1e-9) // 10, 9) for score in scores)
    return [Bin(10 * i, 10 * (i + 1), tenths[i]) for i in range(10)]


def hardest(points: Mapping[str, float], graded: Sequence[Result]) -> list[Hard]:
    """Return the exercises, those that fewest passed first; the order of the lab where as many did."""
    found = []
    for name, of in points.items():
        tried = [each for result in graded for each in result.exercises if each.name == name]
        if tried:
            messages = Counter(each.message for each in tried if each.message)
            common = sorted(messages.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_MESSAGES]
            passed = sum(each.passed for each in tried)
            found.append(Hard(name, of, passed, len(tried), fmean(each.points for each in tried), common))
    return sorted(found, key=lambda hard: (hard.share, hard.mean / hard.of))


def times(seconds: Sequence[float]) -> list[Bin]:
    """Return how many submissions took how long, in at most eight steps of equal length."""
    if not seconds:
        return []
    longest = max(seconds)
    step = next((s for s in (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300) if s * 8 > longest), longest / 7)
    bins = Counter(int(each / step) for each in seconds)
    return [Bin(i * step, (i + 1) * step, bins[i]) for i in range(int(longest / step) + 1)]


def _score_plot(scores: Sequence[float]) -> figures.Picture | None:
    if not scores:
        return None
    bins = distribution(scores)
    top = max(bins, key=lambda each: each.number)
    alt = (
        f"Histogram of {count(len(scores), 'score')} in tenths of the points: the most, {top.number}, lie "
        f"between {top.low:g} and {top.high:g} per cent; the median is {median(scores):.0f}."
    )
    return _histogram(bins, x="points (% of all)", y="students", alt=alt)


def _exercise_plot(exercises: Sequence[Hard]) -> figures.Picture | None:
    if not exercises:
        return None
    first, last = exercises[0], exercises[-1]
    alt = (
        "Bar chart of the share of students that passed each exercise, "
        f"from {first.name} with {percent(first.share)} to {last.name} with {percent(last.share)}."
    )
    names, values = [each.name for each in exercises], [each.share for each in exercises]
    return figures.shares(names, values, x="passed (% of those that were run)", alt=alt)


def _time_plot(seconds: Sequence[float]) -> figures.Picture | None:
    if not seconds:
        return None
    alt = (
        f"Histogram of the time that grading took for {count(len(seconds), 'submission')}: "
        f"{duration(median(seconds))} in the middle, {duration(max(seconds))} at most."
    )
    return _histogram(times(seconds), x="seconds", y="submissions", alt=alt)


def _histogram(bins: Sequence[Bin], **words: str) -> figures.Picture:
    edges = [each.low for each in bins] + [bins[-1].high]
    return figures.histogram(edges, [each.number for each in bins], **words)

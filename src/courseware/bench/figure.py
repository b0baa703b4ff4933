"""One measured line: two lists of seconds, what they come to, and the target that it is held against."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

REPEATS = 5  # fewer are no measurement

# What a pair (ours, theirs) of durations comes to.
KINDS: dict[str, Callable[[float, float], float]] = {
    "speed-up": lambda ours, theirs: theirs / ours if math.isfinite(ours) else 0.0,
    "duration": lambda ours, theirs: ours / theirs,  # relative to theirs
    "share": lambda ours, theirs: 1 - theirs / ours,  # of ours, that theirs does without
    "seconds": lambda ours, theirs: ours,
    "exponent": lambda ours, theirs: ours,
    "score": lambda ours, theirs: ours,  # of 100
    "megabytes": lambda ours, theirs: ours,
}


@dataclass(frozen=True)
class Target:
    """A bound, from below (``least``) or from above."""

    bound: float
    least: bool

    def met_by(self, value: float) -> bool:
        """Whether ``value`` keeps to the bound; the bound itself does."""
        return value >= self.bound if self.least else value <= self.bound


def at_least(bound: float) -> Target:
    """A target from below."""
    return Target(bound, True)


def at_most(bound: float) -> Target:
    """A target from above."""
    return Target(bound, False)


@dataclass(frozen=True)
class Figure:
    """A line of a benchmark.

    Attributes:
        case: the case that it belongs to.
        part: which of the case's figures it is, such as "float32".
        against: what ours is set beside.
        kind: one of :data:`KINDS`.
        target: the bound to keep to.
        ours: durations, one a repeat; measured in turns with ``theirs``.
        theirs: the other side's, in the same order; empty where there is no other side, as for "seconds".
        unit: "s", or "s/image", "s/submission" if the durations are each one's; "" for no durations.
        by_best: whether the target is held against the two sides' best repeats instead of the median pair. A
            busy machine only ever adds time, so on a CPU the best of several says most about the code.
        needed: repeats without which there is no verdict.
        note: what a reader must know besides, such as compile times.
        missing: why there is no measurement; then the lists are empty.
    """

    case: str
    part: str
    against: str
    kind: str
    target: Target
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    unit: str = "s/image"
    by_best: bool = False
    needed: int = REPEATS
    note: str = ""
    missing: str = ""

    @property
    def ratios(self) -> list[float]:
        """What each repeat came to: its two durations were measured one right after the other."""
        theirs = self.theirs or [math.nan] * len(self.ours)
        return [KINDS[self.kind](*pair) for pair in zip(self.ours, theirs, strict=True)]

    @property
    def median(self) -> float:
        """The middle repeat."""
        return statistics.median(self.ratios)

    @property
    def best(self) -> float:
        """What each side's shortest duration comes to."""
        return KINDS[self.kind](min(self.ours), min(self.theirs, default=math.nan))

    @property
    def value(self) -> float:
        """What is held against the target."""
        return self.best if self.by_best else self.median

    @property
    def verdict(self) -> str:
        """One of "met", "missed", "too few repeats" and "not measured"."""
        if self.missing:
            return "not measured"
        if len(self.ours) < self.needed:
            return "too few repeats"
        return "met" if self.target.met_by(self.value) else "missed"

    def to_dict(self) -> dict[str, Any]:
        """The figure as JSON can hold it, with what it comes to for who reads the file alone."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        content |= {"target": vars(self.target), "ours": _plain(self.ours), "theirs": _plain(self.theirs)}
        if self.ours:
            content |= {"median": _plain([self.median])[0], "best": _plain([self.best])[0]}
        return content | {"verdict": self.verdict}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Figure:
        """Read what :meth:`to_dict` wrote; what follows from the rest is computed anew."""
        chosen = {name: content[name] for name in cls.__dataclass_fields__}
        for side in ("ours", "theirs"):
            chosen[side] = [math.inf if seconds is None else seconds for seconds in content[side]]
        return cls(**chosen | {"target": Target(**content["target"])})


def _plain(durations: list[float]) -> list[float | None]:
    """JSON knows no infinity, which is how long a run takes that never gets there."""
    return [float(f"{seconds:.6g}") if math.isfinite(seconds) else None for seconds in durations]

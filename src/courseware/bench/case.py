"""A case: something to measure, what it is set beside, and how much it should come to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from courseware.bench.figure import Figure, Target
from courseware.bench.turns import Bench


class Case(ABC):
    """One case of a suite.

    Attributes:
        name: what `--only` calls it.
        device: "cpu" or "cuda": where it is measured.
        title: a heading.
        against: what ours is set beside.
        kind: what its figures are, but for those in ``kinds``: see :data:`courseware.bench.figure.KINDS`.
        kinds: part -> what its figure is, where that differs.
        targets: part -> the bound that its figure should keep to.
        by_best: see :class:`courseware.bench.figure.Figure`.
    """

    name: str
    device: str
    title: str
    against: str
    kind: str = "speed-up"
    kinds: Mapping[str, str] = MappingProxyType({})
    targets: Mapping[str, Target]
    by_best: bool = False

    @abstractmethod
    def run(self, bench: Bench) -> Iterator[Figure]:
        """Measure; a figure for each part."""

    def figure(
        self, part: str, ours: list[float], theirs: list[float] | None = None, **more: object
    ) -> Figure:
        """The figure of one part from its measured durations; ``more`` are fields of the figure."""
        settings = {"against": self.against, "kind": self.kind_of(part), "by_best": self.by_best} | more
        return Figure(self.name, part, target=self.targets[part], ours=ours, theirs=theirs or [], **settings)  # type: ignore[arg-type]

    def kind_of(self, part: str) -> str:
        """What a part's figure is."""
        return self.kinds.get(part, self.kind)

    def missing(self, part: str, why: str) -> Figure:
        """The figure of a part that is not measured."""
        return self.figure(part, [], missing=why)

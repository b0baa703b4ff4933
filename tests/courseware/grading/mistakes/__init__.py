"""Mistakes planted into solved labs: each must lose the points of the exercises it names, and no others."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """A replacement in a lab's solved source.

    Attributes:
        exercises: those that must lose all their points.
        old: text that stands exactly once in one code cell of the source.
        new: what a student wrote instead.
        why: the misunderstanding behind it.
    """

    exercises: tuple[str, ...]
    old: str
    new: str
    why: str

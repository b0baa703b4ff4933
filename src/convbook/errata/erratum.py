"""A slip of the literature as a function that shows it."""

import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["KINDS", "Erratum", "Finding", "dropped", "erratum", "load_errata", "settle"]

KINDS = {
    "wrong": "a computation gives something else",
    "contradiction": "two statements cannot both hold",
    "imprecise": "true only under a condition that is not said",
    "dropped": "nothing to compute, or not to be decided here",
}


@dataclass(frozen=True)
class Erratum:
    """One slip.

    ``compute`` asserts what it shows and returns it in a sentence, its docstring says what is right. A
    dropped one has no ``compute``; ``right`` then says why, and what sources say.
    """

    number: int
    title: str
    kind: str  # a key of KINDS
    said: str  # what is stated, in our words
    source: str  # where: "Szegedy et al. 2015, table 1", "a lecture on VGG"
    papers: tuple[str, ...]  # their keys in the references
    subject: str
    right: str
    compute: Callable[[], str] | None = None

    @property
    def code(self) -> str:
        """The computation's source, without decorator and docstring."""
        if self.compute is None:
            return ""
        source = textwrap.dedent(inspect.getsource(self.compute))
        source = source[source.index("\ndef ") + 1 :] if not source.startswith("def ") else source
        doc = self.compute.__doc__ or ""
        return source.replace(f'    """{doc}"""\n', "", 1)


@dataclass(frozen=True)
class Finding:
    """What came out for one slip."""

    erratum: Erratum
    result: str


_ERRATA: dict[int, Erratum] = {}


def erratum(
    number: int, title: str, *, kind: str, said: str, source: str, papers: Sequence[str] = ()
) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Register the decorated function as the computation that settles one slip.

    Args:
        number: the slip's own, for ever.
        title: a heading of a few words.
        kind: "wrong", "contradiction" or "imprecise".
        said: what is stated, in our words.
        source: the paper's table or section, or "a lecture on ...".
        papers: keys of the references that the page cites beside it.
    """

    def keep(compute: Callable[[], str]) -> Callable[[], str]:
        right = inspect.cleandoc(compute.__doc__ or "")
        _add(Erratum(number, title, kind, said, source, tuple(papers), _subject(compute), right, compute))
        return compute

    return keep


def dropped(
    number: int, title: str, *, said: str, source: str, reason: str, papers: Sequence[str] = ()
) -> None:
    """Register a slip that no computation settles, and why."""
    subject = inspect.stack()[1].frame.f_globals["__name__"].rpartition(".")[2]
    _add(Erratum(number, title, "dropped", said, source, tuple(papers), subject, reason))


def load_errata() -> list[Erratum]:
    """Return all slips by number."""
    return [_ERRATA[number] for number in sorted(_ERRATA)]


def settle(number: int) -> Finding:
    """Compute what settles one slip.

    Raises:
        KeyError: if there is no such slip.
        AssertionError: if the computation does not show what it should.
    """
    if number not in _ERRATA:
        raise KeyError(f"no erratum {number}: they run from {min(_ERRATA)} to {max(_ERRATA)}")
    each = _ERRATA[number]
    return Finding(each, "" if each.compute is None else each.compute())


def _add(new: Erratum) -> None:
    if new.number in _ERRATA:
        raise ValueError(f"erratum {new.number} is there twice: give one of them another number")
    if new.kind not in KINDS:
        raise ValueError(f"kind={new.kind!r} is unknown: take one of {', '.join(KINDS)}")
    _ERRATA[new.number] = new


def _subject(compute: Callable[[], str]) -> str:
    return compute.__module__.rpartition(".")[2]

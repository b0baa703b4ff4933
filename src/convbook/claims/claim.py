"""Claims as data: one TOML a paper, read and checked here."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from convbook.claims.quantities import QUANTITIES

__all__ = ["Claim", "ClaimError", "Paper", "load_claims", "load_file", "load_papers"]

FOLDER = Path(__file__).parent
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


class ClaimError(ValueError):
    """A claims file says something that cannot be read."""


@dataclass(frozen=True)
class Paper:
    """The head of a claims file."""

    key: str  # the paper's key in references.bib
    title: str
    short: str  # what tables call it: "ResNeXt (Xie et al. 2017)"
    year: int
    counts: str  # what the paper's FLOPs or mult-adds are
    url: str = ""


@dataclass(frozen=True)
class Claim:
    """One number that a paper prints.

    ``precision`` is needed only where the text rounds otherwise than its digits tell, as "60 million" does.
    """

    paper: str
    number: int  # 1, 2, ... in its file
    model: str  # a registered name, or other:NAME for one that the library lacks
    quantity: str  # a key of QUANTITIES
    value: float  # in units: 25.0e6, not 25.0
    shown_as: str  # as printed: its digits say how far it is rounded
    where: str  # table or section
    layer: str = ""  # a module's name: the claim is on this part of the network
    overrides: dict[str, Any] = field(default_factory=dict)  # arguments of create_model
    input_size: tuple[int, ...] = ()  # (C, H, W); by default the network's own
    baseline: str = ""  # the other network of a ratio or difference
    baseline_overrides: dict[str, Any] = field(default_factory=dict)
    baseline_input_size: tuple[int, ...] = ()
    protocol: str = ""  # how an error was measured: crops, scales, data
    precision: float = 0.0  # unit of the last printed digit
    reason: str = ""  # declares that computation differs, and says why
    note: str = ""

    @property
    def unit(self) -> float:
        """What one step of the last printed digit is worth."""
        if self.precision:
            return self.precision
        printed, decimals = _printed(self.shown_as)
        return self.value / printed * 10**-decimals if printed else 10**-decimals

    @property
    def place(self) -> str:
        """File and number, for messages."""
        return f"{self.paper}.toml, claim {self.number}"


def load_claims(paper: str | None = None, model: str | None = None, where: str | None = None) -> list[Claim]:
    """Return the claims of one paper (bib key), on one model, from one table or section; None takes all."""
    if paper is not None and paper not in load_papers():
        near = difflib.get_close_matches(paper, load_papers(), n=3)
        raise ClaimError(
            f"no claims file for {paper!r}; " + (f"near: {', '.join(near)}" if near else "none near")
        )
    return [
        claim
        for key in (load_papers() if paper is None else [paper])
        for claim in load_file(FOLDER / f"{key}.toml")[1]
        if (model is None or claim.model == model) and (where is None or claim.where == where)
    ]


@lru_cache
def load_papers() -> dict[str, Paper]:
    """Return the head of every claims file, oldest first."""
    papers = [load_file(path)[0] for path in FOLDER.glob("*.toml")]
    return {paper.key: paper for paper in sorted(papers, key=lambda p: (p.year, p.key))}


@lru_cache
def load_file(path: Path) -> tuple[Paper, list[Claim]]:
    """Read one claims file; its recipes are for :mod:`convbook.claims.recipes`.

    Raises:
        ClaimError: one line that names the file, the claim and what is wrong with it.
    """
    content = read_sections(path)
    head = content.get("paper", {})
    check_fields(head, Paper, f"{path.name}, [paper]")
    paper = Paper(**head)
    if paper.key != path.stem:
        raise ClaimError(f"{path.name}, [paper]: key {paper.key!r} must be the file's name")
    claims = []
    for number, entry in enumerate(content.get("claim", []), start=1):
        place = f"{path.name}, claim {number}"
        given = {"paper": paper.key, "number": number, **entry}
        check_fields(given, Claim, place)
        for name in ("input_size", "baseline_input_size"):
            given[name] = tuple(given.get(name, ()))
        claim = Claim(**given)
        _check_values(claim, place)
        claims.append(claim)
    return paper, claims


@lru_cache
def read_sections(path: Path) -> dict[str, Any]:
    """A claims file as it stands: [paper], [[claim]] and [[recipe]]."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ClaimError(f"{path.name} is not TOML: {error}") from error
    for name in content.keys() - {"paper", "claim", "recipe"}:
        raise ClaimError(f"{path.name} has a section {name!r}; it may have [paper], [[claim]] and [[recipe]]")
    return content


def check_fields(entry: dict[str, Any], kind: type, place: str) -> None:
    """Refuse a table of a file whose fields are not those of the dataclass ``kind``."""
    known = {f.name: f for f in fields(kind)}
    for name, value in entry.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"fields: {', '.join(known)}"
            raise ClaimError(f"{place}: unknown field {name!r}; {hint}")
        wanted = _TYPES[str(getattr(known[name].type, "__name__", known[name].type))]
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise ClaimError(f"{place}: {name} is {value!r}, which is no {' or '.join(_names(wanted))}")
    for name in known.keys() - entry.keys():
        if known[name].default is not MISSING or known[name].default_factory is not MISSING:
            continue
        raise ClaimError(f"{place}: {name} is missing")


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "dict": (dict,),
    "tuple": (list, tuple),
    "dict[str, typing.Any]": (dict,),
    "tuple[int, ...]": (list, tuple),
    "tuple[str, ...]": (list, tuple),
}


def _names(types: Iterable[type]) -> list[str]:
    words = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        dict: "table",
        list: "list",
    }
    return [words[t] for t in types if t in words]


def _check_values(claim: Claim, place: str) -> None:
    if claim.quantity not in QUANTITIES:
        near = difflib.get_close_matches(claim.quantity, QUANTITIES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"quantities: {', '.join(QUANTITIES)}"
        raise ClaimError(f"{place}: unknown quantity {claim.quantity!r}; {hint}")
    quantity = QUANTITIES[claim.quantity]
    if quantity.needs_layer and not claim.layer:
        raise ClaimError(f"{place}: {claim.quantity} needs a layer")
    if quantity.needs_baseline and not claim.baseline:
        raise ClaimError(f"{place}: {claim.quantity} needs a baseline to compare with")
    if not claim.where.strip():
        raise ClaimError(f"{place}: where is empty; name the table or section")
    if not claim.precision and not _same_digits(claim.value, claim.shown_as):
        raise ClaimError(f"{place}: value {claim.value:g} and shown_as {claim.shown_as!r} do not agree")


def _printed(shown_as: str) -> tuple[float, int]:
    """The first number in a text, and how many decimals it has."""
    found = NUMBER.search(shown_as)
    if found is None:
        return 0.0, 0
    digits = found.group().replace(",", "")
    return float(digits), len(digits.partition(".")[2])


def _same_digits(value: float, shown_as: str) -> bool:
    """Whether value is the printed number times a power of ten."""
    printed, _ = _printed(shown_as)
    if printed == 0 or value == 0:
        return printed == value and NUMBER.search(shown_as) is not None
    return any(abs(printed * 10.0**power / value - 1) < 1e-9 for power in range(-3, 13))

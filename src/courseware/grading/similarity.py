"""Submissions that are more alike than chance explains: a reason to ask, no proof.

Code is compared as sequences of syntax, without comments, docstrings, layout, annotations, and the names that
students choose. How much it says that two are equal depends on the class: what the released lab gave, or more
than a third found, says nothing; what only two wrote says much.
"""

import ast
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log2

Prints = Mapping[str, frozenset[int]]  # exercise -> hashed runs of tokens

RUN = 8  # tokens hashed together
ALIKE = 0.8  # share of runs in common from which two count as equal
FEWEST = 8  # runs below which an exercise is too short to say anything
RUNS_A_BIT = 6  # of runs that only few share, so many say as much as one toss of a coin
MARGIN = 8.0  # bits beyond what chance explains
LARGEST = 200_000  # characters of a cell
KEPT = {"__init__", "forward", "self"}
NAMING = (ast.arg, ast.FunctionDef, ast.ClassDef)
LEFT_OUT = {"annotation", "ctx", "returns", "type_comment", "type_params"}


@dataclass(frozen=True)
class Group:
    """Students whose work is nearly equal, in which exercises, and how nearly (1 is wholly)."""

    students: tuple[str, ...]
    exercises: tuple[str, ...]
    degree: float


def fingerprints(cells: Sequence[str], exercises: Sequence[str]) -> dict[str, frozenset[int]]:
    """Return what identifies each exercise's newest definition; nothing for one that is not defined."""
    found = {}
    for name in exercises:
        pattern = re.compile(rf"^(?:def|class) {re.escape(name)}\b", re.MULTILINE)
        for cell in reversed(cells):
            if len(cell) <= LARGEST and pattern.search(cell) and (tokens := _tokens_of(cell, name)):
                numbers = [zlib.crc32(token.encode("utf-8", "replace")) for token in tokens]
                found[name] = frozenset(map(hash, zip(*(numbers[i:] for i in range(RUN)), strict=False)))
                break
    return found


def find_equal(work: Mapping[str, Prints], provided: Prints | None = None) -> list[Group]:
    """Return groups of students whose exercises are suspiciously equal.

    Args:
        work: fingerprints of each student's exercises.
        provided: fingerprints of the released lab's.
    """
    students = sorted(work)
    bits: dict[tuple[str, str], float] = {}
    equal: dict[tuple[str, str], dict[str, float]] = {}
    for exercise in sorted({name for prints in work.values() for name in prints}):
        rare = _rare(exercise, work, (provided or {}).get(exercise, frozenset()))
        degrees = _degrees(rare)
        partners = Counter(student for pair in degrees for student in pair)
        for pair, degree in degrees.items():
            others = max(partners[student] for student in pair)
            if others + 1 > _many(len(students)):
                continue
            says = log2(max(2, len(students) - 1) / others)
            if others < max(4, len(students) / 20):
                says += len(rare[pair[0]] & rare[pair[1]]) / RUNS_A_BIT
            bits[pair] = bits.get(pair, 0.0) + says
            equal.setdefault(pair, {})[exercise] = degree
    # Among so many pairs, chance alone makes one look as equal as this.
    enough = MARGIN + log2(max(1, len(students) * (len(students) - 1) // 2))
    return _joined({pair: equal[pair] for pair in equal if bits[pair] >= enough})


def _many(students: int) -> float:
    """From more students than this, an equal form says nothing."""
    return max(2.0, students / 3)


def _rare(exercise: str, work: Mapping[str, Prints], given: frozenset[int]) -> dict[str, frozenset[int]]:
    """Each student's runs of tokens that neither the lab gave nor many others have."""
    prints = {student: each[exercise] - given for student, each in work.items() if exercise in each}
    count = Counter(run for runs in prints.values() for run in runs)
    many = _many(len(work))
    rare = {student: frozenset(run for run in runs if count[run] <= many) for student, runs in prints.items()}
    return {student: runs for student, runs in sorted(rare.items()) if len(runs) >= FEWEST}


def _degrees(rare: Mapping[str, frozenset[int]]) -> dict[tuple[str, str], float]:
    """How equal each pair of students is, for those that are."""
    holders: dict[frozenset[int], list[str]] = {}
    for student, runs in rare.items():
        holders.setdefault(runs, []).append(student)
    degrees = {pair: 1.0 for same in holders.values() for pair in combinations(same, 2)}
    for (runs, some), (other_runs, others) in combinations(holders.items(), 2):
        short, long = sorted((len(runs), len(other_runs)))
        if short < ALIKE * long:
            continue
        common = len(runs & other_runs)
        degree = common / (short + long - common)
        if degree >= ALIKE:
            degrees |= {(min(a, b), max(a, b)): degree for a in some for b in others}
    return degrees


def _joined(pairs: Mapping[tuple[str, str], Mapping[str, float]]) -> list[Group]:
    """Pairs that share a student are one group; the most equal groups come first."""
    groups: list[set[str]] = []
    for pair in pairs:
        touching = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touching]
        groups.append(set(pair).union(*touching))
    found = []
    for students in groups:
        inside = [degrees for pair, degrees in pairs.items() if set(pair) <= students]
        values = [value for degrees in inside for value in degrees.values()]
        exercises = sorted({name for degrees in inside for name in degrees})
        degree = round(sum(sorted(values)) / len(values), 3)
        found.append(Group(tuple(sorted(students)), tuple(exercises), degree))
    return sorted(found, key=lambda group: (-len(group.exercises), -group.degree, group.students))


def _tokens_of(cell: str, name: str) -> list[str]:
    """The newest definition's syntax; nothing if the cell is not Python."""
    tokens: list[str] = []
    own: set[str] = set()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(cell).body
        for node in [node for node in body if getattr(node, "name", None) == name][-1:]:
            _collect(node, tokens, own)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    plain: dict[str, str] = {}  # names that the student chose, by order of appearance
    for each in tokens:
        if each in own:
            plain.setdefault(each, f"own {len(plain)}")
    return [plain.get(each, each) for each in tokens]


def _collect(node: ast.AST, tokens: list[str], own: set[str]) -> None:
    """Add kinds of nodes, names (behind a dot) and values, outermost first; to `own` what is given a name."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring, or nothing
    tokens.append(type(node).__name__)
    if isinstance(node, ast.Constant):
        tokens.append(repr(node.value)[:60])
        return
    is_naming = isinstance(getattr(node, "ctx", None), ast.Store) or isinstance(node, NAMING)
    for field in node._fields:
        if field in LEFT_OUT:
            continue
        value = getattr(node, field, None)
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, ast.AST):
                _collect(each, tokens, own)
            elif isinstance(each, str):
                tokens.append(f".{each}")
                if is_naming and each not in KEPT:
                    own.add(f".{each}")

"""What one exercise needs, found in a notebook by syntax tree and by name.

Nothing is executed here. The order of cells, their ids, metadata and outputs play no part: of each name the
newest definition counts, and with it whatever top-level definitions, imports and assignments it uses.
Top-level calls are left out, and so is everything that another exercise needs.
"""

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from convbook.lab.magics import understand
from convbook.lab.statement import Statement, StatementError, first_line, is_future, is_unwritten

NOT_WRITTEN = "not written yet"
MOST = 300  # statements that one exercise may need
ALWAYS, PROVIDED, STUDENT = range(3)  # where a statement comes from; the later wins
USUAL = {
    "F": "from torch.nn import functional as F",
    "Tensor": "from torch import Tensor",
    "functools": "import functools",
    "itertools": "import itertools",
    "math": "import math",
    "nn": "from torch import nn",
    "np": "import numpy as np",
    "plt": "import matplotlib.pyplot as plt",
    "torch": "import torch",
}


class ProgramError(ValueError):
    """An exercise of which no program can be made; the message says why."""


@dataclass(frozen=True)
class Program:
    """What to run for one exercise.

    Attributes:
        cells: one statement each, in order; the exercise's own definition comes last.
        names: attributes, imported names and global names that the student's part of it uses. Names that
            the student's code itself defines are not among them, nor are arguments and local variables.
    """

    cells: tuple[str, ...]
    names: frozenset[str]


def program_for(cells: Sequence[str], name: str, provided: Sequence[str] = ()) -> Program:
    """Take from a notebook what the exercise ``name`` needs.

    Args:
        cells: code of the notebook's cells, oldest first.
        name: the function or class that the exercise asks for.
        provided: code of the lab as students got it; what a student deleted is taken from there.

    Raises:
        ProgramError: if nothing defines the name, only the untouched stub does, or the code is not Python.
    """
    try:
        return _Notebook(cells, provided).program(name)
    except (RecursionError, MemoryError):
        raise ProgramError(f"the code that {name} needs is nested too deeply") from None
    except StatementError as error:
        raise ProgramError(str(error)) from None


Needs = dict[Statement, tuple[set[Statement], set[Statement]]]  # at once, later


class _Notebook:
    """All top-level statements: usual imports, then the lab's, then the student's."""

    def __init__(self, cells: Sequence[str], provided: Sequence[str]) -> None:
        self.statements: list[Statement] = []
        self.broken: list[tuple[str, str]] = []
        for tier, sources in enumerate((USUAL.values(), provided, cells)):
            for source in sources:
                cell = understand(source)
                if cell.tree is not None:
                    self._add(cell.text, cell.tree, tier)
                elif tier == STUDENT:
                    self.broken.append((source, cell.problem))
        self.given = {each.shape for each in self.statements if each.tier == PROVIDED}
        self.future = dict.fromkeys(each.text for each in self.statements if is_future(each.node))
        self.stars = {each for each in self.statements if each.tier == STUDENT and "*" in each.binds}
        self.places: dict[tuple[str, int], list[Statement]] = {}
        for each in self.statements:
            for name in each.binds | each.updates:
                self.places.setdefault((name, each.tier), []).append(each)

    def _add(self, text: str, tree: ast.Module, tier: int) -> None:
        lines = text.split("\n")
        spans = [(first_line(node), node.end_lineno or node.lineno) for node in tree.body]
        for i, (node, (first, last)) in enumerate(zip(tree.body, spans, strict=True)):
            if isinstance(node, ast.Expr):
                continue
            alone = (i == 0 or spans[i - 1][1] < first) and (i + 1 == len(spans) or last < spans[i + 1][0])
            source = "\n".join(lines[first - 1 : last]) if alone else ast.unparse(node)
            try:
                self.statements.append(Statement(node, source, len(self.statements), tier))
            except RecursionError:
                self.broken.append((source, "nested too deeply"))

    def program(self, name: str) -> Program:
        target = self._target(name)
        needs: Needs = {}
        foreign: set[str] = set()
        waiting = [target]
        while waiting:
            statement = waiting.pop()
            if statement in needs:
                continue
            if len(needs) == MOST:
                raise ProgramError(f"{name} needs more than {MOST} other definitions")
            needs[statement] = found = (set[Statement](), set[Statement]())
            for names, where, before in zip(statement.uses, found, (statement, None), strict=True):
                for each in sorted(names):
                    definition = self._find(each, before)
                    if definition is None and not hasattr(builtins, each):
                        self._refuse_broken(each)
                    where.update(self.stars if definition is None else {definition})
                    if self._is_own(statement) and not (definition and self._is_own(definition)):
                        foreign.add(each)
            waiting += sorted(found[0] | found[1], key=lambda each: each.place)
        own = [each for each in needs if self._is_own(each)]
        foreign.update(*(each.own_names() for each in own))
        future = "".join(f"{line}\n" for line in self.future)
        cells = [future * (each.tier == STUDENT) + each.text for each in _ordered(needs, target)]
        return Program(tuple(cells), frozenset(foreign))

    def _target(self, name: str) -> Statement:
        """The newest definition that is not the untouched stub."""
        found = self._candidates(name, STUDENT)
        if found and not self._is_stub(found[-1]):
            return found[-1]
        self._refuse_broken(name)
        raise ProgramError(NOT_WRITTEN if found else f"no cell defines {name}")

    def _find(self, name: str, before: Statement | None) -> Statement | None:
        """The definition that counts: the newest, or the newest one ``before`` a statement that runs it."""
        for tier in (STUDENT, PROVIDED, ALWAYS):
            if found := self._candidates(name, tier, before):
                earlier = [each for each in found if before and each.place < before.place]
                return (earlier or found)[-1]
        return None

    def _candidates(self, name: str, tier: int, other_than: Statement | None = None) -> list[Statement]:
        """What defines a name, oldest first, without stubs if there is anything else."""
        found = [each for each in self.places.get((name, tier), []) if each is not other_than]
        makers = [each for each in found if name in each.binds]
        # `Block.forward = forward` defines what a student made, never what was imported.
        if not makers or isinstance(makers[-1].node, ast.Import | ast.ImportFrom):
            found = makers
        return [each for each in found if not self._is_stub(each)] or found

    def _is_stub(self, statement: Statement) -> bool:
        is_given = "NotImplementedError" in statement.text and statement.shape in self.given
        return is_given or is_unwritten(statement.node)

    def _is_own(self, statement: Statement) -> bool:
        """Whether the student wrote it, and not the lab's author."""
        return statement.tier == STUDENT and statement.shape not in self.given

    def _refuse_broken(self, name: str) -> None:
        """Say so if a cell that is not Python seems to define the name."""
        word = re.escape(name)
        pattern = re.compile(
            rf"^([ \t]*(async[ \t]+)?(def|class)[ \t]+{word}\b|{word}[ \t]*=[^=])", re.MULTILINE
        )
        for source, problem in reversed(self.broken):
            if pattern.search(source):
                raise ProgramError(f"the cell that defines {name} is not valid Python ({problem})")


def _ordered(needs: Needs, target: Statement) -> Iterator[Statement]:
    """The notebook's order, but what a statement looks up when it runs comes before it; the target last."""
    binders: dict[str, list[Statement]] = {}
    for each in needs:
        for name in each.binds:
            binders.setdefault(name, []).append(each)
    first = {each: set(at_once) for each, (at_once, _) in needs.items()}
    for each, (at_once, _) in needs.items():  # a later value of a name waits for those that use the earlier
        for other in (other for used in at_once for name in used.binds for other in binders[name]):
            if other.place > each.place and other not in at_once:
                first[other].add(each)
    called = {each: _reach(needs, at_once) - {each} for each, at_once in first.items()}
    left = sorted(needs, key=lambda each: (each is target, each.place))
    done: set[Statement] = set()
    while left:
        ready = (each for wanted in (called, first) for each in left if wanted[each] <= done)
        statement = next(ready, left[0])
        left.remove(statement)
        done.add(statement)
        yield statement


def _reach(needs: Needs, start: set[Statement]) -> set[Statement]:
    """Everything that running these statements may call."""
    reached: set[Statement] = set()
    waiting = list(start)
    while waiting:
        each = waiting.pop()
        if each not in reached:
            reached.add(each)
            waiting += needs[each][0] | needs[each][1]
    return reached

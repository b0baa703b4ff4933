"""Top-level statements of a notebook: what they bind, what they use, whether anything is written in them."""

import __future__

import ast
import symtable
import warnings
from collections.abc import Iterator
from functools import cached_property

COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
OWN_SCOPE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class StatementError(ValueError):
    """A statement that is no valid Python by itself."""


class Statement:
    """One top-level statement and the names that it binds and uses."""

    def __init__(self, node: ast.stmt, text: str, place: int, tier: int) -> None:
        self.node, self.text, self.place, self.tier = node, text, place, tier
        self.binds = frozenset(_bound(node))
        self.updates = frozenset(_updated(node))

    @cached_property
    def shape(self) -> str:
        """Its syntax tree, without comments and layout."""
        return ast.dump(self.node)

    @cached_property
    def uses(self) -> tuple[frozenset[str], frozenset[str]]:
        """Global names that are looked up when the statement runs, and those looked up later."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                table = symtable.symtable(self.text, "cell", "exec")
        except (SyntaxError, ValueError) as error:
            first = self.text.split("\n", 1)[0]
            raise StatementError(
                f"the code that begins {first[:80]!r} is not valid Python: {error}"
            ) from None
        at_once, later = set(self.updates), set[str]()
        for is_late, symbol in _global_symbols(table):
            (later if is_late else at_once).add(symbol)
        return frozenset(at_once), frozenset(later)

    def own_names(self) -> Iterator[str]:
        """Attributes and imported names, wherever they stand in it."""
        for node in ast.walk(self.node):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.MatchClass):
                yield from node.kwd_attrs
            elif isinstance(node, ast.ImportFrom):
                yield from (node.module or "").split(".")
            elif isinstance(node, ast.alias):
                yield from node.name.split(".")
            elif isinstance(node, ast.keyword) and node.arg:
                yield f"{node.arg}="


def first_line(node: ast.stmt) -> int:
    """The line on which it begins, decorators included."""
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a statement binds where it stands."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        yield node.name
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        return
    if isinstance(node, OWN_SCOPE):
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    for child in ast.iter_child_nodes(node):
        yield from _bound(child)


def _updated(node: ast.stmt) -> Iterator[str]:
    """Names whose value it changes: `n += 1`, `table["key"] = 1`, `Block.forward = forward`."""
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) else []:
        root = target
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if isinstance(root, ast.Name) and root is not target:
            yield root.id


def _global_symbols(table: symtable.SymbolTable, is_late: bool = False) -> Iterator[tuple[bool, str]]:
    """Global names in a scope and the scopes inside, each with whether it waits for a call."""
    kind = table.get_type()
    is_late = is_late or (kind == "function" and table.get_name() not in COMPREHENSIONS)
    for symbol in table.get_symbols():
        if symbol.is_global() if kind == "function" else symbol.is_referenced() and not symbol.is_free():
            yield is_late, symbol.get_name()
    for child in table.get_children():
        yield from _global_symbols(child, is_late)


def is_unwritten(node: ast.stmt) -> bool:
    """Whether nothing but a docstring and `raise NotImplementedError`, `...` or `pass` stands in it."""
    if isinstance(node, FUNCTIONS):
        return all(_says_nothing(each) for each in node.body)
    if isinstance(node, ast.ClassDef):
        methods = [each for each in node.body if isinstance(each, FUNCTIONS)]
        others = [each for each in node.body if not isinstance(each, FUNCTIONS)]
        return bool(methods) and all(map(is_unwritten, methods)) and all(map(_says_nothing, others))
    return False


def _says_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or ast.unparse(node) == "super().__init__()"
    if isinstance(node, ast.Raise):
        return "NotImplementedError" in ast.unparse(node)
    return isinstance(node, ast.Pass)


def is_future(node: ast.stmt) -> bool:
    """Whether it is a `from __future__ import` that works."""
    known = __future__.all_feature_names
    if not isinstance(node, ast.ImportFrom) or node.module != "__future__":
        return False
    return all(alias.name in known for alias in node.names)

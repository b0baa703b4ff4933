"""Recipes from plain settings: the way back from :meth:`Recipe.to_dict`, as files and command lines need it.

An augmentation is written as the call that makes it, ``compose(crop_flip(4), cutout(8))``, which is also how
it prints; a bare name, ``crop_flip``, takes the defaults. The text is parsed, not run: it can name nothing
but what makes an augmentation in ``augment.py`` or a blend in ``mix.py``.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import ModuleType
from typing import Any

from convbook.training import augment, mix
from convbook.training.recipe import Augment, Mix, Recipe


def make_recipe(settings: Mapping[str, Any]) -> Recipe:
    """A recipe from a record's or a claims file's settings; what they leave out is ``Recipe``'s default.

    Args:
        settings: fields of ``Recipe``; ``augment`` and ``mix`` may be text, ``milestones`` a list.

    Raises:
        ValueError: a setting is unknown or out of range.
    """
    names = [field.name for field in fields(Recipe)]
    for name in settings.keys() - set(names):
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}"
        raise ValueError(f"a recipe has no setting {name!r}: {hint}")
    given = dict(settings)
    if isinstance(given.get("augment"), str):
        given["augment"] = parse_augment(given["augment"])
    if isinstance(given.get("mix"), str):
        given["mix"] = parse_mix(given["mix"])
    if "milestones" in given:
        given["milestones"] = tuple(given["milestones"])
    return Recipe(**given)


def parse_augment(text: str) -> Augment | None:
    """``"crop_flip(4)"`` -> ``crop_flip(4)``; ``"none"`` -> None."""
    return _parse(text, augment)


def parse_mix(text: str) -> Mix | None:
    """``"mixup(0.2)"`` -> ``mixup(0.2)``; ``"none"`` -> None."""
    return _parse(text, mix)


def _parse(text: str, module: ModuleType) -> Any:
    known = _makers(module)
    if text.strip() == "none":
        return None
    call = f"{text}()" if re.fullmatch(r"\w+", text) else text
    try:
        return _build(ast.parse(call.strip(), mode="eval").body, known)
    except SyntaxError:
        raise ValueError(f"{text!r} is no call such as {next(iter(known))}(...)") from None


def _build(node: ast.expr, known: dict[str, Callable[..., Any]]) -> Any:
    """The value that a piece of text stands for: a number, a text, or what a call makes of its arguments."""
    if not isinstance(node, ast.Call):
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise ValueError(f"{ast.unparse(node)!r} is neither a number nor a call") from None
    name = ast.unparse(node.func)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
        raise ValueError(f"nothing is called {name!r} here: {hint}")
    arguments = [_build(argument, known) for argument in node.args]
    keywords = {str(keyword.arg): _build(keyword.value, known) for keyword in node.keywords}
    try:
        return known[name](*arguments, **keywords)
    except TypeError:
        takes = ", ".join(inspect.signature(known[name]).parameters)
        raise ValueError(f"{ast.unparse(node)!r} cannot be made: {name} takes {takes}") from None


def _makers(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The module's functions that return an augmentation or a blend, by name."""
    return {
        name: function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__annotations__.get("return") in ("Augmentation", "Mixing")
    }

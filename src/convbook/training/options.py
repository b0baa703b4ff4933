"""The options of ``python -m convbook.training``: one for each setting of a recipe, and those of the run."""

from __future__ import annotations

import ast
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, NoReturn

from convbook.models.lenet import map_loss
from convbook.records.store import FOLDER
from convbook.training.named import parse_augment, parse_mix
from convbook.training.recipe import CHOICES, Recipe

PROGRAM = "python -m convbook.training"
LOSSES = {"cross-entropy": None, "map": map_loss}

DESCRIPTION = """Train a network of the course by its name and write a record.

What is not said is as in the course's recipe for the network or, with --recipe plain, as in Recipe().
Recipes for photographs mirror their images: for digits, say --augment "shift(2)" as well.
Several processes train together when torchrun starts them: torchrun -m convbook.training ..."""


class Parser(ArgumentParser):
    """Reports a slip as an exception, for one line and exit status 1 as for all that can be wrong."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ValueError(f"{message} (--help shows all options)")


def parser() -> ArgumentParser:
    """The command line; settings of the recipe that are not given are absent from what it parses to."""
    result = Parser(prog=PROGRAM, description=DESCRIPTION, formatter_class=RawDescriptionHelpFormatter)
    result.add_argument("model", nargs="?", help="a name that --list shows")
    result.add_argument("--list", action="store_true", help="show all networks and their papers, and end")
    result.add_argument("--data", default="digits", help="a name that convbook.data.load knows")
    result.add_argument("--size", type=int, metavar="N", help="resize images to N pixels, on the device")
    result.add_argument("--subset", type=int, metavar="N", help="train on N images drawn at random")
    result.add_argument(
        "--option",
        type=option,
        action="append",
        metavar="NAME=VALUE",
        help="an argument of the network, such as width_mult=0.5; can be repeated",
    )
    result.add_argument(
        "--loss", default="cross-entropy", choices=list(LOSSES), help="map: LeNet-5's of 1998"
    )
    result.add_argument("--device", default="auto", help="auto, cpu or cuda")
    result.add_argument("--checkpoints", type=Path, metavar="FOLDER", help="save there, and go on from there")
    result.add_argument("--halve-on-oom", action="store_true", help="halve the batch when memory runs out")
    result.add_argument("--folder", type=Path, default=FOLDER, help="where the record goes")
    result.add_argument("--no-record", action="store_true", help="write none")
    result.add_argument("--recipe", default="course", choices=("course", "plain"), help="what to start from")
    settings = result.add_argument_group("settings of the recipe")
    for field in fields(Recipe):
        settings.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=_reader(field),
            choices=CHOICES.get(field.name),
            default=SUPPRESS,
            metavar=None if field.name in CHOICES else field.name.upper(),
        )
    return result


def recipe_settings(options: Namespace) -> dict[str, Any]:
    """The settings of the recipe that the command line gave."""
    names = {field.name for field in fields(Recipe)}
    return {name: value for name, value in vars(options).items() if name in names}


def option(text: str) -> tuple[str, Any]:
    """``"width_mult=0.5"`` -> ``("width_mult", 0.5)``; what is no Python literal stays text."""
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals):
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, _literal(value)


def _literal(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _reader(field: Field[Any]) -> Callable[[str], Any]:
    """What turns an option's text into the setting."""
    kind, _, optional = str(field.type).partition(" | ")
    read = READERS[kind]

    def setting(text: str) -> Any:
        if optional and text.lower() in ("none", "auto"):
            return None
        try:
            return read(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return setting


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no number") from None


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no whole number") from None


def _yes_or_no(text: str) -> bool:
    words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.lower() not in words:
        raise ArgumentTypeError(f"{text!r} is neither yes nor no")
    return words[text.lower()]


READERS: dict[str, Callable[[str], Any]] = {  # by the type of a recipe's field
    "int": _whole,
    "float": _number,
    "str": str,
    "bool": _yes_or_no,
    "tuple[float, ...]": lambda text: tuple(map(_number, text.split(","))),
    "Augment": parse_augment,
    "Mix": parse_mix,
}

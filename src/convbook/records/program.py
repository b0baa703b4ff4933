"""What programs for special runs share: the training command's options and errors, a record at the end."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from convbook.data import ImageSet, load
from convbook.models import create_model
from convbook.records.store import save_record
from convbook.training import History, Recipe, seed_everything
from convbook.training.__main__ import (
    EXPECTED,
    chosen_recipe,
    reduction,
    stopped,
    summary,
    wrong,
)
from convbook.training.options import parser


@dataclass
class Job:
    """What a program is asked for, made ready.

    Attributes:
        options: the command line.
        recipe: how to train.
        train: the images to learn from.
        val: the images to measure on.
        overrides: the arguments of the network besides its name.
        model: the network, freshly initialised.
        figures: what the program measures besides the curve; it goes into the record.
        data: the data's name in the record, if another than its own.
    """

    options: Namespace
    recipe: Recipe
    train: ImageSet
    val: ImageSet
    overrides: dict[str, Any]
    model: nn.Module
    figures: dict[str, float] = field(default_factory=dict)
    data: str | None = None


def main(
    program: str,
    description: str,
    add_options: Callable[[ArgumentParser], None],
    train: Callable[[Job], History],
    arguments: Sequence[str] | None = None,
) -> int:
    """Read the command line, call ``train``, write the record; returns the exit status.

    Args:
        program: its module's name.
        description: for ``--help``.
        add_options: adds what the training command does not have.
        train: trains and returns the history that goes into the record.
        arguments: the command line; the process's own unless given.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = parser()
    command.prog, command.description = f"python -m {program}", description
    add_options(command)
    try:
        options = command.parse_args(given)
        recipe, course = chosen_recipe(options)
        everything, val = load(options.data)
        if not (isinstance(everything, ImageSet) and isinstance(val, ImageSet)):
            raise ValueError(f"{options.data} is too large for this program: take data that fit into memory")
        images = everything if options.subset is None else everything.subset(options.subset)
        overrides = {
            "num_classes": len(images.classes),
            "in_channels": len(images.mean),
            **dict(options.option or []),
        }
        seed_everything(recipe.seed)
        job = Job(options, recipe, images, val, overrides, create_model(options.model, **overrides))
        history = train(job)
        if history.interrupted:
            return stopped(130, "Ctrl-C")
        if os.environ.get("RANK", "0") != "0":
            return 0  # under torchrun, where all have the same history, the first process tells it
        print(summary(options.model, history))
        for name, value in job.figures.items():
            print(f"{name}: {value:.4g}")
        if not options.no_record:
            path = save_record(
                history,
                model=options.model,
                options=overrides,
                command=shlex.join(["python", "-m", program, *given]),
                data=job.data,
                reduced=reduction(len(images), len(everything), recipe, course),
                figures=job.figures or None,
                folder=options.folder,
            )
            print(path)
    except KeyboardInterrupt:
        return stopped(130, "Ctrl-C")
    except EXPECTED as error:
        return wrong(str(error))
    return 0

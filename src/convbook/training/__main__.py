"""Train a network of the course by its name and write a record.

    python -m convbook.training resnet20_cifar --data cifar10

trains it as the course does (its recipe stands beside its claims) unless options say otherwise. Under
``torchrun --nproc-per-node 2 -m convbook.training ...`` two processes train together and one writes.

Exit status: 0 when the run is finished; 1 with one line that says what is wrong; 130 after Ctrl-C and 143
after SIGTERM. With ``--checkpoints FOLDER`` the same command then goes on where it was.
"""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.claims import find_recipe
from convbook.data import DataError, Images, load
from convbook.models import create_model, describe, list_models
from convbook.records import RecordError, save_record
from convbook.training import (
    CheckpointError,
    DeviceError,
    DivergenceError,
    History,
    OutOfMemoryError,
    Recipe,
    fit,
    seed_everything,
)
from convbook.training.named import make_recipe
from convbook.training.options import LOSSES, PROGRAM, parser, recipe_settings

EXPECTED = (
    CheckpointError,
    DataError,
    DeviceError,
    DivergenceError,
    OutOfMemoryError,
    RecordError,
    TypeError,  # an argument that the network does not take
    ValueError,
    torch.OutOfMemoryError,
)


class Resized(nn.Module):
    """A network behind a bilinear resizing of its images to ``size`` pixels a side, on their device."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"--size must be 1 or more; got {size}")
        self.model, self.size = model, size

    def forward(self, images: Tensor) -> Any:
        """Images (N, C, H, W) of any size -> what the network makes of (N, C, size, size)."""
        sides = (self.size, self.size)
        return self.model(F.interpolate(images, sides, mode="bilinear", antialias=True))

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"size={self.size}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parser().parse_args(given)
        if options.list:
            print("\n".join(map(one_line, list_models())))
            return 0
        return run(options, shlex.join([*PROGRAM.split(), *given]))
    except KeyboardInterrupt:
        return stopped(130, "Ctrl-C")
    except EXPECTED as error:
        return wrong(str(error))


def run(options: Namespace, command: str) -> int:
    """Train, print the last epoch's figures, write the record."""
    recipe, course = chosen_recipe(options)
    train, val = load_sized(options)
    everything = len(train)
    if options.subset is not None:
        train = train.subset(options.subset)
    seed_everything(recipe.seed)
    overrides = {
        "num_classes": len(train.classes),
        "in_channels": len(train.mean),
        **dict(options.option or []),
    }
    model = create_model(options.model, **overrides)
    if options.size not in (None, train.shape[1]):
        model = Resized(model, options.size)
    check_size(model, train.float_images(slice(0, 1)), options.model)
    history = fit(
        model,
        train,
        val,
        recipe,
        loss=LOSSES[options.loss],
        device=options.device,
        checkpoints=options.checkpoints,
        halve_on_oom=options.halve_on_oom,
    )
    if history.interrupted:
        return stopped(130, "Ctrl-C")
    if os.environ.get("RANK", "0") != "0":
        return 0  # under torchrun, where all have the same history, the first process tells it
    print(summary(options.model, history))
    if not options.no_record:
        path = save_record(
            history,
            model=options.model,
            options=overrides,
            command=command,
            data=train.name + (f" at {options.size} pixels" if isinstance(model, Resized) else ""),
            reduced=reduction(len(train), everything, recipe, course),
            folder=options.folder,
        )
        print(path)
    return 0


def load_sized(options: Namespace) -> tuple[Images, Images]:
    """The data set; photographs are decoded at the size that is asked for."""
    photographs = options.data == "imagenette" or options.data.startswith("folder:")
    return load(options.data, size=options.size if photographs else None)


def chosen_recipe(options: Namespace) -> tuple[Recipe, Recipe]:
    """What to train with, and the course's own recipe for the network."""
    if options.model is None:
        raise ValueError("say which network to train; --list shows all of them")
    paper = find_recipe(options.model)
    if not paper.course:
        raise ValueError(f"{options.model} cannot be trained here. {paper.note}")
    base = paper.course if options.recipe == "course" else {}
    return make_recipe(base | recipe_settings(options)), make_recipe(paper.course)


def check_size(model: nn.Module, image: Tensor, name: str) -> None:
    """Score one image, so that a network that needs others says so before anything is moved or timed."""
    try:
        with torch.no_grad():
            model.eval()(image)
    except ValueError as error:
        side = describe(name).input_size[-1]
        raise ValueError(f"{error}: say --size {side} to have them resized on the device") from error


def reduction(images: int, everything: int, recipe: Recipe, course: Recipe) -> str | None:
    """What a run leaves out of the course's, in words; None where that is nothing."""
    parts = []
    if images < everything:
        parts.append(f"{images:,} of {everything:,} images")
    if recipe.epochs < course.epochs:
        parts.append(f"{recipe.epochs} of {course.epochs} epochs")
    return ", ".join(parts) or None


def summary(name: str, history: History) -> str:
    """The run in one line."""
    return (
        f"{name} on {history.data}: {100 * history.final['val_accuracy']:.2f} % after {len(history)} epochs, "
        f"{history.seconds:.1f} s, {history.images_per_second:,.0f} images/s"
    )


def one_line(name: str) -> str:
    """A network for ``--list``: its name, its paper, and what its recipe is for."""
    recipe = find_recipe(name)
    return f"{name:32}{recipe.paper:26}" + (
        recipe.data if recipe.course else "labels pixels: not trained here"
    )


def wrong(message: str) -> int:
    """Say in one line what is wrong; the exit status for it."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 1


def stopped(status: int, by: str) -> int:
    """Say in one line what ended the run; the exit status for it."""
    print(f"stopped by {by}: no record is written", file=sys.stderr)
    return status


if __name__ == "__main__":
    raise SystemExit(main())

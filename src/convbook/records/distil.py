"""Teach a network by another one's soft answers.

    python -m convbook.records.distil mlp800 --teacher mlp1200 --data mnist

The teacher is trained first, by its own recipe, as long as the student will be, on images moved by up to two
pixels; with ``--checkpoints`` it is kept beside the student's folder, for other students of the same seed.
The student sees images as they are, and with ``--without 3`` no image of a 3, which the teacher has seen.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from convbook.claims import find_recipe
from convbook.data import ImageSet
from convbook.models import create_model
from convbook.records import program
from convbook.training import History, evaluate, fit, seed_everything, shift
from convbook.training.named import make_recipe
from convbook.transfer import Distillation


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the teacher, then the student; write the student's record."""
    return program.main("convbook.records.distil", __doc__ or "", add_options, teach, arguments)


def teach(job: program.Job) -> History:
    """Train the student on what is left of the data, and measure it on the classes that were left out."""
    left_out = _classes(job.options.without, job.train)
    teacher = trained_teacher(job)
    job.figures["accuracy of the teacher"] = evaluate(teacher, job.val)["accuracy"]
    images = job.train
    if left_out:
        kept = ~torch.isin(images.labels, torch.tensor(left_out))
        images = images.select(kept.nonzero().flatten())
        job.data = f"{images.name} without {', '.join(images.classes[i] for i in left_out)}"
    history = fit(
        job.model,
        images,
        job.val,
        job.recipe,
        objective=Distillation(teacher, job.options.temperature, job.options.soft),
        device=job.options.device,
        checkpoints=job.options.checkpoints,
    )
    for i in left_out:
        accuracy = evaluate(job.model, _only(job.val, job.val.labels == i))["accuracy"]
        job.figures[f"accuracy on {job.val.classes[i]}"] = accuracy
    return history


def trained_teacher(job: program.Job) -> nn.Module:
    """The teacher, trained on all images of the job."""
    options = job.options
    sizes = {name: job.overrides[name] for name in ("num_classes", "in_channels")}
    settings = find_recipe(options.teacher).course
    recipe = replace(make_recipe(settings), epochs=job.recipe.epochs, seed=job.recipe.seed, augment=shift(2))
    seed_everything(recipe.seed)
    teacher = create_model(options.teacher, **sizes)
    folder: Path | None = None
    if options.checkpoints is not None:
        run = f"teacher-{options.teacher}-{options.data}-{len(job.train)}-{recipe.epochs}-{recipe.seed}"
        folder = options.checkpoints.parent / run
    history = fit(teacher, job.train, job.val, recipe, device=options.device, checkpoints=folder)
    if history.interrupted:
        raise KeyboardInterrupt
    return teacher


def _classes(text: str | None, data: ImageSet) -> list[int]:
    """``"0,3"`` -> the indices of these classes."""
    names = [name.strip() for name in text.split(",")] if text else []
    for name in names:
        if name not in data.classes:
            raise ValueError(f"{data.name} has no class {name!r}: it has {', '.join(data.classes)}")
    if len(set(names)) == len(data.classes):
        raise ValueError("without all classes nothing is left to learn from: leave some in")
    return [data.classes.index(name) for name in names]


def _only(data: ImageSet, mask: Tensor) -> ImageSet:
    return data.select(mask.nonzero().flatten())


def add_options(parser: ArgumentParser) -> None:
    """Add what the training command does not have."""
    parser.add_argument("--teacher", required=True, help="the network to learn from")
    parser.add_argument("--temperature", type=float, default=8.0, help="how far answers are softened")
    parser.add_argument("--soft", type=float, default=1.0, help="share of the soft answers in the loss")
    parser.add_argument("--without", metavar="CLASS,...", help="classes that the student shall not see")


if __name__ == "__main__":
    raise SystemExit(main())

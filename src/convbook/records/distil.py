"""Teach a network by another one's soft answers.

    python -m convbook.records.distil mlp800 --teacher mlp1200 --data mnist

The teacher is trained first, by its own recipe but for as many epochs as the student; with ``--checkpoints``
it is kept beside the student's folder, for other students of the same seed. With ``--without 3`` the student
sees no image of a 3, which the teacher has seen.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from convbook.claims import find_recipe
from convbook.data import ImageSet
from convbook.models import create_model
from convbook.records import program
from convbook.training import History, evaluate, fit, predict, seed_everything
from convbook.training.named import make_recipe
from convbook.transfer import Distillation, only_classes, shift_bias, shift_for_share, without_classes


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the teacher, then the student; write the student's record."""
    return program.main("convbook.records.distil", __doc__ or "", add_options, teach, arguments)


def teach(job: program.Job) -> History:
    """Train the student on what is left of the data; measure it also on what was left out."""
    names = job.options.without.split(",") if job.options.without else []
    images = without_classes(job.train, names) if names else job.train
    teacher = trained_teacher(job)
    job.figures["accuracy of the teacher"] = evaluate(teacher, job.val)["accuracy"]
    objective = Distillation(teacher, temperature=job.options.temperature, soft=job.options.soft)
    history = fit(
        job.model,
        images,
        job.val,
        job.recipe,
        objective=objective,
        device=job.options.device,
        checkpoints=job.options.checkpoints,
    )
    if names and not history.interrupted:
        job.data = f"{images.name} without {', '.join(names)}"
        unseen = only_classes(job.val, names)
        job.figures["accuracy on classes left out"] = evaluate(job.model, unseen)["accuracy"]
        share_back(job.model, job.train, [images.classes.index(name) for name in names])
        job.figures["accuracy with their biases shifted"] = evaluate(job.model, job.val)["accuracy"]
        job.figures["accuracy on them with biases shifted"] = evaluate(job.model, unseen)["accuracy"]
    return history


def share_back(student: nn.Module, everything: ImageSet, classes: list[int]) -> None:
    """Shift the biases of ``classes`` until they win as often as they occur; no image's own label is used."""
    labels = everything.labels.cpu()
    share = torch.isin(labels, torch.tensor(classes)).double().mean().item()
    shift_bias(student, classes, shift_for_share(predict(student, everything), classes, share))


def trained_teacher(job: program.Job) -> nn.Module:
    """The teacher, trained on all images of the job."""
    options = job.options
    sizes = {name: job.overrides[name] for name in ("num_classes", "in_channels")}
    settings = find_recipe(options.teacher).course
    recipe = replace(make_recipe(settings), epochs=job.recipe.epochs, seed=job.recipe.seed)
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


def add_options(parser: ArgumentParser) -> None:
    """Add what the training command does not have."""
    parser.add_argument("--teacher", required=True, help="the network to learn from")
    parser.add_argument("--temperature", type=float, default=20.0, help="how far answers are softened")
    parser.add_argument("--soft", type=float, default=1.0, help="share of the soft answers in the loss")
    parser.add_argument("--without", metavar="CLASS,...", help="classes that the student shall not see")


if __name__ == "__main__":
    raise SystemExit(main())

"""Train ``how_fast_cifar`` in as few seconds as it takes.

    python -m convbook.records.how_fast how_fast_cifar --data cifar10

Besides the recipe there are two steps. The first layer is computed from 5,000 images. And images are not
mirrored by chance: mirror images are added to the data, so that an epoch shows each image once from either
side, as the alternating flip of Jordan 2024 does in two. One epoch here is therefore two of the usual ones.

``course bench training --device cuda --only cifar10`` sets it beside a public speed record.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

import torch

from convbook.data import ImageSet
from convbook.models.how_fast import HowFast
from convbook.records import program
from convbook.training import History, Recipe, evaluate, fit

MEASURED = 5_000  # images from which the first layer is computed


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure with and without mirror images, write the record."""
    return program.main("convbook.records.how_fast", __doc__ or "", add_options, race, arguments)


def race(job: program.Job) -> History:
    """Compute the first layer, train, and measure on the images as they are and with their mirror images."""
    if not isinstance(job.model, HowFast):
        raise ValueError(f"{job.options.model} has no first layer to compute: take how_fast_cifar")
    history, accuracy = train_fast(
        job.model, job.train, job.val, job.recipe, job.options.device, job.options.checkpoints
    )
    job.figures["accuracy with mirror images"] = accuracy
    return history


def train_fast(
    model: HowFast,
    train: ImageSet,
    val: ImageSet,
    recipe: Recipe,
    device: str,
    checkpoints: Path | None = None,
) -> tuple[History, float]:
    """Compute the first layer and train; the history, and the accuracy with mirror images."""
    model.whiten(train.float_images(slice(0, MEASURED)))
    history = fit(model, mirrored_too(train), val, recipe, device=device, checkpoints=checkpoints)
    model.mirror = True
    return history, evaluate(model, val, precision=history.precision)["accuracy"]


def mirrored_too(data: ImageSet) -> ImageSet:
    """The images, then their mirror images: 2 N of the same name and normalisation."""
    return ImageSet(
        torch.cat([data.images, data.images.flip(-1)]),
        data.labels.repeat(2),
        data.classes,
        data.name,
        statistics=(data.mean, data.std),
    )


def add_options(parser: ArgumentParser) -> None:
    """The training command's options are enough."""


if __name__ == "__main__":
    raise SystemExit(main())

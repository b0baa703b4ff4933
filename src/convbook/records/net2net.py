"""Train a narrow network, widen it, train on.

    python -m convbook.records.net2net controlled_cifar --data cifar10 --narrow budget=50000

The record is that of the wide network: its first epoch starts where the narrow one ended. What the narrow one
cost stands among the figures, as that time was spent too.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from torch import Generator, nn

from convbook.models import create_model
from convbook.records import program
from convbook.training import History, fit
from convbook.training.options import option
from convbook.transfer import wider


def main(arguments: Sequence[str] | None = None) -> int:
    """Train both networks; write the wide one's record."""
    return program.main("convbook.records.net2net", __doc__ or "", add_options, grow_and_train, arguments)


def grow_and_train(job: program.Job) -> History:
    """Train the narrow network by the same recipe, copy it into the wide one's shape, and train that."""
    options = job.options
    narrow = create_model(options.model, **job.overrides | dict(options.narrow))
    folder: Path | None = options.checkpoints
    before = fit(
        narrow,
        job.train,
        job.val,
        job.recipe,
        device=options.device,
        checkpoints=None if folder is None else folder / "narrow",
    )
    if before.interrupted:
        return before
    job.figures["accuracy of the narrow network"] = before.final["val_accuracy"]
    job.figures["seconds for the narrow network"] = round(before.seconds, 2)
    job.model = grown(narrow.cpu(), job.model, job.recipe.seed)
    return fit(
        job.model,
        job.train,
        job.val,
        job.recipe,
        device=options.device,
        checkpoints=None if folder is None else folder / "wide",
    )


def grown(narrow: nn.Module, target: nn.Module, seed: int, noise: float = 0.05) -> nn.Module:
    """``narrow`` with as many channels in each layer as ``target`` has; a little noise parts the copies.

    Raises:
        ValueError: ``target`` is no wider relative of ``narrow``.
    """
    generator = Generator().manual_seed(seed)
    for name, layer in target.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            width, old = layer.weight.shape[0], layer_of(narrow, name).weight.shape[0]
            if width > old:
                narrow = wider(narrow, name, width, generator, noise)
    shapes = [[tuple(p.shape) for p in network.parameters()] for network in (narrow, target)]
    if shapes[0] != shapes[1]:
        raise ValueError("the narrow network does not grow into the wide one: change its widths only")
    return narrow


def layer_of(network: nn.Module, name: str) -> nn.Conv2d | nn.Linear:
    """A convolution or linear layer by its module name.

    Raises:
        ValueError: there is none of this name.
    """
    layer = dict(network.named_modules()).get(name)
    if not isinstance(layer, nn.Conv2d | nn.Linear):
        raise ValueError(f"the narrow network has no layer {name!r}: change its widths only")
    return layer


def add_options(parser: ArgumentParser) -> None:
    """Add what the training command does not have."""
    parser.add_argument(
        "--narrow",
        type=option,
        action="append",
        required=True,
        metavar="NAME=VALUE",
        help="what makes the network narrow; can be repeated",
    )


if __name__ == "__main__":
    raise SystemExit(main())

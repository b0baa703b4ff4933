"""Train a model on a data set and record the run: ``python -m convbook.records.measure lenet5``.

The options are the recipe's; what is not given is the recipe's own default. Exit status: 0 when the record is
written, 1 with one line when something is missing or the run fails, 130 after Ctrl-C (nothing is written).
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convbook.data import DataError, list_data, load
from convbook.models import create_model
from convbook.models.lenet import map_loss
from convbook.records.store import FOLDER, RecordError, save_record
from convbook.training import DeviceError, DivergenceError, Recipe, crop_flip, fit, seed_everything, shift
from convbook.training.recipe import CHOICES

LOSSES = {"cross-entropy": None, "map": map_loss}
AUGMENTATIONS = {"none": None, "shift": shift(2), "crop-flip": crop_flip(4)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print the last epoch's figures, write the record."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    command = shlex.join(["python", "-m", "convbook.records.measure", *given])
    try:
        recipe = Recipe(
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimizer=options.optimizer,
            lr=options.lr,
            weight_decay=options.weight_decay,
            schedule=options.schedule,
            label_smoothing=options.label_smoothing,
            augment=AUGMENTATIONS[options.augment],
            precision=options.precision,
            seed=options.seed,
        )
        train, val = load(options.data)
        seed_everything(recipe.seed)
        sizes = {"num_classes": len(train.classes), "in_channels": train.images.shape[1]}
        model = create_model(options.model, **sizes)
        history = fit(model, train, val, recipe, loss=LOSSES[options.loss], device=options.device)
        if history.interrupted:
            return 130
        path = save_record(
            history, model=options.model, options=sizes, command=command, folder=options.folder
        )
    except (DataError, DeviceError, DivergenceError, RecordError, ValueError, TypeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    final = history.final
    print(
        f"{options.model} on {history.data}: {100 * final['val_accuracy']:.2f} % after "
        f"{len(history)} epochs, {history.seconds:.1f} s, {history.images_per_second:,.0f} images/s"
    )
    print(path)
    return 0


def _parser() -> argparse.ArgumentParser:
    default = Recipe()
    parser = argparse.ArgumentParser(prog="python -m convbook.records.measure", description=__doc__)
    parser.add_argument("model", help="a name that convbook.models.list_models() lists")
    parser.add_argument("--data", default="mnist", choices=list_data())
    parser.add_argument("--epochs", type=int, default=default.epochs)
    parser.add_argument("--batch-size", type=int, default=default.batch_size)
    parser.add_argument("--optimizer", default=default.optimizer, choices=CHOICES["optimizer"])
    parser.add_argument("--lr", type=float, default=default.lr)
    parser.add_argument("--weight-decay", type=float, default=default.weight_decay)
    parser.add_argument("--schedule", default=default.schedule, choices=CHOICES["schedule"])
    parser.add_argument(
        "--loss", default="cross-entropy", choices=list(LOSSES), help="map: LeNet-5's of 1998, equation 9"
    )
    parser.add_argument("--label-smoothing", type=float, default=default.label_smoothing)
    parser.add_argument("--augment", default="none", choices=list(AUGMENTATIONS))
    parser.add_argument("--precision", default=default.precision, choices=CHOICES["precision"])
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the record goes")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

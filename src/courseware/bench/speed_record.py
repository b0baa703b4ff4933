"""CIFAR-10 beside a public speed record: how long our recipes take to be as right on the same images."""

from __future__ import annotations

import importlib
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from convbook.claims import find_recipe
from convbook.data import DataError, ImageSet, load
from convbook.models.how_fast import HowFast
from convbook.records.how_fast import train_fast
from convbook.training import Recipe, compose, crop_flip, cutout, fit
from convbook.training.named import make_recipe
from courseware.bench.case import Case
from courseware.bench.figure import Figure, at_most
from courseware.bench.gpu import RESNET18
from courseware.bench.ours import finished, network
from courseware.bench.turns import Bench

MARGIN = 0.001  # by which we may be less often right: a tenth of a point
# A plain recipe, not tuned on a GPU: one cycle of SGD, crops, mirror images, squares cut out.
PLAIN = Recipe(
    epochs=16,
    batch_size=512,
    lr=0.4,
    label_smoothing=0.1,
    augment=compose(crop_flip(4), cutout(8)),
    compile=False,
)
Entrant = Callable[[int], float]  # seed -> accuracy


class AgainstSpeedRecord(Case):
    """Whole trainings from first weights to the last measurement; the first of each side is not timed."""

    name, device, kind = "cifar10", "cuda", "duration"
    title = "CIFAR-10 to the accuracy of airbench94 on the same images, less a tenth of a point"
    against = "airbench94 (Jordan 2024), its package"
    targets = MappingProxyType({"ResNet-18, a plain recipe": at_most(8), "how_fast": at_most(1.5)})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Train all three in turns."""
        try:
            airbench = importlib.import_module("airbench")
            train, val = load("cifar10", device=bench.device, download=False, resident=True)
        except (ImportError, DataError) as error:
            hint = "pip install airbench" if isinstance(error, ImportError) else str(error)
            yield from (self.missing(part, hint) for part in self.targets)
            return
        if bench.quick:
            train, val = train.subset(64), val.subset(32)
        plain, fast = self.targets
        entrants: dict[str, Entrant] = {
            plain: partial(by_plain_recipe, bench, train, val),
            fast: partial(by_how_fast, bench, train, val),
            "theirs": lambda seed: by_airbench(airbench, seed),
        }
        right: dict[str, list[float]] = {name: [] for name in entrants}
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            write_for_airbench(train, val, Path("cifar10"))
            for entrant in entrants.values():  # compiles, picks algorithms
                entrant(0)
            found = bench.turns(
                {name: timed(bench, entrant, right[name]) for name, entrant in entrants.items()}
            )
        goal = sum(right["theirs"]) / len(right["theirs"]) - MARGIN
        for part in self.targets:
            reached = [
                seconds if share >= goal else math.inf
                for seconds, share in zip(found[part], right[part], strict=True)
            ]
            ours = sum(right[part]) / len(right[part])
            theirs = goal + MARGIN
            note = f"right: {100 * ours:.2f} % on average, airbench94 {100 * theirs:.2f} %; {train.name}"
            yield self.figure(part, reached, found["theirs"], unit="s", note=note)


def timed(bench: Bench, entrant: Entrant, right: list[float]) -> Callable[[], float]:
    """A side that trains from another seed each time and keeps how often it was right."""
    seeds = count(1)

    def side() -> float:
        return bench.timed(lambda: right.append(entrant(next(seeds))))

    return side


def by_plain_recipe(bench: Bench, train: ImageSet, val: ImageSet, seed: int) -> float:
    """ResNet-18 by `fit`; its accuracy."""
    recipe = replace(PLAIN, seed=seed, epochs=bench.size(PLAIN.epochs, 1))
    model = network("resnet18", train, seed=seed, **RESNET18)
    history = finished(fit(model, train, val, recipe, device=bench.device, progress=False))
    return history.final["val_accuracy"]


def by_how_fast(bench: Bench, train: ImageSet, val: ImageSet, seed: int) -> float:
    """The course's own fast network by its recipe; its accuracy with mirror images."""
    course = find_recipe("how_fast_cifar").course | {"seed": seed}
    narrow: dict[str, Any] = {"widths": (16, 16, 16)} if bench.quick else {}
    model = network("how_fast_cifar", train, seed=seed, **narrow)
    assert isinstance(model, HowFast)
    history, accuracy = train_fast(model.to(bench.device), train, val, make_recipe(course), bench.device)
    finished(history)
    return accuracy


def by_airbench(airbench: Any, seed: int) -> float:
    """The record's own training and its own evaluation, with mirrored and shifted images."""
    torch.manual_seed(seed)
    model = airbench.train94(verbose=False)
    test = airbench.CifarLoader("cifar10", train=False, batch_size=2000)
    return float(airbench.evaluate(model, test, tta_level=2))


def write_for_airbench(train: ImageSet, val: ImageSet, folder: Path) -> None:
    """Leave the images where its loader looks, in its layout: uint8 (N, H, W, C) and labels."""
    folder.mkdir()
    for name, data in (("train", train), ("test", val)):
        images = data.images.permute(0, 2, 3, 1).contiguous().cpu()
        content = {"images": images, "labels": data.labels.cpu(), "classes": list(data.classes)}
        torch.save(content, folder / f"{name}.pt")

"""How long it takes to be right on 99.0 % of MNIST's test images."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import torch

from convbook.data import DataError, ImageSet, load
from convbook.training import Recipe, fit, seed_everything
from courseware.bench.case import Case
from courseware.bench.cpu import WORKERS, better_of, usual_side
from courseware.bench.figure import Figure, at_least, at_most
from courseware.bench.ours import finished, network
from courseware.bench.turns import Bench
from courseware.bench.usual import Pictures, usual_accuracy, usual_epoch, usual_loader, usual_transform

GOAL = 0.99
SEEDS = (21, 22, 23)  # a run is long: no more than these
FEW = 6_400  # images on which the usual loader's workers are chosen
PATIENCE = 10  # epochs that the usual loop is given

# Found by trying rates, batches and lengths on seeds that are not measured.
RECIPE = Recipe(epochs=2, batch_size=256, optimizer="adamw", lr=0.02, label_smoothing=0.1)
USUAL_BATCH, USUAL_RATE = 128, 0.002


class TimeTo99(Case):
    """LeNet-5 from its first weights to 99.0 %, evaluation included."""

    name, device = "mnist", "cpu"
    title = "Time to 99.0 % on MNIST with LeNet-5, evaluation included"
    against = "the usual loop with Adam at a constant rate"
    kinds = MappingProxyType({"seconds": "seconds"})
    targets = MappingProxyType({"speed-up": at_least(5), "seconds": at_most(15)})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Train both ways from each seed."""
        try:
            train, val = load("mnist", download=False, resident=True)
        except DataError as error:
            yield from (self.missing(part, str(error)) for part in self.targets)
            return
        if bench.quick:
            train, val = train.subset(640), val.subset(256)
        few = train.subset(min(len(train), FEW))
        pictures = Pictures(few, usual_transform(few))
        workers, _ = better_of(
            {n: usual_side(bench, network("lenet5_modern", few), pictures, n, USUAL_BATCH) for n in WORKERS}
        )
        repeats = min(bench.repeats, len(SEEDS))
        seeds = {side: iter(SEEDS) for side in ("ours", "usual")}
        found = bench.turns(
            {
                "ours": lambda: by_fit(train, val, next(seeds["ours"])),
                "usual": lambda: by_the_usual_loop(bench, train, val, next(seeds["usual"]), workers),
            },
            repeats,
        )
        reached = {side: sum(map(math.isfinite, seconds)) for side, seconds in found.items()}
        note = (
            f"fit got there with {reached['ours']} of {repeats} seeds, "
            f"the usual loop with {reached['usual']}; its loader with {workers} workers"
        )
        yield self.figure("speed-up", found["ours"], found["usual"], unit="s", needed=len(SEEDS), note=note)
        how = (
            f"fit: {RECIPE.epochs} epochs of {RECIPE.optimizer}, {RECIPE.schedule} up to {RECIPE.lr:g}, "
            f"batch {RECIPE.batch_size}, label smoothing {RECIPE.label_smoothing:g}; "
            f"the usual loop: Adam at {USUAL_RATE:g}, batch {USUAL_BATCH}"
        )
        yield self.figure("seconds", found["ours"], unit="s", needed=len(SEEDS), note=how)


def by_fit(train: ImageSet, val: ImageSet, seed: int) -> float:
    """Seconds of the whole call of `fit`, infinite if it ends below the goal."""
    model = network("lenet5_modern", train, seed=seed)
    start = time.perf_counter()
    history = finished(fit(model, train, val, replace(RECIPE, seed=seed), device="cpu", progress=False))
    seconds = time.perf_counter() - start
    return seconds if history.final["val_accuracy"] >= GOAL else math.inf


def by_the_usual_loop(bench: Bench, train: ImageSet, val: ImageSet, seed: int, workers: int) -> float:
    """Seconds until an epoch ends at the goal or above, infinite if none does."""
    seed_everything(seed)
    model = network("lenet5_modern", train, seed=seed)
    transform = usual_transform(train)
    loader = usual_loader(Pictures(train, transform), USUAL_BATCH, workers)
    test = usual_loader(Pictures(val, transform), 256, workers, train=False)
    start = time.perf_counter()
    optimizer = torch.optim.Adam(model.parameters(), lr=USUAL_RATE)
    for _ in range(bench.size(PATIENCE, 1)):
        usual_epoch(model, loader, optimizer)
        if usual_accuracy(model, test) >= GOAL:
            return time.perf_counter() - start
    return math.inf

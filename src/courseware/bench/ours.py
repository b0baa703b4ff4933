"""The course's side: `fit` as a reader calls it, and nothing of its insides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from convbook.data import ImageSet
from convbook.models import create_model
from convbook.training import History, Recipe, fit, seed_everything
from courseware.bench.turns import Bench, Side

CLASSES = 10
# Neither rate nor decay changes what a step costs; these keep the random task from diverging.
RATE = 0.01


def noise(n: int, channels: int, side: int, device: str, classes: int = CLASSES) -> ImageSet:
    """``n`` random images, (channels, side, side): what they show does not change what a step costs."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, channels, side, side), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, classes, (n,), generator=generator)
    return ImageSet(images, labels, tuple(map(str, range(classes))), "noise").to(device)


def network(name: str, data: ImageSet, seed: int = 0, **options: Any) -> nn.Module:
    """A network of the registry for ``data``, with the same weights for the same seed."""
    seed_everything(seed)
    return create_model(name, num_classes=len(data.classes), in_channels=data.images.shape[1], **options)


def finished(history: History) -> History:
    """The history of a whole run: `fit` answers Ctrl-C with what it has, a measurement must end."""
    if history.interrupted:
        raise KeyboardInterrupt
    return history


class FitSide:
    """`fit` as a side of a measurement: seconds that an image takes in training, evaluation apart.

    The first of two passes compiles, records graphs and picks algorithms; the second is timed.

    Attributes:
        start_up: seconds of the first call, less what as many passes took later: compilation above all.
        history: the latest run's.
    """

    def __init__(self, bench: Bench, model: nn.Module, data: ImageSet, **settings: Any) -> None:
        chosen: dict[str, Any] = {"epochs": 2, "lr": RATE, "schedule": "constant"} | settings
        self.bench, self.model, self.data, self.recipe = bench, model, data, Recipe(**chosen)
        self.val = data.subset(min(len(data), 64))
        self.start_up = 0.0
        self.history = History()

    def __call__(self) -> float:
        """Train; seconds an image of the last pass."""
        self.history = finished(
            fit(self.model, self.data, self.val, self.recipe, device=self.bench.device, progress=False)
        )
        return self.history.rows[-1]["seconds"] / self.history.images

    def warm_up(self) -> FitSide:
        """Train once untimed."""
        first = self.bench.timed(self)
        pass_seconds = self.history.rows[-1]["seconds"]
        self.start_up = max(0.0, first - len(self.history) * pass_seconds)
        return self

    @property
    def settings(self) -> str:
        """What the run was made with, in words."""
        return f"fit computed in {self.history.precision}"


def warm(side: Side) -> Side:
    """Run a side once untimed: first calls choose algorithms and fill caches."""
    side()
    return side


def per_image(bench: Bench, work: Callable[[], object], images: int) -> Side:
    """A side from a pass over ``images`` images: seconds an image."""
    return lambda: bench.timed(work) / images


def usual_optimizer(model: nn.Module) -> torch.optim.SGD:
    """The optimiser that :class:`FitSide` trains with by default."""
    return torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, weight_decay=5e-4, nesterov=True)

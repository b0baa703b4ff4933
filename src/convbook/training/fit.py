"""The training loop.

One epoch: draw a new order of the images; for each batch, augment, score, measure the loss, walk back through
the network, step. Then look at the validation images. Everything else here is bookkeeping.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn, optim
from torch.nn import functional as F

from convbook.data import ImageSet
from convbook.training.devices import pick_device, pick_precision, seed_everything
from convbook.training.evaluation import autocast, evaluate
from convbook.training.history import History
from convbook.training.optimizers import learning_rate, make_optimizer
from convbook.training.progress import progress_bar
from convbook.training.recipe import Recipe

Loss = Callable[[Tensor, Tensor], Tensor]


class DivergenceError(RuntimeError):
    """The loss is no longer a number. ``history`` holds the epochs before."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


def fit(
    model: nn.Module,
    train: ImageSet,
    val: ImageSet,
    recipe: Recipe | None = None,
    *,
    loss: Loss | None = None,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> History:
    """Train ``model`` in place and return what happened.

    The images live on the device as bytes, so that a batch is one indexing and no loader is needed. The same
    seed, machine and number of threads give the same result bit for bit on a CPU; on a GPU some kernels add
    in another order each time. The global generators are seeded on the way, as dropout draws from them.

    Args:
        model: scores images (N, C, H, W) -> (N, K); it is moved to the device.
        train: the images to learn from.
        val: the images to measure on after each epoch.
        recipe: how to train; ``Recipe()`` unless given.
        loss: (scores (B, K), labels (B,)) -> scalar; the cross-entropy unless given.
        device: "auto", "cpu" or "cuda".
        progress: show a bar, where somebody can see it.

    Returns:
        The history. Ctrl-C ends the run early and returns the epochs finished so far, with ``interrupted``
        set; the model keeps the weights that it had reached.

    Raises:
        DeviceError: the device or precision asked for is not there.
        DivergenceError: the loss became infinite or NaN.
        ValueError: model and data do not fit each other.
    """
    recipe = recipe or Recipe()
    chosen = pick_device(device)
    precision = pick_precision(recipe.precision, chosen)
    seed_everything(recipe.seed)
    generator = Generator(chosen).manual_seed(recipe.seed)

    model.to(chosen)
    train, val = train.to(chosen), val.to(chosen)
    check_scores(model, train)

    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    loss_name = "cross_entropy" if loss is None else getattr(loss, "__name__", repr(loss))
    run = Run(model, train, recipe, loss, precision, generator)
    history = History(recipe, train.name, run.images, chosen.type, precision, loss_name, parameters)
    start = time.perf_counter()
    with progress_bar(recipe.epochs * run.steps_per_epoch, wanted=progress) as bar:
        try:
            for epoch in range(1, recipe.epochs + 1):
                row = run.train_epoch(bar)
                if not math.isfinite(row["train_loss"]):
                    raise DivergenceError(_diverged(epoch, recipe, precision), history)
                measured = evaluate(model, val, precision=precision)
                row |= {f"val_{name}": value for name, value in measured.items()}
                history.rows.append({"epoch": epoch} | row)
                bar.set_postfix(val_accuracy=f"{measured['accuracy']:.4f}")
        except KeyboardInterrupt:
            history.interrupted = True
            bar.clear()
            print(f"interrupted: {len(history)} of {recipe.epochs} epochs finished")
        finally:
            history.seconds = time.perf_counter() - start
    return history


class Run:
    """A model under training: what stays the same from epoch to epoch."""

    def __init__(
        self,
        model: nn.Module,
        train: ImageSet,
        recipe: Recipe,
        loss: Loss | None,
        precision: str,
        generator: Generator,
    ) -> None:
        self.model, self.train, self.recipe = model, train, recipe
        self.precision, self.generator = precision, generator
        self.loss = loss or partial(F.cross_entropy, label_smoothing=recipe.label_smoothing)
        self.optimizer: optim.Optimizer = make_optimizer(model, recipe)
        # fp16 loses small gradients: the loss is scaled up before the backward pass, gradients down after it.
        self.scaler = torch.amp.GradScaler(train.images.device.type, enabled=precision == "fp16")
        # An incomplete last batch is left out: its gradient would be noisier than the others'.
        self.batch_size = min(recipe.batch_size, len(train))
        self.steps_per_epoch = len(train) // self.batch_size
        self.images = self.steps_per_epoch * self.batch_size
        self.step = 0

    def train_epoch(self, bar: Any) -> dict[str, float]:
        """Go once through the images, in a new order."""
        self.model.train()
        device = self.train.images.device
        loss_sum, right = torch.zeros((), device=device), torch.zeros((), device=device)
        start = time.perf_counter()
        batches = self.train.batches(
            self.batch_size,
            shuffle=True,
            generator=self.generator,
            augment=self.recipe.augment,
            drop_last=True,
        )
        for images, labels in batches:
            rate = self.set_learning_rate()
            loss, scores = self.train_step(images, labels)
            # Sums stay on the device: asking for a number each step would make the CPU wait for the GPU.
            loss_sum += loss.detach()
            right += (scores.argmax(dim=1) == labels).sum()
            bar.update()
        # .item() waits until the device is done, so that the clock is honest.
        mean_loss, accuracy = loss_sum.item() / self.steps_per_epoch, right.item() / self.images
        return {
            "lr": rate,
            "train_loss": mean_loss,
            "train_accuracy": accuracy,
            "seconds": time.perf_counter() - start,
        }

    def train_step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Forward, backward, step: returns the batch's loss and scores (B, K)."""
        with autocast(images.device, self.precision):
            scores = self.model(images)
            loss = self.loss(scores.float(), labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss, scores

    def set_learning_rate(self) -> float:
        """Give the optimiser the rate for this step."""
        rate = learning_rate(self.step, self.recipe.epochs * self.steps_per_epoch, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.step += 1
        return rate


@torch.no_grad()
def check_scores(model: nn.Module, data: ImageSet) -> None:
    """Score two images before the clock starts: a misfit is found here, with a message that says which."""
    was_training = model.training
    scores = model.eval()(data.float_images(slice(0, 2)))
    model.train(was_training)
    if scores.ndim != 2 or scores.shape[1] < len(data.classes):
        raise ValueError(
            f"the model gives {tuple(scores.shape[1:])} scores an image, {data.name} has "
            f"{len(data.classes)} classes: make it with num_classes={len(data.classes)}"
        )


def _diverged(epoch: int, recipe: Recipe, precision: str) -> str:
    other = "" if precision == "float32" else " or precision='float32'"
    return (
        f"the loss became infinite or NaN in epoch {epoch}: try a lower lr (now {recipe.lr:g}), "
        f"a longer warmup{other}"
    )

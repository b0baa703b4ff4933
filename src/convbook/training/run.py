"""The training loop.

One epoch: draw a new order of the images; for each batch, augment, score, measure the loss, walk back through
the network, step. Then look at the validation images. Everything else here is bookkeeping.
"""

from __future__ import annotations

import hashlib
import math
import time
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from convbook.data import Images
from convbook.progress import progress_bar
from convbook.training.accelerate import Accelerator
from convbook.training.checkpoint import CheckpointError, Checkpoints
from convbook.training.devices import pick_precision
from convbook.training.distributed import Group
from convbook.training.evaluation import evaluate
from convbook.training.history import History
from convbook.training.live import LiveCurve
from convbook.training.objective import Objective, name_of
from convbook.training.optimizers import learning_rate
from convbook.training.randomness import generator_states, load_generator_states, seed_of
from convbook.training.recipe import Recipe
from convbook.training.step import Stepper
from convbook.training.stopping import StopSignal, Terminated

AGREE_EVERY = 20  # steps between two looks of several processes at whether to save or to stop


class DivergenceError(RuntimeError):
    """The loss is no longer a number. ``history`` holds the epochs before."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


class Run:
    """A model under training: what stays the same from step to step, and where it is."""

    def __init__(
        self,
        model: nn.Module,
        train: Images,
        val: Images,
        recipe: Recipe,
        objective: Objective,
        group: Group,
        *,
        halve_on_oom: bool = False,
    ) -> None:
        self.model, self.train, self.val, self.recipe, self.group = model, train, val, recipe, group
        precision = pick_precision(recipe.precision, group.device, model)
        # An incomplete last batch is left out: its gradient would be noisier than the others'.
        self.batch_size = min(recipe.batch_size, len(train))
        self.steps_per_epoch = len(train) // self.batch_size
        self.steps = recipe.epochs * self.steps_per_epoch
        group.part(self.batch_size, recipe.accumulate)  # refuses what cannot be dealt out evenly
        if recipe.channels_last is not False:
            model.to(memory_format=torch.channels_last)
        self.stepper = Stepper(model, recipe, objective, precision, group, halve_on_oom=halve_on_oom)
        self.accelerator = Accelerator(
            self.stepper, self.steps, compile=recipe.compile, cuda_graphs=recipe.cuda_graphs
        )
        self.average: AveragedModel | None = None
        if recipe.ema is not None:
            mean = get_ema_multi_avg_fn(recipe.ema)
            self.average = AveragedModel(model, multi_avg_fn=mean, use_buffers=True)
        self.history = History(
            recipe,
            data=train.name,
            images=self.steps_per_epoch * self.batch_size,
            device=group.device.type,
            precision=precision,
            loss=name_of(objective),
            parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        )
        self.step = 0  # how many were taken
        self.sums = torch.zeros(2, dtype=torch.float64, device=group.device)  # losses, right answers
        self.seconds = 0.0  # of this epoch's steps before an interruption

    def train_all(self, checkpoints: Checkpoints | None, stop: StopSignal, *, progress: bool = True) -> None:
        """Go through the epochs that are left."""
        self.checkpoints, self.stop = checkpoints, stop
        self.resume()
        self.start = time.perf_counter() - self.history.seconds
        shown = progress and self.group.writes
        with (
            progress_bar(self.steps, done=self.step, wanted=shown) as self.bar,
            LiveCurve(self.history, wanted=shown) as self.curve,
        ):
            try:
                while len(self.history) < self.recipe.epochs:
                    self.train_epoch()
                    self.save()
                    self.obey()
            except KeyboardInterrupt:
                self.history.interrupted = True
                self.bar.clear()
                self.say(f"interrupted: {len(self.history)} of {self.recipe.epochs} epochs finished")
            finally:
                self.history.seconds = time.perf_counter() - self.start
                self.group.unwrap(self.stepper.parallel)
        if self.average is not None:
            self.model.load_state_dict(self.average.module.state_dict())

    def train_epoch(self) -> None:
        """Go once through the images in a new order (or on from where this epoch was left), then measure."""
        self.model.train()
        epoch = len(self.history)
        start = time.perf_counter() - self.seconds
        # An epoch's draws follow from seed and epoch alone, so that a resumed run draws the same.
        generator = Generator(self.group.device).manual_seed(seed_of(self.recipe.seed, "epoch", epoch))
        batches = self.train.batches(
            self.batch_size,
            shuffle=True,
            generator=generator,
            augment=self.recipe.augment,
            drop_last=True,
            start=self.step - epoch * self.steps_per_epoch,
            shard=(self.group.rank, self.group.world),
        )
        for images, labels in batches:
            self.train_batch(images, labels)
            self.bar.update()
            if self.must_save():
                self.seconds = time.perf_counter() - start
                self.save()
                self.obey()
        # .tolist() waits until the device is done, so that the clock is honest.
        loss_sum, right = self.checked_sums()
        row = {
            "epoch": epoch + 1,
            "lr": learning_rate(self.step - 1, self.steps, self.recipe),
            "train_loss": loss_sum / self.steps_per_epoch,
            "train_accuracy": right / self.history.images,
            "seconds": time.perf_counter() - start,
        }
        scored = self.model if self.average is None else self.average.module
        measured = evaluate(scored, self.val, precision=self.history.precision)
        self.history.rows.append(row | {f"val_{name}": value for name, value in measured.items()})
        self.sums.zero_()
        self.seconds = 0.0
        self.curve.update()
        self.bar.set_postfix(val_accuracy=f"{measured['accuracy']:.4f}")

    def train_batch(self, images: Tensor, labels: Tensor) -> None:
        """Learn from one batch (B, C, H, W)."""
        if self.recipe.channels_last is False:
            images = images.contiguous()
        targets = labels
        if self.recipe.mix is not None:
            one_hot = F.one_hot(labels, len(self.train.classes)).to(images.dtype)
            draws = Generator(self.group.device).manual_seed(seed_of(self.recipe.seed, "mix", self.step))
            images, targets = self.recipe.mix(images, one_hot, draws)
        rate = learning_rate(self.step, self.steps, self.recipe)
        self.accelerator.adapt(images, targets)
        loss, right = self.stepper(images, targets, rate)
        self.sums += torch.stack([loss / self.group.world, right])
        self.step += 1
        if self.average is not None:
            self.average.update_parameters(self.model)

    def checked_sums(self) -> tuple[float, float]:
        """The epoch's sums over all processes."""
        loss_sum, right = self.group.sum(self.sums).tolist()
        if not math.isfinite(loss_sum):
            raise DivergenceError(
                _diverged(len(self.history) + 1, self.recipe, self.history.precision), self.history
            )
        return loss_sum, right

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        if self.checkpoints is None:
            return
        state, refused = None, ""
        if self.group.writes:
            try:
                state = self.checkpoints.newest(self.identity())
            except CheckpointError as error:  # the other processes must not wait for a state in vain
                refused = str(error)
        state, refused = self.group.share((state, refused))
        if refused:
            raise CheckpointError(refused)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.stepper.optimizer.load_state_dict(state["optimizer"])
        self.stepper.scaler.load_state_dict(state["scaler"])
        self.stepper.pieces = state["pieces"]
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.history.rows = state["rows"]
        self.history.seconds = state["run_seconds"]
        self.step, self.seconds = state["step"], state["epoch_seconds"]
        if self.group.writes:  # the others' shares are in rank 0's, which holds the sums of all
            self.sums.copy_(state["sums"])
        load_generator_states(state["generators"])

    def save(self) -> None:
        """Write a checkpoint: all that ``resume`` reads."""
        self.history.seconds = time.perf_counter() - self.start
        if self.checkpoints is None:
            return
        sums = self.checked_sums()  # weights that are no numbers do not replace good ones
        if not self.group.writes:
            return
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.stepper.optimizer.state_dict(),
            "scaler": self.stepper.scaler.state_dict(),
            "pieces": self.stepper.pieces,
            "average": None if self.average is None else self.average.state_dict(),
            "rows": self.history.rows,
            "run_seconds": self.history.seconds,
            "epoch_seconds": self.seconds,
            "sums": torch.tensor(sums, dtype=torch.float64),
            "generators": generator_states(),
        }
        self.checkpoints.save(state, epoch=len(self.history), step=self.step, run=self.identity())

    def identity(self) -> dict[str, Any]:
        """What makes a run this one and no other."""
        shapes = [(name, tuple(value.shape)) for name, value in self.model.state_dict().items()]
        return {
            "model": type(self.model).__name__,
            "parameters": self.history.parameters,
            "structure": hashlib.sha256(f"{self.model} {shapes}".encode()).hexdigest()[:16],
            "data": self.train.name,
            "images": len(self.train),
            "processes": self.group.world,
            "loss": self.history.loss,
            "recipe": self.recipe.to_dict(),
        }

    def must_save(self) -> bool:
        """Whether a checkpoint is due or the end was asked for; several processes agree on it."""
        saves = self.stop.asked or (self.checkpoints is not None and self.checkpoints.due())
        if self.group.world == 1:
            return saves
        if self.step % AGREE_EVERY:
            return False
        flags = torch.tensor([float(self.stop.asked), float(saves)], device=self.group.device)
        stops, saves = (count > 0 for count in self.group.sum(flags).tolist())
        self.stop.asked = stops
        return saves

    def obey(self) -> None:
        """End here if SIGTERM came."""
        if not self.stop.asked:
            return
        kept = (
            "the checkpoint holds it"
            if self.checkpoints
            else "nothing was kept, as no checkpoints= was given"
        )
        self.say(f"terminated after step {self.step} of {self.steps}: {kept}")
        raise Terminated

    def say(self, line: str) -> None:
        """Print a line, once for all processes."""
        if self.group.writes:
            print(line)


def _diverged(epoch: int, recipe: Recipe, precision: str) -> str:
    other = "" if precision == "float32" else " or precision='float32'"
    return (
        f"the loss became infinite or NaN in epoch {epoch}: try a lower lr (now {recipe.lr:g}), "
        f"a longer warmup{other}"
    )

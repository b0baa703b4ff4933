"""One step of training: score a batch, walk back through the network, move the weights."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn

from convbook.training.distributed import Group
from convbook.training.evaluation import autocast
from convbook.training.objective import Objective
from convbook.training.optimizers import make_optimizer
from convbook.training.recipe import Recipe


class OutOfMemoryError(RuntimeError):
    """A batch does not fit into the device's memory."""


class Replay(Protocol):
    """Forward and backward pass in one order: see :mod:`convbook.training.accelerate`."""

    def __call__(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Leave gradients; return the loss and how many images were right."""


class Stepper:
    """Trains one network batch by batch.

    Attributes:
        parallel: the network, wrapped if several processes train it.
        runs: what is called: that, or its compiled form.
        pieces: parts that a batch is cut into; grows when memory runs out and halving is allowed.
        replay: stands for forward and backward pass, if there is one.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        objective: Objective,
        precision: str,
        group: Group,
        *,
        halve_on_oom: bool = False,
    ) -> None:
        self.model, self.objective, self.precision, self.group = model, objective, precision, group
        self.clip, self.pieces, self.halve_on_oom = recipe.clip, recipe.accumulate, halve_on_oom
        self.parallel = group.wrap(model)
        self.runs = self.parallel
        self.replay: Replay | None = None
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(model, recipe)
        # fp16 loses small gradients: the loss is scaled up before the backward pass, gradients down after it.
        self.scaler = torch.amp.GradScaler(group.device.type, enabled=precision == "fp16")

    def __call__(self, images: Tensor, targets: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """Learn from a batch (B, C, H, W) at this learning rate; returns its loss and how many were right.

        Both stay on the device: asking for a number each step would make the CPU wait for the GPU.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, right = self.replay(images, targets) if self.replay else self.in_pieces(images, targets)
        if self.clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss, right

    def in_pieces(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Forward and backward pass over a batch, as many pieces at a time as memory allows."""
        while True:
            self.optimizer.zero_grad(set_to_none=True)
            tried = len(images) // self.pieces
            try:
                return self.forward_backward_all(images, targets)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                # One of several processes cannot begin a step anew: the others wait for its part of this one.
                if not self.halve_on_oom or tried < 2 or self.group.world > 1:
                    raise OutOfMemoryError(self._no_room(tried)) from None
            # Only out here is the memory of the failed pass free: its traceback held every activation.
            self.optimizer.zero_grad(set_to_none=True)
            if self.group.device.type == "cuda":
                torch.cuda.empty_cache()
            self.pieces *= 2
            print(f"out of memory with {tried} images at once: going on with {len(images) // self.pieces}")

    def forward_backward_all(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Piece by piece; several processes share their gradients after the last one."""
        loss, right = torch.zeros((2,), device=images.device)
        pieces = list(zip(images.chunk(self.pieces), targets.chunk(self.pieces), strict=True))
        for i, (some_images, some_targets) in enumerate(pieces, start=1):
            with nullcontext() if i == len(pieces) else self.group.apart(self.parallel):
                share = len(some_images) / len(images)
                piece_loss, piece_right = self.forward_backward(some_images, some_targets, share)
            loss, right = loss + piece_loss, right + piece_right
        return loss, right

    def forward_backward(self, images: Tensor, targets: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        """Add the gradient of images that are this ``share`` of the batch; return their share of its loss."""
        with autocast(images.device, self.precision):
            loss, scores = self.objective(self.runs, images, targets)
        loss = share * loss
        self.scaler.scale(loss).backward()
        labels = targets if targets.ndim == 1 else targets.argmax(dim=1)
        return loss.detach(), (scores.detach().argmax(dim=1) == labels).sum()

    def _no_room(self, images: int) -> str:
        halving = ", or halve_on_oom=True" if self.group.world == 1 else ""
        return (
            f"{images} images at once do not fit into the memory of {self.group.device}: choose a smaller "
            f"batch_size, or accumulate={2 * self.pieces}{halving}"
        )


def out_of_memory(error: RuntimeError) -> bool:
    """Whether a device ran out of memory (on a CPU, PyTorch says so in words alone)."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)

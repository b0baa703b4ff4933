"""``fit``: a network, images and a recipe in; a history out."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import torch
from torch import nn

from convbook.data import Images, place
from convbook.training.checkpoint import Checkpoints
from convbook.training.distributed import process_group
from convbook.training.history import History
from convbook.training.memory import kept_memory
from convbook.training.objective import Loss, Objective, Supervised, cross_entropy
from convbook.training.randomness import seed_everything
from convbook.training.recipe import Recipe
from convbook.training.run import Run
from convbook.training.stopping import StopSignal


def fit(
    model: nn.Module,
    train: Images,
    val: Images,
    recipe: Recipe | None = None,
    *,
    loss: Loss | None = None,
    objective: Objective | None = None,
    device: str | torch.device = "auto",
    checkpoints: str | Path | Checkpoints | None = None,
    halve_on_oom: bool = False,
    progress: bool = True,
) -> History:
    """Train ``model`` in place and return what happened.

    Images live on the device as bytes, so that a batch is one indexing and no loader is needed; a set that
    does not fit there is streamed. The same seed, machine and number of threads give the same result bit for
    bit on a CPU, whether or not the run was interrupted and resumed; on a GPU some kernels add in another
    order each time. The global generators are seeded on the way, as dropout draws from them. Under
    ``torchrun`` all processes train together.

    Args:
        model: scores images (N, C, H, W) -> (N, K); it is moved to the device.
        train: the images to learn from.
        val: the images to measure on after each epoch.
        recipe: how to train; ``Recipe()`` unless given.
        loss: (scores (B, K), targets (B,), or (B, K) with ``recipe.mix``) -> scalar; the cross-entropy unless
            given.
        objective: (model, images, targets) -> (loss, scores (B, K)), for what needs more than scores: a
            teacher, other heads. Instead of ``loss``. (``label_smoothing`` is the cross-entropy's alone.)
        device: "auto", "cpu" or "cuda".
        checkpoints: a folder. The run is saved there each minute and after each epoch, and goes on from the
            newest valid checkpoint that it finds.
        halve_on_oom: when a batch does not fit into memory, cut it into halves (the gradient stays that of
            the whole batch; batch norm sees the parts) instead of ending.
        progress: show a bar, and in a live notebook a curve, where somebody can see it.

    Returns:
        The history. Ctrl-C ends the run early and returns the epochs finished so far, with ``interrupted``
        set; the model keeps the weights that it had reached.

    Raises:
        DeviceError: the device or precision asked for is not there.
        CheckpointError: the folder cannot be used, or holds another run's checkpoints.
        OutOfMemoryError: a batch does not fit into memory.
        DivergenceError: the loss became infinite or NaN.
        ValueError: model and data do not fit each other.
        Terminated: SIGTERM came (a SystemExit with status 143); with ``checkpoints``, nothing is lost.
    """
    recipe = recipe or Recipe()
    if loss is not None and objective is not None:
        raise ValueError("loss and objective say the same thing twice: give one of them")
    objective = objective or Supervised(loss or cross_entropy(recipe.label_smoothing))
    if checkpoints is not None and not isinstance(checkpoints, Checkpoints):
        checkpoints = Checkpoints(checkpoints)
    with ExitStack() as stack:
        group = stack.enter_context(process_group(device))
        seed_everything(recipe.seed)
        model.to(group.device)
        train, val = place(train, group.device), place(val, group.device)
        check_scores(model, train)
        if group.device.type == "cpu":
            stack.enter_context(kept_memory())
        stop = stack.enter_context(StopSignal())
        run = Run(model, train, val, recipe, objective, group, halve_on_oom=halve_on_oom)
        run.train_all(checkpoints, stop, progress=progress)
    return run.history


@torch.no_grad()
def check_scores(model: nn.Module, data: Images) -> None:
    """Score two images before the clock starts: a misfit is found here, with a message that says which."""
    low, high = int(data.labels.min()), int(data.labels.max())
    if not 0 <= low <= high < len(data.classes):
        raise ValueError(
            f"labels of {data.name} reach from {low} to {high}, but it has {len(data.classes)} classes: "
            f"number them from 0 to {len(data.classes) - 1}"
        )
    was_training = model.training
    scores = model.eval()(data.float_images(slice(0, 2)))
    model.train(was_training)
    if scores.ndim != 2 or scores.shape[1] < len(data.classes):
        raise ValueError(
            f"the model gives {tuple(scores.shape[1:])} scores an image, {data.name} has "
            f"{len(data.classes)} classes: make it with num_classes={len(data.classes)}"
        )

"""The race of the lab "A network under a budget": every network learns the same way from the same images.

Training is the same each time: the images, their order, the initial weights' seed and the recipe are fixed,
on one CPU thread. Only the held-out images are drawn by a seed of their own: the notebook's is 0, and marks
are given on images of another one.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.data import ImageSet, cluttered_digits
from convbook.profile import profile
from convbook.shapes import ShapesOnly

IMAGE = (3, 32, 32)
CLASSES = 10
MAX_PARAMS, MAX_MACS, MAX_VALUES = 300_000, 2_000_000, 200_000
LADDER = ((0.70, 1.0), (0.60, 0.75), (0.50, 0.5), (0.35, 0.25))  # accuracy from which a share is earned

TRAINED_ON, HELD_OUT = 1600, 600  # images
EPOCHS, BATCH, LR, WEIGHT_DECAY, CLIP = 5, 32, 0.01, 0.01, 1.0
SEED = 4
REMEMBERED = 4
_trained: dict[tuple[str, bytes], nn.Module] = {}  # the newest last


def race(network: nn.Module, seed: int = 0) -> float:
    """Return the accuracy on held-out images of a copy of ``network``, trained from fresh weights.

    One that was trained a moment ago is recognised by its layers and first scores, and not trained again.

    Args:
        network: scores images (N, 3, 32, 32) -> (N, 10).
        seed: which held-out images are drawn.
    """
    images = _training_images()
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(SEED)
        racer = copy.deepcopy(network).cpu().train()
        for layer in racer.modules():
            reset: Any = getattr(layer, "reset_parameters", None)
            if callable(reset):
                reset()
        first = copy.deepcopy(racer)(images.float_images(slice(0, 8))).detach()
        key = (repr(network), first.numpy().tobytes())
        if key in _trained:
            racer = _trained.pop(key)
        else:
            _train(racer, images)
        _trained[key] = racer
        if len(_trained) > REMEMBERED:
            del _trained[next(iter(_trained))]
        return _accuracy(racer, seed)


def share(accuracy: float) -> float:
    """The share of the points that an accuracy earns."""
    return next((earned for needed, earned in LADDER if accuracy >= needed), 0.0)


def over_budget(network: nn.Module) -> str:
    """What is not as asked for, in words; an empty string for a network within all limits."""
    cost = profile(network, IMAGE)
    for what, spent, limit in (
        ("parameters", cost.params, MAX_PARAMS),
        ("multiply-accumulates an image", cost.macs, MAX_MACS),
        ("values computed for an image", values(network), MAX_VALUES),
    ):
        if spent > limit:
            return f"{spent:,} {what}; {limit:,} are allowed"
    with torch.no_grad():
        scores = copy.deepcopy(network).eval()(torch.zeros(2, *IMAGE))
    if not isinstance(scores, Tensor) or tuple(scores.shape) != (2, CLASSES):
        return f"for two images the scores should have the shape (2, {CLASSES})"
    return ""


def values(network: nn.Module) -> int:
    """Numbers that all steps together compute for one image: what training has to keep and go through."""
    shadow = copy.deepcopy(network).to("meta").eval()
    image = torch.empty(1, *IMAGE, device="meta")
    with torch.no_grad(), _Counting() as counting:
        shadow(image)
    return counting.total


class _Counting(ShapesOnly):
    """Adds up the sizes of all first results, views left out."""

    total = 0

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what ``func`` would, without its numbers, and count them."""
        result = super().run(func, args, kwargs)
        first = result[0] if isinstance(result, tuple | list) and result else result
        if isinstance(first, Tensor) and not func.is_view:
            self.total += first.numel()
        return result


def _train(network: nn.Module, images: ImageSet) -> None:
    """AdamW with one cycle of the learning rate; no augmentation."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(network.parameters(), LR, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
    for _ in range(EPOCHS):
        for x, y in images.batches(BATCH, shuffle=True, generator=generator):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
            schedule.step()


@torch.no_grad()
def _accuracy(network: nn.Module, seed: int) -> float:
    """On held-out images: scans and photographs that training has not seen, normalised as its images are."""
    held_out = cluttered_digits(1, seed, IMAGE[1], HELD_OUT)[1]
    scores = network.eval()(_training_images().normalise(held_out.images))
    return (scores.argmax(dim=1) == held_out.labels).double().mean().item()


@cache
def _training_images() -> ImageSet:
    return cluttered_digits(TRAINED_ON, SEED, IMAGE[1], 1)[0]


@contextmanager
def _one_thread() -> Iterator[None]:
    """More threads would add in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

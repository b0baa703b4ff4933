"""Blends of two images and of their targets.

The papers draw one coefficient a batch; here each image has its own, which makes a batch's loss less a matter
of one draw. An image's partner is its neighbour in the batch: batches are shuffled already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from convbook.training.augment import random_boxes


@dataclass(frozen=True)
class Mixing:
    """A blend of images and targets; prints as the call that made it, which is what a record keeps."""

    blend: Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]
    name: str

    def __call__(self, images: Tensor, targets: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Blend a batch: images (B, C, H, W), targets float (B, K), one-hot or soft."""
        if not targets.is_floating_point() or targets.ndim != 2:
            raise ValueError(
                f"{self.name} needs float targets (B, K), such as F.one_hot(labels, K).float(); "
                f"got {targets.dtype} {tuple(targets.shape)}"
            )
        return self.blend(images, targets, generator)

    def __repr__(self) -> str:
        return self.name


def mixup(alpha: float = 0.2) -> Mixing:
    """Blend each image and its target with another's, pixel by pixel (Zhang et al. 2018).

    Args:
        alpha: the own share follows Beta(alpha, alpha): near 0 or 1 for small values, uniform for 1.
    """
    _above_0(alpha)

    def blend(images: Tensor, targets: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        share = beta(alpha, len(images), generator)
        pixels = torch.lerp(images.roll(1, 0), images, share.view(-1, 1, 1, 1).to(images.dtype))
        return pixels, _blend_targets(targets, share)

    return Mixing(blend, f"mixup({alpha:g})")


def cutmix(alpha: float = 1.0) -> Mixing:
    """Paste a box of another image into each; the target's shares are those of the pixels (Yun et al. 2019).

    Args:
        alpha: the share to keep follows Beta(alpha, alpha). The box has the image's proportions and a centre
            anywhere, so that a part of it may lie outside; the target counts what was pasted.
    """
    _above_0(alpha)

    def blend(images: Tensor, targets: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        height, width = images.shape[2:]
        side = (1 - beta(alpha, len(images), generator)).sqrt()
        heights, widths = (side * height).round().long(), (side * width).round().long()
        pasted = random_boxes(heights, widths, height, width, generator)
        share = 1 - pasted.float().mean(dim=(1, 2, 3))
        return torch.where(pasted, images.roll(1, 0), images), _blend_targets(targets, share)

    return Mixing(blend, f"cutmix({alpha:g})")


def beta(alpha: float, n: int, generator: Generator) -> Tensor:
    """``n`` draws from Beta(alpha, alpha), float32, on the generator's device."""
    # torch.distributions.Beta draws so too, but takes no generator: a Dirichlet of two parts is a Beta.
    both = torch.full((n, 2), alpha, device=generator.device)
    return torch._sample_dirichlet(both, generator)[:, 0]


def _blend_targets(targets: Tensor, share: Tensor) -> Tensor:
    """Each target keeps ``share`` (B,) of its mass; the rest is the partner's."""
    return torch.lerp(targets.roll(1, 0), targets, share[:, None].to(targets.dtype))


def _above_0(alpha: float) -> None:
    if not alpha > 0:
        raise ValueError(f"alpha must be above 0; got {alpha}")

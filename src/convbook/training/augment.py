"""Augmentation on the device: a batch at a time, with a change of its own for every image.

torchvision's transforms draw one change for a whole batch, or go image by image through a loader. Here each
image gets its own numbers and the batch is still one gather or one resampling. Images come in as (N, C, H, W)
on the scale 0 to 255, uint8 or float, and leave on the same scale; what moves in from outside is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augmentation:
    """A change of images; prints as the call that made it, which is what a record keeps."""

    change: Callable[[Tensor, Generator], Tensor]
    name: str

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Change a batch, drawing from ``generator``."""
        return self.change(images, generator)

    def __repr__(self) -> str:
        return self.name


def shift(max_shift: int) -> Augmentation:
    """Move each image by up to ``max_shift`` whole pixels along both axes."""
    _not_negative(max_shift=max_shift)
    return Augmentation(lambda images, g: _crop(images, max_shift, False, g), f"shift({max_shift})")


def crop_flip(pad: int = 4) -> Augmentation:
    """Pad by ``pad``, crop at random back to the size, and mirror every other image (by chance)."""
    _not_negative(pad=pad)
    return Augmentation(lambda images, g: _crop(images, pad, True, g), f"crop_flip({pad})")


def affine(
    degrees: float = 10.0, scale: float = 0.1, shear: float = 0.1, translate: float = 0.1
) -> Augmentation:
    """Turn, stretch, slant and move each image.

    Args:
        degrees: largest turn, either way.
        scale: largest change of size: between ``1 - scale`` and ``1 + scale``, each axis for itself.
        shear: largest slant, in pixels sideways a pixel of height.
        translate: largest move, as a share of the side.
    """
    _not_negative(degrees=degrees, scale=scale, shear=shear, translate=translate)
    if scale >= 1:
        raise ValueError(f"scale must be below 1; got {scale}")

    def change(images: Tensor, generator: Generator) -> Tensor:
        n = len(images)
        angle = _uniform(n, math.radians(degrees), images, generator)
        zoom_x, zoom_y = (1 + _uniform(n, scale, images, generator) for _ in range(2))
        slant = _uniform(n, shear, images, generator)
        # affine_grid maps where a pixel lands to where it is fetched, in units of half a side.
        move_x, move_y = (_uniform(n, 2 * translate, images, generator) for _ in range(2))
        cos, sin = angle.cos(), angle.sin()
        top = torch.stack([cos / zoom_x, -sin / zoom_y + slant, move_x], dim=1)
        bottom = torch.stack([sin / zoom_x, cos / zoom_y, move_y], dim=1)
        grid = F.affine_grid(torch.stack([top, bottom], dim=1), list(images.shape), align_corners=False)
        return F.grid_sample(images.float(), grid, align_corners=False)

    return Augmentation(change, f"affine({degrees:g}, {scale:g}, {shear:g}, {translate:g})")


def elastic(strength: float = 1.5, smoothness: float = 4.0) -> Augmentation:
    """Bend each image by a smooth random field (Simard et al. 2003, section 2).

    Args:
        strength: typical displacement in pixels (the field's root mean square along each axis).
        smoothness: standard deviation in pixels of the Gaussian that smooths the field.
    """
    _not_negative(strength=strength)
    if not smoothness > 0:
        raise ValueError(f"smoothness must be above 0; got {smoothness}")

    def change(images: Tensor, generator: Generator) -> Tensor:
        n, _, height, width = images.shape
        reach = math.ceil(3 * smoothness)
        offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=torch.float32)
        kernel = torch.exp(-offsets.square() / (2 * smoothness**2))
        kernel = kernel / kernel.square().sum().sqrt()  # keeps the variance of white noise
        noise = torch.randn(
            n * 2, 1, height + 2 * reach, width + 2 * reach, generator=generator, device=images.device
        )
        field = F.conv2d(F.conv2d(noise, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
        pixels = field.view(n, 2, height, width).permute(0, 2, 3, 1) * strength  # (N, H, W, 2), x then y
        half = torch.tensor([width / 2, height / 2], device=images.device)
        identity = torch.eye(2, 3, device=images.device).expand(n, 2, 3)
        grid = F.affine_grid(identity, list(images.shape), align_corners=False)
        return F.grid_sample(images.float(), grid + pixels / half, align_corners=False)

    return Augmentation(change, f"elastic({strength:g}, {smoothness:g})")


def compose(*steps: Callable[[Tensor, Generator], Tensor]) -> Augmentation:
    """One augmentation after the other."""

    def change(images: Tensor, generator: Generator) -> Tensor:
        for step in steps:
            images = step(images, generator)
        return images

    return Augmentation(change, f"compose({', '.join(map(repr, steps))})")


def _crop(images: Tensor, pad: int, flip: bool, generator: Generator) -> Tensor:
    """A window of each padded image at a place of its own, mirrored or not: one gather for the batch."""
    n, _, height, width = images.shape
    device = images.device
    top, left = torch.randint(0, 2 * pad + 1, (2, n, 1), generator=generator, device=device)
    rows = top + torch.arange(height, device=device)  # (N, H)
    columns = left + torch.arange(width, device=device)  # (N, W)
    if flip:
        mirrored = torch.rand(n, 1, generator=generator, device=device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(images, (pad, pad, pad, pad))
    which = torch.arange(n, device=device)
    windows = padded[which[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (N, H, W, C)
    return windows.permute(0, 3, 1, 2)


def _uniform(n: int, bound: float, like: Tensor, generator: Generator) -> Tensor:
    """``n`` numbers between -bound and bound."""
    return (2 * torch.rand(n, generator=generator, device=like.device) - 1) * bound


def _not_negative(**values: float) -> None:
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name} must be 0 or more; got {value}")

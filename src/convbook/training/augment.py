"""Augmentation on the device: a batch at a time, with a change of its own for every image.

torchvision's transforms draw one change for a whole batch, or go image by image through a loader. Here each
image gets its own numbers and the batch is still one gather or one resampling. Images come in as (N, C, H, W)
on the scale 0 to 255, uint8 or float, and leave on the same scale: bytes stay bytes, except where pixels are
resampled (``affine``, ``elastic``). Nothing here makes the CPU wait for a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from convbook.training.windows import random_windows


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
    """Move each image by up to ``max_shift`` whole pixels along both axes; what moves in is 0."""
    _not_negative(max_shift=max_shift)
    return Augmentation(
        lambda images, g: random_windows(images, max_shift, "constant", False, g), f"shift({max_shift})"
    )


def crop_flip(pad: int = 4, mode: str = "reflect") -> Augmentation:
    """Pad by ``pad``, crop at random back to the size, and mirror every other image (by chance).

    Args:
        pad: pixels added on each side, below the images' sides if reflected.
        mode: "reflect" continues the image beyond its edge by its mirror image; "constant" by 0.
    """
    _not_negative(pad=pad)
    if mode not in ("reflect", "constant"):
        raise ValueError(f'mode must be "reflect" or "constant"; got {mode!r}')
    name = f"crop_flip({pad})" if mode == "reflect" else f'crop_flip({pad}, "{mode}")'
    return Augmentation(lambda images, g: random_windows(images, pad, mode, True, g), name)


def flip() -> Augmentation:
    """Mirror every other image (by chance), left to right."""
    return Augmentation(lambda images, g: random_windows(images, 0, "reflect", True, g), "flip()")


def cutout(size: int, fill: float = 128) -> Augmentation:
    """Paint a square over each image (DeVries & Taylor 2017).

    The square's centre may be any pixel, so that a part of the square may lie outside of the image. The paper
    fills it with the data's mean; raw images do not know that, so ``fill`` is a grey near photographs' mean.

    Args:
        size: the square's side in pixels.
        fill: the value of every channel inside; for black drawings' background take 0.
    """
    _not_negative(size=size)
    if not 0 <= fill <= 255:
        raise ValueError(f"fill is a pixel's value from 0 to 255; got {fill}")

    def change(images: Tensor, generator: Generator) -> Tensor:
        n, _, height, width = images.shape
        sides = torch.full((n,), size, device=images.device)
        covered = random_boxes(sides, sides, height, width, generator)
        return images.masked_fill(covered, fill)

    return Augmentation(change, f"cutout({size})" if fill == 128 else f"cutout({size}, {fill:g})")


def colour(brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2) -> Augmentation:
    """Change each image's brightness, then its contrast, then its saturation.

    Each strength s gives a factor between ``1 - s`` and ``1 + s``, and never below 0: the image is moved away
    from (or towards) black, its mean grey, and its own grey version. Images of one channel have no colour to
    saturate.
    """
    _not_negative(brightness=brightness, contrast=contrast, saturation=saturation)

    def change(images: Tensor, generator: Generator) -> Tensor:
        def factor(strength: float) -> Tensor:
            return (1 + _uniform(len(images), strength, images, generator)).clamp(min=0).view(-1, 1, 1, 1)

        pixels = (images.float() * factor(brightness)).clamp(0, 255)
        mean = grey(pixels).mean(dim=(2, 3), keepdim=True)
        pixels = torch.lerp(mean, pixels, factor(contrast)).clamp(0, 255)
        pixels = torch.lerp(grey(pixels), pixels, factor(saturation)).clamp(0, 255)
        return pixels if images.is_floating_point() else pixels.round().to(images.dtype)

    return Augmentation(change, f"colour({brightness:g}, {contrast:g}, {saturation:g})")


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


def grey(images: Tensor) -> Tensor:
    """Luma, (N, 1, H, W), of float images (N, 3, H, W) by ITU-R BT.601's weights; one channel stays so."""
    if images.shape[1] == 1:
        return images
    if images.shape[1] != 3:
        raise ValueError(f"colour needs images of 1 or 3 channels; got {images.shape[1]}")
    red, green, blue = images.split(1, dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def random_boxes(heights: Tensor, widths: Tensor, height: int, width: int, generator: Generator) -> Tensor:
    """Boxes of the sides given, (N,) each, around random pixels: bool, (N, 1, height, width), True inside."""
    n, device = len(heights), heights.device

    def span(sides: Tensor, length: int) -> Tensor:
        centre = torch.randint(0, length, (n,), generator=generator, device=device)
        start = (centre - sides // 2)[:, None]
        place = torch.arange(length, device=device)
        return (place >= start) & (place < start + sides[:, None])

    return (span(heights, height)[:, :, None] & span(widths, width)[:, None, :])[:, None]


def _uniform(n: int, bound: float, like: Tensor, generator: Generator) -> Tensor:
    """``n`` numbers between -bound and bound."""
    return (2 * torch.rand(n, generator=generator, device=like.device) - 1) * bound


def _not_negative(**values: float) -> None:
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name} must be 0 or more; got {value}")

"""Random windows of padded images, the heart of cropping and mirroring.

A GPU gathers pixel by pixel. A CPU copies runs of bytes far faster than single pixels, so there each row of
an image is laid beside its mirror image, and a row of a window is one run of that strip. Both ways give the
same images for the same draws.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


def random_windows(images: Tensor, pad: int, mode: str, flip: bool, generator: Generator) -> Tensor:
    """Mirror every other image (if ``flip``), pad all, and cut a window of the old size out of each.

    Args:
        images: (N, C, H, W), any type.
        pad: pixels added on each side.
        mode: "reflect" or "constant", which is 0.
        flip: whether an image is mirrored by chance.
        generator: the source of randomness, on the images' device.

    Returns:
        (N, C, H, W) of the images' type, channels-last.

    Raises:
        ValueError: a reflection needs ``pad`` below the height and width.
    """
    n, _, height, width = images.shape
    if mode == "reflect" and pad >= min(height, width):
        raise ValueError(
            f"an image of {height}x{width} can be reflected by less than its sides; got pad={pad}"
        )
    top, left = torch.randint(0, 2 * pad + 1, (2, n), generator=generator, device=images.device)
    mirrored = torch.rand(n, generator=generator, device=images.device) < 0.5 if flip else None
    windows = windows_by_row if images.device.type == "cpu" else windows_by_pixel
    return windows(images, top, left, mirrored, pad, mode)


def windows_by_pixel(
    images: Tensor, top: Tensor, left: Tensor, mirrored: Tensor | None, pad: int, mode: str
) -> Tensor:
    """The windows at ``top``, ``left`` (N,) of the padded images, by one gather of pixels."""
    n, _, height, width = images.shape
    device = images.device
    rows = top[:, None] + torch.arange(height, device=device)  # (N, H)
    columns = left[:, None] + torch.arange(width, device=device)  # (N, W)
    if mode == "constant":
        images = F.pad(images, (pad, pad, pad, pad))
    else:
        rows, columns = _reflect(rows - pad, height), _reflect(columns - pad, width)
    if mirrored is not None:
        columns = torch.where(mirrored[:, None], images.shape[3] - 1 - columns, columns)
    which = torch.arange(n, device=device)[:, None, None]
    return _nhwc(images)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def windows_by_row(
    images: Tensor, top: Tensor, left: Tensor, mirrored: Tensor | None, pad: int, mode: str
) -> Tensor:
    """The same windows, by copying each row of a window whole."""
    n, channels, height, width = images.shape
    rows = top[:, None] + torch.arange(height)  # (N, H)
    if mode == "constant":
        images = F.pad(images, (pad, pad, pad, pad))
        strip, to_mirror = _nhwc(images), images.shape[3]
        if mirrored is not None:
            strip = torch.cat([strip, _nhwc(images.flip(3))], dim=2)
    else:
        rows = _reflect(rows - pad, height)
        # A reflected row goes on as its mirror image, that as the row again: the period is 2 (width - 1).
        there, back = _nhwc(images), _nhwc(images.flip(3))
        strip = torch.cat(
            [back[:, :, width - 1 - pad : -1], there, back[:, :, 1:], there[:, :, 1 : pad + 1]], dim=2
        )
        to_mirror = width - 1
    tall, long = strip.shape[1:3]
    count = max(n * tall * long - width + 1, 0)  # runs that start at each pixel; none if there is no image
    runs = strip.as_strided((count, width * channels), (channels, 1))
    first = torch.arange(n) * (tall * long) + left
    if mirrored is not None:
        first += mirrored * to_mirror
    starts = first[:, None] + rows * long  # (N, H), in pixels
    return runs.index_select(0, starts.flatten()).view(n, height, width, channels).permute(0, 3, 1, 2)


def _nhwc(images: Tensor) -> Tensor:
    return images.permute(0, 2, 3, 1).contiguous()


def _reflect(places: Tensor, length: int) -> Tensor:
    """Places below 0 or from ``length`` on, thrown back from the first and last pixel."""
    last = length - 1
    return last - (last - places.abs()).abs()

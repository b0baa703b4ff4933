"""Figures made of images: pictures, filters, feature maps, gates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from convbook.plots.style import MAX_WIDTH, STYLE, clear_ticks, new_figure


def image_grid(
    images: Tensor | Sequence[Any],
    titles: Sequence[str] | None = None,
    columns: int = 8,
    *,
    size: float = 0.85,
) -> Figure:
    """Images in rows.

    Args:
        images: (N, C, H, W), or a sequence of (C, H, W) or (H, W); uint8, or floats. Floats outside [0, 1]
            are stretched to it together, so that brightness stays comparable.
        titles: one for each image.
        columns: images a row, at most.
        size: inches a side of one image; made smaller where a row would be too wide.
    """
    pictures = _pictures(images)
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"{len(titles)} titles for {len(pictures)} images")
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    side = min(size, MAX_WIDTH / columns)
    tallest = max(p.shape[0] / p.shape[1] for p in pictures)
    lines = max((t.count("\n") + 1 for t in titles), default=0) if titles else 0
    height = rows * (side * tallest + 0.19 * lines + 0.06)
    figure, grid = new_figure(rows, columns, width=columns * side, height=height)
    with matplotlib.rc_context(STYLE):
        for i, axes in enumerate(np.atleast_1d(grid).flat):
            clear_ticks(axes)
            if i < len(pictures):
                _draw(axes, pictures[i])
                if titles is not None:
                    axes.set_title(titles[i], loc="center", fontsize=10, pad=3)
    return figure


def filters(weight: Tensor, maximum: int = 64, columns: int = 8) -> Figure:
    """The kernels of a convolution.

    Args:
        weight: (out, in, kh, kw). Three inputs are drawn as colours, one as grey. With more, each row is one
            kernel and shows its first inputs. Mid-grey is zero, dark negative, light positive.
        maximum: pictures drawn, at most.
        columns: pictures a row.
    """
    w = weight.detach().float().cpu()
    if w.dim() != 4:
        raise ValueError(
            f"filters wants a convolution's weight (out, in, kh, kw), not shape {tuple(w.shape)}"
        )
    bound = float(w.abs().max()) or 1.0
    w = w / (2 * bound) + 0.5  # zero at one half
    if w.shape[1] in (1, 3):
        tiles = w[:maximum]
    else:
        shown = w[: max(1, maximum // min(columns, w.shape[1])), :columns]
        columns = shown.shape[1]
        tiles = shown.flatten(0, 1).unsqueeze(1)
    return image_grid(list(tiles), columns=columns, size=0.62)


def feature_maps(tensor: Tensor, maximum: int = 16, columns: int = 8, *, titles: bool = True) -> Figure:
    """The channels of one image's feature map on one brightness scale, with its colour bar.

    Args:
        tensor: (C, H, W) or (1, C, H, W).
        maximum: channels drawn, at most.
        columns: channels a row.
        titles: write each channel's number above it.
    """
    maps = tensor.detach().float().cpu()
    if maps.dim() == 4 and maps.shape[0] == 1:
        maps = maps[0]
    if maps.dim() != 3:
        raise ValueError(f"feature_maps wants one image's (C, H, W), not shape {tuple(tensor.shape)}")
    maps = maps[:maximum]
    columns = min(columns, len(maps))
    rows = math.ceil(len(maps) / columns)
    side = min(0.85, (MAX_WIDTH - 0.9) / columns)
    aspect = maps.shape[1] / maps.shape[2]
    height = max(1.3, rows * (side * aspect + (0.25 if titles else 0.06)))
    figure, grid = new_figure(rows, columns, width=columns * side + 0.9, height=height)
    low, high = float(maps.min()), float(maps.max())
    with matplotlib.rc_context(STYLE):
        for i, axes in enumerate(np.atleast_1d(grid).flat):
            clear_ticks(axes)
            if i < len(maps):
                drawn = axes.imshow(maps[i].numpy(), vmin=low, vmax=high)
                if titles:
                    axes.set_title(str(i), loc="center", fontsize=10, pad=2)
        _color_bar(figure, drawn, grid, "activation")
    return figure


def overlay(
    images: Tensor | Sequence[Any],
    maps: Tensor | Sequence[Tensor],
    titles: Sequence[str] | None = None,
    *,
    label: str = "attention",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Where a map looks: the image above, and below it the image in grey with the map laid over it.

    Args:
        images: one image (C, H, W) or several, as for ``image_grid``.
        maps: for each image a map (h, w) or (1, h, w), stretched bilinearly to the image's size.
        titles: one for each image.
        label: what the colours mean.
        limits: values at the ends of the colour scale; the smallest and largest value if not given.
    """
    if isinstance(images, Tensor) and images.dim() <= 3:
        images = [images]
        maps = maps if isinstance(maps, Tensor) and maps.dim() == 4 else [maps]  # type: ignore[list-item]
    pictures = _pictures(images)
    heat = [m.detach().float().cpu().reshape(m.shape[-2:]) for m in maps]
    if len(heat) != len(pictures):
        raise ValueError(f"{len(heat)} maps for {len(pictures)} images")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"{len(titles)} titles for {len(pictures)} images")
    low, high = limits or (min(float(m.min()) for m in heat), max(float(m.max()) for m in heat))
    n = len(pictures)
    side = min(1.7, (MAX_WIDTH - 0.9) / n)
    tallest = max(p.shape[0] / p.shape[1] for p in pictures)
    figure, grid = new_figure(
        2, n, width=n * side + 0.9, height=2 * side * tallest + (0.3 if titles else 0.1)
    )
    grid = np.asarray(grid).reshape(2, n)
    with matplotlib.rc_context(STYLE):
        for i, (image, attention) in enumerate(zip(pictures, heat, strict=True)):
            for axes in grid[:, i]:
                clear_ticks(axes)
            _draw(grid[0, i], image)
            grey = image @ np.array([0.299, 0.587, 0.114]) if image.ndim == 3 else image
            _draw(grid[1, i], grey)
            fine = F.interpolate(attention[None, None], size=grey.shape, mode="bilinear", align_corners=False)
            drawn = grid[1, i].imshow(fine[0, 0].numpy(), vmin=low, vmax=high, alpha=0.6)
            if titles is not None:
                grid[0, i].set_title(titles[i], loc="center", fontsize=10, pad=3)
        _color_bar(figure, drawn, grid, label)
    return figure


def gate_heatmap(
    gates: Tensor,
    rows: Sequence[str] | None = None,
    *,
    row_label: str = "",
    column_label: str = "channel",
    limits: tuple[float, float] | None = (0.0, 1.0),
    label: str = "gate",
    sort: bool = False,
) -> Figure:
    """Gate values as a heat map.

    Args:
        gates: (rows, channels), for instance the mean gate of each class; (N, C, 1, 1) is flattened.
        rows: a name for each row.
        row_label: what the rows are.
        column_label: what the columns are.
        limits: values at the ends of the scale; None takes the data's.
        label: what the colours mean.
        sort: order the channels by their mean over the rows.
    """
    values = gates.detach().float().cpu()
    values = values.flatten(1) if values.dim() > 1 else values.unsqueeze(0)
    if rows is not None and len(rows) != len(values):
        raise ValueError(f"{len(rows)} row names for {len(values)} rows of gates")
    if sort:
        values = values[:, values.mean(0).argsort(descending=True)]
    low, high = limits or (float(values.min()), float(values.max()))
    figure, axes = new_figure(height=min(5.5, 0.9 + 0.24 * len(values)) if len(values) > 3 else 1.7)
    with matplotlib.rc_context(STYLE):
        drawn = axes.imshow(values.numpy(), vmin=low, vmax=high, aspect="auto", interpolation="nearest")
        axes.set_xlabel(column_label + (", sorted" if sort else ""))
        axes.set_ylabel(row_label)
        if rows is not None:
            axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        _color_bar(figure, drawn, axes, label)
    return figure


def _pictures(images: Tensor | Sequence[Any]) -> list[np.ndarray]:
    """Arrays (H, W) or (H, W, 3) in [0, 1]."""
    arrays = [
        torch.as_tensor(np.asarray(i) if not isinstance(i, Tensor) else i).detach().cpu() for i in images
    ]
    if not arrays:
        raise ValueError("no images to show")
    for a in arrays:
        if a.dim() not in (2, 3) or (a.dim() == 3 and a.shape[0] not in (1, 3)):
            raise ValueError(f"an image is (H, W), (1, H, W) or (3, H, W), not {tuple(a.shape)}")
    floats = [a.float() / 255 if a.dtype == torch.uint8 else a.float() for a in arrays]
    low, high = min(float(a.min()) for a in floats), max(float(a.max()) for a in floats)
    if low < 0 or high > 1:
        floats = [(a - low) / (high - low or 1.0) for a in floats]
    return [
        (a.permute(1, 2, 0) if a.dim() == 3 and a.shape[0] == 3 else a.reshape(a.shape[-2:])).numpy()
        for a in floats
    ]


def _draw(axes: Any, image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1)


def _color_bar(figure: Figure, drawn: Any, axes: Any, label: str) -> None:
    bar = figure.colorbar(drawn, ax=axes, fraction=0.08, aspect=14, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, labelsize=10)
    bar.set_label(label)

"""The map of networks: year, error and size in one figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convbook.plots.style import INK, MAX_WIDTH, PALETTE, STYLE, new_figure, short_number

Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels
GAP = 8  # pixels between a label and its neighbour
Place = tuple[int, Box]  # how far from its disc, and where


def timeline(
    networks: Iterable[Mapping[str, Any]], size: str = "params", *, ylabel: str = "top-1 error (%)"
) -> Figure:
    """Networks by year (x) and error (y), with a disc whose area is in proportion to their size.

    Args:
        networks: dicts with ``name``, ``year``, ``top1_error`` (per cent, or None: left out), ``params`` and
            ``macs``, as ``convbook.claims.networks()`` gives them. More than three of one year are drawn left
            and right of it by turns.
        size: what the area shows, ``"params"`` or ``"macs"``.
        ylabel: names the error and its protocol.
    """
    if size not in ("params", "macs"):
        raise ValueError(f"size is 'params' or 'macs', not {size!r}")
    drawn = [n for n in networks if n.get("top1_error") is not None and n.get(size)]
    if not drawn:
        raise ValueError(f"no network has both an error and {size}")
    drawn.sort(key=lambda n: -n[size])  # small discs on top of large ones
    largest = max(n[size] for n in drawn)
    x = _staggered(drawn)
    y = [float(n["top1_error"]) for n in drawn]
    areas = [700 * n[size] / largest for n in drawn]  # square points
    figure, axes = new_figure(width=MAX_WIDTH, height=min(7.5, max(4.2, 2.4 + 0.22 * len(drawn))))
    with matplotlib.rc_context(STYLE):
        axes.scatter(x, y, s=areas, color=PALETTE[0], alpha=0.35, linewidths=1, edgecolors=PALETTE[0])
        axes.scatter(x, y, s=6, color=INK)
        axes.set_xlim(min(x) - 0.6, max(x) + 1.6)
        axes.margins(y=0.14)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.set_ylabel(ylabel)
        axes.grid(axis="y")
        words = "parameters" if size == "params" else "multiply-accumulates"
        axes.set_title(f"area: {words} (largest {short_number(largest)})", fontsize=10)
        _place_labels(figure, axes, [str(n["name"]) for n in drawn], x, y, areas)
    return figure


def _staggered(networks: list[Mapping[str, Any]]) -> list[float]:
    """Years, with the networks of a crowded one moved a quarter left and right by turns, by error."""
    x = [float(n["year"]) for n in networks]
    for year in set(x):
        same = sorted((i for i, at in enumerate(x) if at == year), key=lambda i: networks[i]["top1_error"])
        if len(same) > 3:
            for rank, i in enumerate(same):
                x[i] += 0.25 if rank % 2 else -0.25
    return x


def _place_labels(
    figure: Figure, axes: Axes, names: list[str], x: list[float], y: list[float], areas: list[float]
) -> None:
    """Put each name at the nearest free place around its disc, with a hair line where it had to go far."""
    figure.draw_without_rendering()
    scale = figure.dpi / 72
    centres = [tuple(axes.transData.transform(p)) for p in zip(x, y, strict=True)]
    radii = [math.sqrt(a / math.pi) * scale for a in areas]
    extent = axes.get_window_extent()
    frame = (extent.x0, extent.y0, extent.x1, extent.y1)
    discs = [(cx - r, cy - r, cx + r, cy + r) for (cx, cy), r in zip(centres, radii, strict=True)]
    taken: list[Box] = [(cx - 4, cy - 4, cx + 4, cy + 4) for cx, cy in centres]
    for i in sorted(range(len(names)), key=lambda i: -y[i]):
        text = axes.text(0, 0, names[i], fontsize=10, color=INK)
        box = text.get_window_extent()
        text.remove()
        cx, cy = centres[i]
        places = _places(cx, cy, radii[i], box.width + GAP, box.height)
        ring, best = min(places, key=lambda place: _cost(place, taken, discs, frame))
        taken.append(best)
        offset = (((best[0] + best[2]) / 2 - cx) / scale, ((best[1] + best[3]) / 2 - cy) / scale)
        line = {"arrowstyle": "-", "color": INK, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            names[i],
            (x[i], y[i]),
            offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=10,
            arrowprops=line if ring else None,
        )


def _places(cx: float, cy: float, radius: float, w: float, h: float) -> list[Place]:
    """Boxes of size (w, h) around a disc, on rings from near to far."""
    places = []
    for ring in range(7):
        reach = radius + 5 + 11 * ring
        for angle in (0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202):
            left = cx + math.cos(math.radians(angle)) * (reach + w / 2) - w / 2
            bottom = cy + math.sin(math.radians(angle)) * (reach + h / 2) - h / 2
            places.append((ring, (left, bottom, left + w, bottom + h)))
    return places


def _cost(place: Place, taken: list[Box], discs: list[Box], frame: Box) -> float:
    """Covering another label or leaving the axes is worst, covering a disc is bad, distance is a pity."""
    ring, box = place
    outside = (box[2] - box[0]) * (box[3] - box[1]) - _common(box, frame)
    covered = sum(_common(box, other) for other in taken)
    return 100 * (outside + covered) + sum(_common(box, disc) for disc in discs) + 60 * ring


def _common(a: Box, b: Box) -> float:
    """Area that two boxes (left, bottom, right, top) share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))

"""The one look of every figure: thin axes, dark text, colours that survive colour blindness and grey."""

from __future__ import annotations

import math
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Darkened Okabe-Ito hues: each contrasts with white by at least 4.5 to 1, so that labels may carry them too.
PALETTE = ("#0072B2", "#B84A00", "#007A5A", "#9A4786", "#7D6200", "#4D4D4D")
# Colour alone never tells two series apart: in print they keep their marker and line.
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 1)))
INK, FAINT = "#333333", "#8C8C8C"

WIDTH = 5.4  # inches: scaled to a phone's 350 pixels, 11 point text is still 10 pixels high
MAX_WIDTH = 6.4

STYLE: Any = {
    "figure.figsize": (WIDTH, 3.3),
    "figure.dpi": 96,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same metrics on every machine
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=PALETTE, marker=MARKERS, linestyle=LINES),
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
    "svg.fonttype": "path",  # looks the same where the font is missing
    "svg.hashsalt": "convbook",  # the same figure gives the same bytes
}


def use_style() -> None:
    """Give figures made with plain matplotlib the book's look. Chooses no backend."""
    matplotlib.rcParams.update(STYLE)


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = WIDTH, height: float = 3.3
) -> tuple[Figure, Any]:
    """A styled figure with its axes, like ``plt.subplots`` but never shown by itself.

    Args:
        rows: rows of axes.
        columns: columns of axes.
        width: inches, at most 6.4.
        height: inches.

    Returns:
        The figure, and one ``Axes`` or an array of them.
    """
    if width > MAX_WIDTH:
        raise ValueError(f"a figure {width} inches wide is unreadable on a phone: use at most {MAX_WIDTH}")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns)


def series_style(index: int) -> dict[str, Any]:
    """Colour, marker and line of the ``index``-th series."""
    i = index % len(PALETTE)
    return {"color": PALETTE[i], "marker": MARKERS[i], "linestyle": LINES[i]}


def spread(values: list[float], gap: float, low: float = -math.inf) -> list[float]:
    """Move values, as little as needed, until neighbours are ``gap`` apart and above ``low``; order stays."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    groups: list[list[int]] = []  # runs of labels that touch, each centred on the mean of its members
    centres: list[float] = []
    for i in order:
        groups.append([i])
        centres.append(values[i])
        while len(groups) > 1:
            reach = (len(groups[-1]) + len(groups[-2])) * gap / 2
            if centres[-1] - centres[-2] >= reach:
                break
            merged = groups[-2] + groups[-1]
            groups[-2:] = [merged]
            centres[-2:] = [sum(values[j] for j in merged) / len(merged)]
    placed = list(values)
    for group, centre in zip(groups, centres, strict=True):
        for rank, i in enumerate(group):
            placed[i] = centre + (rank - (len(group) - 1) / 2) * gap
    floor = low
    for i in order:
        placed[i] = max(placed[i], floor)
        floor = placed[i] + gap
    return placed


def short_number(value: float) -> str:
    """1,516 -> '1.52 k', 25,028,904 -> '25.0 M': three digits and a unit."""
    for size, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:#.3g}".rstrip(".") + unit
    return f"{value:.4g}"


def clear_ticks(axes: Axes) -> None:
    """A picture needs no coordinates."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)

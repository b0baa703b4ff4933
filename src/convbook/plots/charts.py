"""Lines, bars and intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from convbook.plots.style import FAINT, INK, LINES, MARKERS, PALETTE, STYLE, new_figure, short_number, spread

# The 97.5 % quantile of Student's t for 1, 2, ... degrees of freedom: seeds are few, and SciPy is heavy.
_T975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
_NAMES = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "train_accuracy": "training accuracy",
    "val_accuracy": "validation accuracy",
    "lr": "learning rate",
    "seconds": "seconds",
    "params": "parameters",
    "macs": "multiply-accumulates",
    "activations": "activations",
}


def curves(
    histories: Mapping[str, Any],
    quantity: str | Sequence[str] = "val_accuracy",
    *,
    ylabel: str | None = None,
    ylim: tuple[float, float] | None = None,
    log: bool = False,
) -> Figure:
    """Training curves over epochs, each named at its right end.

    Args:
        histories: label -> ``History`` (anything with ``column(name)``), or label -> values, one an epoch.
        quantity: column to draw; two columns are drawn solid and dotted in the same colour.
        ylabel: y axis; by default the quantity's name. Accuracies are drawn in per cent.
        ylim: limits of the y axis, in its units.
        log: logarithmic y axis.
    """
    quantities = [quantity] if isinstance(quantity, str) else list(quantity)
    if not histories or not quantities:
        raise ValueError("no curves to draw: give at least one history and one quantity")
    figure, axes = new_figure()
    ends: list[tuple[float, float, str, str]] = []
    with matplotlib.rc_context(STYLE):
        for i, (label, history) in enumerate(histories.items()):
            for j, name in enumerate(quantities):
                y = _column(history, name, label)
                x = list(range(1, len(y) + 1))
                line = LINES[i % len(LINES)] if len(quantities) == 1 else ("-", ":")[j % 2]
                color = PALETTE[i % len(PALETTE)]
                every = max(1, len(y) // 12)
                axes.plot(
                    x, y, color=color, linestyle=line, marker=MARKERS[i % len(MARKERS)], markevery=every
                )
                words = [label] if len(histories) > 1 or len(quantities) == 1 else []
                if len(quantities) > 1:
                    words.append(_NAMES.get(name, name).removesuffix(" loss").removesuffix(" accuracy"))
                ends.append((x[-1], y[-1], ", ".join(words), color))
        axes.set_xlabel("epoch")
        first = _NAMES.get(quantities[0], quantities[0])
        kinds = {q.split("_")[-1] for q in quantities}
        name = first if len(quantities) == 1 else kinds.pop() if len(kinds) == 1 else ""
        axes.set_ylabel(ylabel or name + (" (%)" if _percent(quantities[0]) else ""))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.grid(axis="y")
        if log:
            axes.set_yscale("log")
        if ylim:
            axes.set_ylim(*ylim)
        _label_ends(figure, axes, ends)
    return figure


def layer_bars(profile: Any, quantity: str = "macs", *, depth: int | None = None, title: str = "") -> Figure:
    """Where a network spends: one bar a layer, or a module where that would be too many bars.

    Args:
        profile: a ``convbook.profile.Profile``.
        quantity: ``"params"``, ``"macs"`` or ``"activations"``.
        depth: how many parts of a layer's name to keep; by default the most that gives at most 24 bars.
        title: a title on the left.
    """
    rows = [(row.name, float(getattr(row, quantity))) for row in profile.rows]
    parts = max((name.count(".") + 1 for name, _ in rows), default=1)
    depths = [depth] if depth is not None else range(parts, 0, -1)
    for kept in depths:
        sums: dict[str, float] = {}
        for name, value in rows:
            if value:
                short = ".".join(name.split(".")[:kept])
                sums[short] = sums.get(short, 0) + value
        if len(sums) <= 24:
            break
    if not sums:
        raise ValueError(f"no layer has any {_NAMES.get(quantity, quantity)}")
    names, values = list(sums), list(sums.values())
    figure, axes = new_figure(height=min(7.5, 0.8 + 0.25 * len(names)))
    with matplotlib.rc_context(STYLE):
        bars = axes.barh(range(len(names)), values, color=PALETTE[0], height=0.7)
        total = sum(values)
        texts = [
            f"{short_number(v)}  {v / total:.0%}" if v / total >= 0.005 else short_number(v) for v in values
        ]
        axes.bar_label(bars, texts, padding=4, fontsize=10)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.margins(x=0.28, y=0.02)
        axes.tick_params(axis="y", length=0)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.set_xlabel(f"{_NAMES.get(quantity, quantity)} (total {short_number(total)})")
        if title:
            axes.set_title(title)
    return figure


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half width of its 95 % confidence interval (Student's t); for one value the latter is NaN."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, math.nan
    variance = sum((v - mean) ** 2 for v in values) / (n - 1)
    # Beyond the table the quantile goes to 1.960 like 1.960 + 2.4/df.
    t = _T975[n - 2] if n - 2 < len(_T975) else 1.960 + 2.4 / (n - 1)
    return mean, t * math.sqrt(variance / n)


def intervals(
    results: Mapping[str, Sequence[float]],
    baseline: str | None = None,
    *,
    xlabel: str = "",
    percent: bool = False,
) -> Figure:
    """Every seed as a dot (equal ones stacked), the mean, and its 95 % t interval.

    Args:
        results: label -> one value a seed.
        baseline: a label; the others are then drawn as differences from it, seed by seed (all in the same
            order of seeds). An interval that holds zero shows no difference.
        xlabel: what the values are.
        percent: the values are fractions, to be drawn as per cent (differences in points).

    Raises:
        ValueError: for an unknown baseline, no values, or differences of unequal numbers of seeds.
    """
    rows = {label: [float(v) * (100 if percent else 1) for v in values] for label, values in results.items()}
    empty = [label for label, values in rows.items() if not values]
    if empty or not rows:
        raise ValueError(f"no values for {', '.join(empty) or 'any label'}")
    unit = " (%)" if percent else ""
    if baseline is not None:
        if baseline not in rows:
            raise ValueError(f"baseline {baseline!r} is not among {', '.join(rows)}")
        base = rows.pop(baseline)
        for label, values in rows.items():
            if len(values) != len(base):
                raise ValueError(
                    f"{label} has {len(values)} seeds, {baseline} {len(base)}: pairs need the same seeds"
                )
        rows = {
            f"{label} − {baseline}": [v - b for v, b in zip(rows[label], base, strict=True)] for label in rows
        }
        unit = " (percentage points)" if percent else ""
        xlabel = f"difference in {xlabel}" if xlabel else "difference"
    figure, axes = new_figure(height=0.9 + 0.62 * len(rows))
    with matplotlib.rc_context(STYLE):
        if baseline is not None:
            axes.axvline(0, color=FAINT, linewidth=1, linestyle="--")
        for i, (label, values) in enumerate(rows.items()):
            color = PALETTE[i % len(PALETTE)]
            mean, half = t_interval(values)
            near = [round(value, 6) for value in values]
            stacked = [i - 0.13 * near[:at].count(value) for at, value in enumerate(near)]
            axes.plot(values, stacked, "o", color=color, alpha=0.55, markersize=6, label=label, mew=0)
            text = f"{mean:+.2f}" if baseline is not None else f"{mean:.2f}"
            if not math.isnan(half):
                axes.errorbar(
                    mean, i + 0.22, xerr=half, color=color, capsize=4, marker="D", markersize=6, linestyle=""
                )
                text += f" ± {half:.2f}"
            where = (mean, i + 0.22)
            axes.annotate(
                text, where, (0, -15), textcoords="offset points", ha="center", fontsize=10, color=INK
            )
        axes.set_yticks([i + 0.1 for i in range(len(rows))], list(rows))
        axes.set_ylim(len(rows) - 0.2, -0.4)
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.08)
        axes.grid(axis="x")
        axes.set_xlabel((xlabel + unit).strip() or "value" + unit)
    return figure


def _column(history: Any, name: str, label: str) -> list[float]:
    if isinstance(history, Sequence):
        values = history
    else:
        try:
            values = history.column(name)
        except (KeyError, AttributeError) as error:
            raise ValueError(f"{label} has no column {name!r}") from error
    if not len(values):
        raise ValueError(f"{label} has no epochs to draw")
    scale = 100.0 if _percent(name) else 1.0
    return [float(v) * scale for v in values]


def _percent(quantity: str) -> bool:
    return quantity.endswith("accuracy")


def _label_ends(figure: Figure, axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Name each line at its last point, moved apart vertically where they would touch."""
    figure.draw_without_rendering()  # fixes the limits and the size that the offsets are measured in
    right = max(x for x, *_ in ends)
    bottom = axes.get_window_extent().y0 + 5 * figure.dpi / 72
    heights = [float(axes.transData.transform((x, y))[1]) for x, y, *_ in ends]
    points = 72 / figure.dpi
    for (_, y, text, color), height, placed in zip(
        ends, heights, spread(heights, 13.5 / points, bottom), strict=True
    ):
        offset = (7, (placed - height) * points)
        axes.annotate(
            text, (right, y), offset, textcoords="offset points", va="center", color=color, fontsize=10
        )

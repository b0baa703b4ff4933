"""Figures in words, for the terminal and the page alike."""

from __future__ import annotations

import math
import statistics

from courseware.bench.figure import Figure

HEADINGS = ("what", "ours", "the other", "median (range)", "best", "target", "verdict")


def cells(figure: Figure) -> tuple[str, ...]:
    """A row under :data:`HEADINGS`."""
    if figure.missing:
        return (figure.part, "", "", "", "", target(figure), "not measured")
    low, high = min(figure.ratios), max(figure.ratios)
    spread = f" ({amount(low, figure.kind)} to {amount(high, figure.kind)})" if len(figure.ratios) > 1 else ""
    return (
        figure.part,
        cost(figure.ours, figure.unit),
        cost(figure.theirs, figure.unit),
        amount(figure.median, figure.kind) + spread,
        amount(figure.best, figure.kind) if figure.by_best else "",
        target(figure),
        figure.verdict,
    )


def target(figure: Figure) -> str:
    """The bound: "at least 2.4×"."""
    return bound(figure.target.bound, figure.target.least, figure.kind)


def bound(value: float, least: bool, kind: str) -> str:
    """A bound in words."""
    return f"{'at least' if least else 'at most'} {amount(value, kind)}"


def amount(value: float, kind: str) -> str:
    """A figure's value with its unit; an endless time is a goal that was missed."""
    if math.isinf(value):
        return "not reached" if kind == "seconds" else "no bound"
    if kind == "share":
        return f"{100 * value:.1f} %"
    if kind == "seconds":
        return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"
    if kind == "score":
        return f"{value:.0f} of 100"
    if kind == "megabytes":
        return f"{value:.2f} MB"
    return f"{value:.2f}" + ("" if kind == "exponent" else "×")


def cost(durations: list[float], unit: str) -> str:
    """The median duration; an image's is shown as images a second, a submission's as submissions a minute."""
    if not durations or not unit:
        return ""
    median = statistics.median(durations)
    if math.isinf(median):
        return "not reached"
    if unit == "s/submission":
        return f"{60 / median:.1f} a minute"
    return f"{1 / median:,.0f} images/s" if unit == "s/image" else f"{median:.1f} s"

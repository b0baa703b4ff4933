"""The page of measured runs as MyST Markdown: questions, curves, records, and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING

from convbook.plots.charts import curves, t_interval
from convbook.records import Record, load_records
from convbook.records.experiments import Experiment, Run, load_experiments, records_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A table's headings with their alignment; the column "also" is left out where it is empty.
COLUMNS = {
    "run": "---",
    "seed": "--:",
    "form": "---",
    "validation accuracy": "--:",
    "also": "---",
    "time": "--:",
    "hardware": "---",
}
Draw = Callable[[str, "Figure", str], str]  # (name, figure, alternative text) -> the image's address


def measured_markdown(draw: Draw) -> str:
    """Return the page's body: a section an experiment.

    Args:
        draw: keeps a figure and returns where the page finds it.
    """
    records = load_records()
    return "\n".join(section(experiment, records, draw) for experiment in load_experiments())


def section(experiment: Experiment, records: list[Record], draw: Draw) -> str:
    """Return one experiment: whole runs where there are some, else reduced ones, else how to run it."""
    lines = [f"## {experiment.title}", "", experiment.question, ""]
    for form, runs in (("whole", experiment.whole), ("reduced", experiment.reduced)):
        found = {run: kept for run in runs if (kept := records_of(run, records))}
        if found:
            lines += _shown(experiment, form, found, draw)
            break
    else:
        found = {}
    lines += _missing(experiment, set(found))
    return "\n".join(lines)


def _shown(experiment: Experiment, form: str, found: dict[Run, list[Record]], draw: Draw) -> list[str]:
    """A figure of the first seed's curves, then a row for each record."""
    drawn: dict[str, Record] = {}
    for run, kept in found.items():
        drawn.setdefault(run.label, kept[0])
    figure = curves(drawn, experiment.quantity)
    alt = _describe(experiment, form, drawn)
    lines = [f"![{alt}]({draw(experiment.name, figure, alt)})", ""]
    rows = [
        [
            run.label.replace("-", "\N{NON-BREAKING HYPHEN}"),
            str(record.seed),
            f"reduced: {record.reduced}" if record.reduced else f"whole: {len(record.curve)} epochs",
            f"{100 * record.final['val_accuracy']:.2f}\N{NO-BREAK SPACE}%",
            _besides(experiment, record),
            f"{record.seconds:,.0f}\N{NO-BREAK SPACE}s",
            f"{record.hardware}, {record.precision}",
        ]
        for run, kept in found.items()
        for record in kept
    ]
    columns = [name for name in COLUMNS if name != "also" or any(row[4] for row in rows)]
    lines += [f"| {' | '.join(columns)} |", f"|{'|'.join(COLUMNS[name] for name in columns)}|"]
    for row in rows:
        cells = [cell for name, cell in zip(COLUMNS, row, strict=True) if name in columns]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *_means(found)]
    commands = [run.command for run in found if run.seed == next(iter(found)).seed]
    return [*lines, ":::{dropdown} The commands (first seed)", "```sh", *commands, "```", ":::", ""]


def _means(found: dict[Run, list[Record]]) -> list[str]:
    """The mean over seeds with its interval, where a run has several."""
    by_label: dict[str, list[float]] = {}
    for run, kept in found.items():
        by_label.setdefault(run.label, []).append(fmean(100 * r.final["val_accuracy"] for r in kept))
    several = {label: values for label, values in by_label.items() if len(values) > 1}
    if not several:
        return []
    parts = []
    for label, values in several.items():
        mean, half = t_interval(values)
        parts.append(f"{label} {mean:.2f} ± {half:.2f} % ({len(values)} seeds)")
    return [f"Mean and 95 % interval of the last epoch: {'; '.join(parts)}.", ""]


def _missing(experiment: Experiment, found: set[Run]) -> list[str]:
    """One line on what has not been measured, with the command that would."""
    measured = {(run.label, run.seed) for run in found}
    whole = [run for run in experiment.whole if run not in found]
    rest = [run for run in whole if (run.label, run.seed) not in measured]
    command = f"`course records --only {experiment.name}`"
    if not found:
        return [f"Not run yet. {command} measures it{_where(experiment)}.", ""]
    if rest:
        seeds: dict[str, list[str]] = {}
        for run in rest:
            seeds.setdefault(run.label, []).append(str(run.seed))
        names = "; ".join(f"{label}, {_seeds(some)}" for label, some in seeds.items())
        return [f"Not run yet: {names}. {command} measures them{_where(experiment)}.", ""]
    if whole:
        return [f"The whole runs have not been measured: on a GPU, {command} does.", ""]
    return []


def _seeds(some: list[str]) -> str:
    """Return "seed 0", "seeds 0 and 1" or "seeds 0, 1 and 2"."""
    if len(some) == 1:
        return f"seed {some[0]}"
    return f"seeds {', '.join(some[:-1])} and {some[-1]}"


def _where(experiment: Experiment) -> str:
    if not experiment.reduced:
        return " on a machine with a GPU"
    return ": whole runs on a GPU, reduced ones without"


def _besides(experiment: Experiment, record: Record) -> str:
    """When the curve reached the target, and the figures that the record has besides its curve."""
    shown = []
    if experiment.target is not None:
        there = [row["epoch"] for row in record.curve if row[experiment.quantity] >= experiment.target]
        when = f"in epoch {there[0]:.0f}" if there else "not reached"
        shown.append(f"{100 * experiment.target:g} % {_words(experiment.quantity)}: {when}")
    for name, value in (record.figures or {}).items():
        shown.append(f"{name}: {100 * value:.2f} %" if "accuracy" in name else f"{name}: {value:g}")
    return "; ".join(shown)


def _words(quantity: str) -> str:
    """A column's name as one reads it."""
    return quantity.replace("val_", "validation ").replace("train_", "training ")


def _describe(experiment: Experiment, form: str, drawn: dict[str, Record]) -> str:
    """The figure in words."""
    ends = [
        f"{label} ends at {100 * record.final[experiment.quantity]:.1f} %" for label, record in drawn.items()
    ]
    return f"Curves of the {_words(experiment.quantity)} over epochs, {form} runs: {', '.join(ends)}."

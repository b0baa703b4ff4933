"""The book's page of benchmarks, as Markdown: the newest measurement of each figure, with what made it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from courseware.bench import grading, pages, training, usual
from courseware.bench.case import Case
from courseware.bench.figure import Figure
from courseware.bench.result import FOLDER, Result, newest
from courseware.bench.words import HEADINGS, bound, cells

DEVICES = {"cpu": "On two CPU cores", "cuda": "On one GPU"}


def benchmark_markdown(folder: Path = FOLDER) -> str:
    """Return the page's body: a section a device, grading, pages, then the loops measured against."""
    parts = []
    for device, heading in DEVICES.items():
        cases = [case for case in training.CASES if case.device == device]
        found = newest(training.SUITE, device, folder)
        parts += [f"## {heading}\n", *_section(training.SUITE, device, cases, found)]
    found = newest(grading.SUITE, "cpu", folder)
    parts += ["## Grading, on two CPU cores\n", *_section(grading.SUITE, "cpu", grading.CASES, found)]
    found = newest(pages.SUITE, "cpu", folder)
    parts += ["## The book's pages\n", *_section(pages.SUITE, "cpu", pages.CASES, found)]
    source = Path(usual.__file__).read_text(encoding="utf-8").rstrip()
    parts += [f"## What it is compared with\n\n```python\n{source}\n```\n"]
    return "\n".join(parts)


def _section(suite: str, device: str, cases: Sequence[Case], results: Sequence[Result]) -> list[str]:
    """The measured cases under the run that measured them, then what no run has measured."""
    parts = []
    titles = {case.name: case for case in cases}
    for result in results:
        measured = [each for each in result.figures if not each.missing and each.case in titles]
        if measured:
            parts += _tables(measured, titles, _circumstances(result))
    parts += _not_measured(suite, device, cases, results)
    return parts


def _circumstances(result: Result) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    source = f" Source: commit `{result.commit}`." if result.commit else ""
    return (
        f"Measured on {result.date} UTC with `{result.command}` in {result.seconds:.0f} s "
        f"on {result.hardware}; {versions}.{source}\n"
    )


def _tables(figures: Sequence[Figure], cases: dict[str, Case], measured: str) -> list[str]:
    """A table for each case; the first says how all of them were measured."""
    parts = []
    for name, group in groupby(figures, key=lambda figure: figure.case):
        rows = list(group)
        parts += [f"### {cases[name].title}\n", f"Beside it: {rows[0].against}.\n", measured]
        measured = "Measured in the same run.\n"
        lines = [HEADINGS, ("---",) * len(HEADINGS), *map(_emphasised, rows)]
        parts += ["\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"]
        notes = "; ".join(_notes(rows))
        parts += [f"Notes: {notes}.\n"] if notes else []
    return parts


def _notes(rows: Sequence[Figure]) -> list[str]:
    """Each note once, behind the names of its rows unless it is about all of them."""
    about: dict[str, list[str]] = {}
    for row in rows:
        about.setdefault(row.note, []).append(row.part)
    return [
        note if len(parts) == len(rows) else f"{', '.join(parts)}: {note}"
        for note, parts in about.items()
        if note
    ]


def _emphasised(figure: Figure) -> tuple[str, ...]:
    """What was missed must not be overlooked."""
    *others, verdict = cells(figure)
    return (*others, f"**{verdict}**" if figure.verdict == "missed" else verdict)


def _not_measured(suite: str, device: str, cases: Sequence[Case], results: Sequence[Result]) -> list[str]:
    """A list of what has no figure, with its target, the reason if one is known, and the command."""
    known = {(figure.case, figure.part): figure for result in results for figure in result.figures}
    lines = []
    for case in cases:
        aims = []
        for part, target in case.targets.items():
            figure = known.get((case.name, part))
            if figure is None or figure.missing:
                why = f" ({figure.missing})" if figure is not None else ""
                aims.append(f"{part}, {bound(target.bound, target.least, case.kind_of(part))}{why}")
        if aims:
            lines.append(f"- {case.title}, beside {case.against}. Target: {'; '.join(aims)}")
    if not lines:
        return []
    command = f"course bench {suite}" + ("" if device == "cpu" else f" --device {device}")
    return [f"**Not measured.** To measure it, run `{command}`.\n", "\n".join(lines) + "\n"]

"""The map of networks: published error, size and year of every network in the ledger."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from html import escape
from typing import Any

from convbook import claims, plots
from convbook.claims.networks import networks_on
from convbook.explore.shell import Explorable
from convbook.ideas import IDEAS, ideas_of
from convbook.models import describe, list_models
from convbook.plots.display import picture
from convbook.tables import html_table

DATA = {"imagenet": "ImageNet", "cifar10": "CIFAR-10"}


def networks(
    names: Collection[str] | None = None, chapters: Mapping[str, Mapping[str, str]] | None = None
) -> Explorable:
    """Networks by year, parameters or MACs against published error, to be sifted by the ideas in them.

    Args:
        names: the networks to show; by default all of the ledger.
        chapters: a paper's key -> ``title`` and ``href`` of the chapter on it.
    """
    points = network_points(names)
    papers = claims.load_papers()
    years = timeline(names)
    cited = {point[key] for point in points for key in ("paper", "printed_by")}
    cited |= {key for year in years for key in year["papers"]}
    used = {key: idea for key, idea in IDEAS.items() if any(key in point["ideas"] for point in points)}
    with_error = sum(point["error"] is not None for point in points)
    return Explorable(
        "networks",
        {
            "points": points,
            "papers": {key: papers[key].short for key in sorted(cited)},
            "ideas": {key: {"label": idea.label, "sign": idea.sign} for key, idea in used.items()},
            "chapters": dict(chapters or {}),
            "timeline": years,
        },
        title="The map of networks",
        alt=f"{with_error} networks with their published errors, drawn by year, parameters or "
        "multiply-accumulates; an idea can be picked out, and each network read off.",
        fallback=_figure(points) + _table(points),
    )


def network_points(names: Collection[str] | None = None) -> list[dict[str, Any]]:
    """One dictionary a network of ImageNet or CIFAR-10, oldest first; ``error`` is None if none is printed.

    Keys: ``name``, ``data``, ``year``, ``error`` in per cent with its ``protocol`` and ``printed_by``, the
    network's own ``paper``, ``params`` and ``macs`` at ``size`` pixels a side, and its ``ideas``.
    """
    points = []
    for data in DATA:
        wanted = [name for name in networks_on(data) if names is None or name in names]
        for row in claims.networks(data, wanted):
            spec = describe(row["name"])
            found = ideas_of(spec.name)
            points.append(
                {
                    "name": spec.name,
                    "data": data,
                    "year": row["year"],
                    "error": row["top1_error"],
                    "protocol": row["protocol"],
                    "printed_by": row["paper"],
                    "paper": spec.paper,
                    "params": row["params"],
                    "macs": row["macs"],
                    "size": spec.input_size[-1],
                    "ideas": [key for key in IDEAS if key in found],
                }
            )
    return points


def timeline(names: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Each year's papers, and the ideas that came up in it: ``{"label": ..., "papers": [...]}``.

    Counted are the registered networks of which their own papers print something; an idea may be older than
    the oldest of them.
    """
    printed = {(claim.model, claim.paper) for claim in claims.load_claims()}
    specs = [describe(name) for name in (list_models() if names is None else names)]
    specs = [spec for spec in specs if (spec.name, spec.paper) in printed]
    first: dict[str, tuple[int, list[str]]] = {}
    for spec in sorted(specs, key=lambda spec: (spec.year, spec.paper)):
        for key in ideas_of(spec.name):
            year, papers = first.setdefault(key, (spec.year, []))
            if year == spec.year and spec.paper not in papers:
                papers.append(spec.paper)
    years: dict[int, dict[str, Any]] = {}
    for spec in sorted(specs, key=lambda spec: (spec.year, spec.paper)):
        entry = years.setdefault(spec.year, {"year": spec.year, "papers": [], "ideas": []})
        entry["papers"] = list(dict.fromkeys([*entry["papers"], spec.paper]))
    for key, idea in IDEAS.items():
        if key in first:
            at, papers = first[key]
            years[at]["ideas"].append({"label": idea.label, "papers": papers})
    return list(years.values())


def _figure(points: list[dict[str, Any]]) -> str:
    """The best network of each paper on ImageNet by year, as a picture; "" without any."""
    rows = [{**point, "top1_error": point["error"]} for point in points if point["data"] == "imagenet"]
    best = sorted(claims.best_of_each_paper(rows), key=lambda row: (row["year"], -row["top1_error"]))
    if not best:
        return ""
    lowest = min(best, key=lambda row: row["top1_error"])
    alt = (
        f"Timeline of {len(best)} networks: year across, published top-1 error up, disc area in proportion "
        f"to parameters. From {best[0]['name']} in {best[0]['year']} with {best[0]['top1_error']} % "
        f"to {lowest['name']} in {lowest['year']} with {lowest['top1_error']} %."
    )
    drawn = picture(plots.timeline(best), alt)
    address = f"data:{drawn.mime};base64,{base64.b64encode(drawn.data).decode()}"
    return f'<img src="{address}" alt="{escape(alt)}" width="{drawn.width}" height="{drawn.height}">'


def _table(points: list[dict[str, Any]]) -> str:
    """All networks, with and without an error, as a table: folded, so that a page need not lay it out."""
    rows = []
    for point in points:
        error = point["error"]
        rows.append(
            [
                point["name"],
                str(point["year"]),
                "none printed" if error is None else f"{error:g} %",
                f"{DATA[point['data']]}{point['protocol'] and ': '}{point['protocol']}",
                f"{point['params']:,}",
                f"{point['macs']:,}",
                ", ".join(IDEAS[key].label for key in point["ideas"]),
            ]
        )
    table = html_table(
        "All networks of the map: errors as published, counts as computed here",
        ["Network", "Year", "Top-1 error", "On", "Parameters", "MACs", "Ideas"],
        rows,
        numeric={1, 2, 4, 5},
        wide=6,
    )
    return f"<details><summary>All networks as a table</summary>{table}</details>"

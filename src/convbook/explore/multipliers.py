"""MobileNet's two knobs, counted, with the accuracies that were published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convbook.explore.shell import Explorable, ExplorableError
from convbook.profile import profile
from convbook.tables import html_table

ALPHAS = (1.0, 0.75, 0.5, 0.25)
RESOLUTIONS = (224, 192, 160, 128)


def multipliers(table: Sequence[Mapping[str, Any]] | None = None) -> Explorable:
    """MobileNet's width and resolution multipliers (Howard et al. 2017, tables 6 and 7).

    Args:
        table: rows with ``alpha``, ``resolution``, ``params``, ``macs`` and ``top1`` (published accuracy
            in per cent, or None), one for every pair; by default counted now and joined with the ledger.
    """
    rows = [dict(row) for row in table] if table is not None else multiplier_grid()
    pairs = {(row["alpha"], row["resolution"]) for row in rows}
    whole = len({a for a, _ in pairs}) * len({r for _, r in pairs})
    if not rows or len(pairs) != len(rows) or len(rows) != whole:
        raise ExplorableError("multipliers wants exactly one row for every pair of alpha and resolution")
    if sum(row["top1"] is not None for row in rows) < 2:
        raise ExplorableError("multipliers wants published accuracies (top1) for at least two rows")
    return Explorable(
        "multipliers",
        {"table": rows},
        title="MobileNet's two knobs",
        alt="Width multiplier and resolution of MobileNet can be changed; shown are parameters, MACs and, "
        "where it was published, accuracy, in a chart of accuracy against MACs.",
        fallback=html_table(
            "MobileNet at each width and resolution",
            ["Width multiplier", "Resolution", "Parameters", "MACs", "Top-1 accuracy (paper)"],
            [
                [
                    f"{row['alpha']:.2f}",
                    str(row["resolution"]),
                    f"{row['params']:,}",
                    f"{row['macs']:,}",
                    "not published" if row["top1"] is None else f"{row['top1']} %",
                ]
                for row in rows
            ],
            numeric={1, 2, 3, 4},
        ),
    )


def multiplier_grid() -> list[dict[str, Any]]:
    """MobileNet at every width and resolution of the paper: counted, and its published accuracy or None."""
    from convbook.claims import load_claims

    published: dict[tuple[float, int], float] = {}
    for claim in load_claims("howard2017mobilenets", model="mobilenet_v1"):
        if claim.quantity == "top1_accuracy" and not claim.overrides.keys() - {"width_mult"}:
            size = claim.input_size[1] if claim.input_size else RESOLUTIONS[0]
            published[float(claim.overrides.get("width_mult", 1.0)), size] = claim.value
    rows = []
    for alpha in ALPHAS:
        for resolution in RESOLUTIONS:
            counted = profile("mobilenet_v1", (3, resolution, resolution), width_mult=alpha)
            rows.append(
                {
                    "alpha": alpha,
                    "resolution": resolution,
                    "params": counted.params,
                    "macs": counted.macs,
                    "top1": published.get((alpha, resolution)),
                }
            )
    return rows

"""What squeeze-and-excitation adds to a ResNet, for each reduction ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convbook.explore.shell import Explorable, ExplorableError
from convbook.profile import profile
from convbook.tables import html_table

REDUCTIONS = (2, 4, 8, 16, 32, 64)


def reduction(base: str = "resnet50", reductions: Sequence[int] = REDUCTIONS, start: int = 16) -> Explorable:
    """What squeeze-and-excitation adds to a ResNet, stage by stage, for each reduction ratio.

    Args:
        base: a network that has a ``se_`` twin: "resnet50", "resnet101", "resnet152".
        reductions: ratios to choose from.
        start: the ratio shown first.
    """
    data = reduction_costs(base, reductions)
    if start not in reductions:
        raise ExplorableError(f"start={start} is not among the ratios {tuple(reductions)}")
    return Explorable(
        "reduction",
        {**data, "start": start},
        title=f"What the gates add to {data['base']['name']}",
        alt="The reduction ratio of squeeze-and-excitation can be changed; bars show the parameters or MACs "
        "that the gates add in each stage.",
        fallback=html_table(
            f"Added by squeeze-and-excitation to {data['base']['name']}",
            ["Reduction ratio", *data["stages"], "Parameters added", "MACs added"],
            [
                [
                    str(each["reduction"]),
                    *(f"{n:,}" for n in each["params"]),
                    f"{sum(each['params']):,}",
                    f"{sum(each['macs']):,}",
                ]
                for each in data["options"]
            ],
            numeric=range(1, len(data["stages"]) + 3),
        ),
    )


def reduction_costs(base: str, reductions: Sequence[int]) -> dict[str, Any]:
    """What ``se_<base>`` has beyond ``base``: for each stage and ratio, with what the paper prints."""
    from convbook.claims import load_claims

    plain = profile(base)
    stages = [f"layer{i}" for i in (1, 2, 3, 4)]
    # The table of ratios leaves the usual 16 unsaid, so that it has no override to be found by.
    claims = [c for c in load_claims("hu2018squeeze", f"se_{base}") if c.quantity == "params"]
    tables = {c.where for c in claims if "reduction" in c.overrides}
    printed = {c.overrides.get("reduction", 16): c.shown_as for c in claims if c.where in tables}
    options = []
    for ratio in reductions:
        gated = profile(f"se_{base}", reduction=ratio)
        options.append(
            {
                "reduction": ratio,
                "params": [gated.layer(s).params - plain.layer(s).params for s in stages],
                "macs": [gated.layer(s).macs - plain.layer(s).macs for s in stages],
                "printed": printed.get(ratio),
            }
        )
    names = [f"conv{i + 2}_x, {plain.layer(s).output_shape[0]} channels" for i, s in enumerate(stages)]
    about = {
        "name": base.replace("resnet", "ResNet-"),
        "params": plain.params,
        "macs": plain.macs,
    }
    return {"stages": names, "options": options, "base": about}

"""The explorables of the chapters, with data counted on the real networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from convbook.explore.shell import ExplorableError, show
from convbook.profile import profile
from convbook.tables import html_table

CARDINALITIES = (1, 2, 4, 8, 16, 32, 64)
REDUCTIONS = (2, 4, 8, 16, 32, 64)
ALPHAS = (1.0, 0.75, 0.5, 0.25)
RESOLUTIONS = (224, 192, 160, 128)


def convolution(image: Tensor) -> None:
    """A window slides over a digit: size, parameters and MACs for any kernel, stride and padding.

    Args:
        image: one grey image, uint8, (1, H, W) or (H, W), at least 8x8.
    """
    pixels = image[0] if image.dim() == 3 and len(image) == 1 else image
    if pixels.dim() != 2 or pixels.is_floating_point() or min(pixels.shape) < 8:
        raise ExplorableError(
            f"convolution wants one grey uint8 image of 8x8 or more, not {tuple(image.shape)}"
        )
    rows = []
    for k, stride, padding in ((5, 1, 0), (5, 1, 2), (3, 1, 1), (3, 2, 1), (7, 2, 3)):
        layer = profile(nn.Conv2d(1, 6, k, stride, padding), (1, *pixels.shape)).rows[0]
        shape = " × ".join(map(str, layer.output_shape))
        rows.append([f"{k}×{k}", str(stride), str(padding), shape, f"{layer.params:,}", f"{layer.macs:,}"])
    size = f"{pixels.shape[0]} × {pixels.shape[1]}"
    show(
        "convolution",
        {"image": pixels},
        title="A window slides over a digit",
        alt=f"A kernel moves over a digit of {size} pixels. Kernel, size, stride, padding and place can be "
        "changed; shown are the products under the window, the output, its size, parameters and MACs.",
        fallback=html_table(
            f"Six kernels on one image of {size}",
            ["Kernel", "Stride", "Padding", "Output", "Parameters", "MACs"],
            rows,
            numeric={1, 2, 4, 5},
        ),
    )


def cardinality() -> None:
    """Groups against width at the cost of ResNet-50's block of 256 channels (Xie et al. 2017, table 2)."""
    options = cardinality_options()
    reference = options[0]
    show(
        "cardinality",
        {"channels": 256, "size": 56, "options": options, "reference": reference},
        title="Cardinality against width",
        alt="A bottleneck block of 256 channels is split into groups. The number of groups and their width "
        "can be changed; shown are a drawing of the groups, the weights, the MACs and the 3×3 layer's width.",
        fallback=html_table(
            "Blocks of 256 channels at the cost of ResNet-50's, and the networks built of them",
            ["Cardinality C", "Width d", "Width of the 3×3 layer", "Block weights", "Network parameters"],
            [
                [
                    str(o["cardinality"]),
                    str(o["width"]),
                    str(o["cardinality"] * o["width"]),
                    f"{o['weights']:,}",
                    f"{o['network_params']:,}",
                ]
                for o in options
            ],
            numeric={1, 2, 3, 4},
        ),
    )


def cardinality_options() -> list[dict[str, int]]:
    """For each cardinality the width whose block comes nearest to ResNet-50's; block and network counted."""
    from convbook.layers.aggregated import GroupedBlock

    def block(c: int, d: int) -> dict[str, int]:
        counted = profile(GroupedBlock(256, c, d), (256, 56, 56))
        weights = sum(row.params for row in counted.rows if "Conv" in row.kind)
        return {"cardinality": c, "width": d, "weights": weights, "macs": counted.macs}

    options = [block(1, 64)]
    goal = options[0]["weights"]
    for c in CARDINALITIES[1:]:
        # 256 d C + 9 d² C + 256 d C weights grow with d: the nearest is beside the root.
        root = (((512 / 18) ** 2 + goal / (9 * c)) ** 0.5) - 512 / 18
        near = [block(c, max(1, int(root) + step)) for step in (0, 1)]
        options.append(min(near, key=lambda each: abs(each["weights"] - goal)))
    for each in options:
        whole = profile("resnet50", cardinality=each["cardinality"], base_width=each["width"])
        each["network_params"], each["network_macs"] = whole.params, whole.macs
    return options


def multipliers(table: Sequence[Mapping[str, Any]] | None = None) -> None:
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
    show(
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


def reduction(base: str = "resnet50", reductions: Sequence[int] = REDUCTIONS, start: int = 16) -> None:
    """What squeeze-and-excitation adds to a ResNet, stage by stage, for each reduction ratio.

    Args:
        base: a network that has a ``se_`` twin: "resnet50", "resnet101", "resnet152".
        reductions: ratios to choose from.
        start: the ratio shown first.
    """
    data = reduction_costs(base, reductions)
    if start not in reductions:
        raise ExplorableError(f"start={start} is not among the ratios {tuple(reductions)}")
    show(
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

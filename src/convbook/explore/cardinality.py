"""Groups against width at equal cost: ResNeXt's table 2, counted."""

from __future__ import annotations

from convbook.explore.shell import Explorable
from convbook.profile import profile
from convbook.tables import html_table

CARDINALITIES = (1, 2, 4, 8, 16, 32, 64)


def cardinality() -> Explorable:
    """Groups against width at the cost of ResNet-50's block of 256 channels (Xie et al. 2017, table 2)."""
    options = cardinality_options()
    reference = options[0]
    return Explorable(
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

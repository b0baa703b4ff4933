"""Inception-v4 (Szegedy et al. 2017): v3's grids with a branching stem and equal modules a grid."""

from typing import Any

from convbook.layers.branches import Path
from convbook.models.inception_grids import InceptionGrids, Module
from convbook.models.inception_v3 import SIZE_299
from convbook.models.registry import register

ROW, COLUMN = (1, 7), (7, 1)

STEM: Path = [  # figure 3
    (32, 3, "/2V"),  # 299 -> 149
    (32, 3, "V"),  # 147
    (64, 3),
    [["max/2V"], [(96, 3, "/2V")]],  # 73
    [[(64, 1), (96, 3, "V")], [(64, 1), (64, ROW), (64, COLUMN), (96, 3, "V")]],  # 71
    [[(192, 3, "/2V")], ["max/2V"]],  # 35: (N, 384, 35, 35)
]
MODULE_A: Module = [  # figure 4
    [(96, 1)],
    [(64, 1), (96, 3)],
    [(64, 1), (96, 3), (96, 3)],
    ["avg", (96, 1)],
]
MODULE_B: Module = [  # figure 5
    [(384, 1)],
    [(192, 1), (224, ROW), (256, COLUMN)],
    [(192, 1), (192, COLUMN), (224, ROW), (224, COLUMN), (256, ROW)],
    ["avg", (128, 1)],
]
FAN: Module = [[(256, (1, 3))], [(256, (3, 1))]]
MODULE_C: Module = [  # figure 6
    [(256, 1)],
    [(384, 1), FAN],
    [(384, 1), (448, (3, 1)), (512, (1, 3)), FAN],
    ["avg", (256, 1)],
]
REDUCE_17: Module = [  # figure 8
    [(192, 1), (192, 3, "/2V")],
    [(256, 1), (256, ROW), (320, COLUMN), (320, 3, "/2V")],
]


def reduce_35(k: int, l: int, m: int, n: int) -> Module:  # noqa: E741 the paper's letters
    """Figure 7, with the filters of table 1."""
    return [[(n, 3, "/2V")], [(k, 1), (l, 3), (m, 3, "/2V")]]


VARIANTS: dict[str, dict[str, Any]] = {
    "inception_v4": {
        "stem": STEM,
        "grids": ([MODULE_A] * 4, [MODULE_B] * 7, [MODULE_C] * 3),
        "reductions": (reduce_35(192, 224, 256, 384), REDUCE_17),
    }
}

register(InceptionGrids, VARIANTS, family="inception", paper="szegedy2017inception", year=2017, **SIZE_299)

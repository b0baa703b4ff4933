"""Inception-v2 and -v3 (Szegedy et al. 2016): factorised convolutions, concatenating reductions."""

from typing import Any

from convbook.layers.branches import Path
from convbook.models.inception_grids import InceptionGrids, Module
from convbook.models.registry import register

STEM_V2: Path = [  # table 1
    (32, 3, "/2V"),  # 299 -> 149
    (32, 3, "V"),  # 147
    (64, 3),
    "max/2V",  # 73
    (80, 3, "V"),  # 71
    (192, 3, "/2V"),  # 35
    (288, 3),
]
STEM_V3: Path = [  # as released
    (32, 3, "/2V"),  # 299 -> 149
    (32, 3, "V"),  # 147
    (64, 3),
    "max/2V",  # 73
    (80, 1),
    (192, 3, "V"),  # 71
    "max/2V",  # 35
]


def module_a(projected: int, kernel: int) -> Module:
    """Figure 5: a 5x5 has become two 3x3. The release keeps a 5x5 where the figure has its single 3x3."""
    return [[(64, 1)], [(48, 1), (64, kernel)], [(64, 1), (96, 3), (96, 3)], ["avg", (projected, 1)]]


def module_b(inner: int) -> Module:
    """Figure 6: n x n has become 1 x n and n x 1, with n = 7."""
    row, column = (1, 7), (7, 1)
    twice: Path = [(inner, 1), (inner, column), (inner, row), (inner, column), (192, row)]
    return [[(192, 1)], [(inner, 1), (inner, row), (192, column)], twice, ["avg", (192, 1)]]


FAN: Module = [[(384, (1, 3))], [(384, (3, 1))]]
MODULE_C: Module = [  # figure 7: 1x3 and 3x1 side by side widen the coarsest grid
    [(320, 1)],
    [(384, 1), FAN],
    [(448, 1), (384, 3), FAN],
    ["avg", (192, 1)],
]
REDUCE_35: Module = [[(384, 3, "/2V")], [(64, 1), (96, 3), (96, 3, "/2V")]]
REDUCE_17: Module = [
    [(192, 1), (320, 3, "/2V")],
    [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, "/2V")],
]


class InceptionV3(InceptionGrids):
    """Inception-v2 and -v3, told apart by their arguments: (N, in_channels, H, W) -> (N, num_classes).

    ``inception_v3`` is the released network, equal to torchvision's. ``inception_v2`` follows table 1 and
    section 6 of the paper where they speak: the stem, the channels of each grid, and three, five and two
    modules. They refer to a supplement for the widths inside modules and reductions: v3's stand here.
    """

    @property
    def torchvision_names(self) -> dict[str, str]:
        """What torchvision's names become here."""
        return NAMES if self.aux is not None else NAMES | {r"^aux.*": ""}


NAMES = {  # torchvision's -> ours: stage, then branch, then step (marked by _), then convolution or norm
    **{f"^Conv2d_{old}_...": f"stem.{i}" for i, old in {0: "1a", 1: "2a", 2: "2b", 4: "3b", 5: "4a"}.items()},
    r"^AuxLogits\.conv": "aux.convs.",
    r"^AuxLogits\.fc": "aux.fc",
    r"^Mixed_6a\.branch3x3\.": "reduce35.convolutions.0.0.",
    r"^Mixed_6a\.branch3x3dbl": "reduce35.convolutions.1.",
    r"^Mixed_7a\.branch3x3": "reduce17.convolutions.0.",
    r"^Mixed_7a\.branch7x7x3": "reduce17.convolutions.1.",
    **{f"^Mixed_5{letter}": f"grid35.{i}" for i, letter in enumerate("bcd")},
    **{f"^Mixed_6{letter}": f"grid17.{i}" for i, letter in enumerate("bcde")},
    **{f"^Mixed_7{letter}": f"grid8.{i}" for i, letter in enumerate("bc")},
    r"\.branch1x1\.": ".0.0.",
    r"\.branch\dx\d_": ".1._",
    r"\.branch\dx\ddbl_": ".2._",
    r"\.branch_pool\.": ".3.1.",
    **{rf"\._{n}\.": f".{n - 1}." for n in range(1, 6)},
    **{rf"\._{n}{letter}\.": f".{n - 1}.{i}.0." for n in (2, 3) for i, letter in enumerate("ab")},
    r"\.conv\.": ".0.",
    r"\.bn\.": ".1.",
}
V2: dict[str, Any] = {
    "stem": STEM_V2,
    "grids": (
        [module_a(64, 3)] * 3,
        [module_b(inner) for inner in (128, 160, 160, 160, 192)],
        [MODULE_C] * 2,
    ),
}
V3: dict[str, Any] = {
    "stem": STEM_V3,
    "grids": (
        [module_a(projected, 5) for projected in (32, 64, 64)],
        [module_b(inner) for inner in (128, 160, 160, 192)],
        [MODULE_C] * 2,
    ),
}
SHARED: dict[str, Any] = {"reductions": (REDUCE_35, REDUCE_17), "count_padding": True, "dropout": 0.5}
VARIANTS = {"inception_v2": V2 | SHARED, "inception_v3": V3 | SHARED}

SIZE_299: dict[str, Any] = {"input_size": (3, 299, 299), "num_classes": 1000}

register(InceptionV3, VARIANTS, family="inception", paper="szegedy2016rethinking", year=2016, **SIZE_299)

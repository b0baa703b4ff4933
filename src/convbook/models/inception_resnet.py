"""Inception-ResNet-v1 and -v2 (Szegedy et al. 2017): Inception modules as residual branches.

``inception_resnet_v1`` follows the paper's figures. ``inception_resnet_v2`` is the network that the authors
released, equal to timm's; ``PUBLISHED_V2`` holds the one of the figures.
"""

from typing import Any

from convbook.layers.branches import Path
from convbook.models.inception_grids import InceptionGrids, Module
from convbook.models.inception_v3 import SIZE_299, STEM_V3, module_a
from convbook.models.inception_v4 import COLUMN, ROW, STEM, reduce_35
from convbook.models.registry import register

STEM_V1: Path = [*STEM_V3[:-1], (256, 3, "/2V")]  # figure 14: (N, 256, 35, 35)
A_V1: Module = [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (32, 3), (32, 3)]]  # figure 10
B_V1: Module = [[(128, 1)], [(128, 1), (128, ROW), (128, COLUMN)]]  # figure 11
C_V1: Module = [[(192, 1)], [(192, 1), (192, (1, 3)), (192, (3, 1))]]  # figure 13
REDUCE_17_V1: Module = [  # figure 12
    [(256, 1), (384, 3, "/2V")],
    [(256, 1), (256, 3, "/2V")],
    [(256, 1), (256, 3), (256, 3, "/2V")],
]

A_V2: Module = [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]]  # figure 16
B_V2: Module = [[(192, 1)], [(128, 1), (160, ROW), (192, COLUMN)]]  # figure 17
C_V2: Module = [[(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]]  # figure 19
REDUCE_17_V2: Module = [  # figure 18
    [(256, 1), (384, 3, "/2V")],
    [(256, 1), (288, 3, "/2V")],
    [(256, 1), (288, 3), (320, 3, "/2V")],
]
FIRST_V2: Module = [[(96, 1)], *module_a(64, 5)[1:]]  # in the release only: (N, 320, 35, 35)

SCALES: dict[str, Any] = {"scales": (0.17, 0.10, 0.20)}  # of the release; section 3.3 says 0.1 to 0.3
PUBLISHED_V2: dict[str, Any] = SCALES | {
    "stem": STEM,
    "grids": ([A_V2] * 5, [B_V2] * 10, [C_V2] * 5),
    "reductions": (reduce_35(256, 256, 384, 384), REDUCE_17_V2),
    "last_linear": False,
    "top": (),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "inception_resnet_v1": SCALES
    | {
        "stem": STEM_V1,
        "grids": ([A_V1] * 5, [B_V1] * 10, [C_V1] * 5),
        "reductions": (reduce_35(192, 192, 256, 384), REDUCE_17_V1),
    },
    "inception_resnet_v2": PUBLISHED_V2
    | {
        "stem": [*STEM_V3, FIRST_V2],
        "grids": ([A_V2] * 10, [B_V2] * 20, [C_V2] * 9),
        "last_linear": True,
        "top": [(1536, 1)],
    },
}

register(
    InceptionGrids, VARIANTS, family="inception_resnet", paper="szegedy2017inception", year=2017, **SIZE_299
)

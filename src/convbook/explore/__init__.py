"""Explorables: figures that answer to sliders without a kernel.

Each is a pair of files: NAME.py counts what it shows, NAME.js is the ES module that shows it.
"""

from convbook.explore.cardinality import cardinality
from convbook.explore.convolution import convolution
from convbook.explore.flipbook import flipbook
from convbook.explore.gates import gates
from convbook.explore.multipliers import multipliers
from convbook.explore.reduction import reduction
from convbook.explore.shell import Explorable, ExplorableError, list_explorables, show, source
from convbook.explore.spatial_map import spatial_map
from convbook.explore.temperature import temperature

__all__ = [
    "Explorable",
    "ExplorableError",
    "cardinality",
    "convolution",
    "flipbook",
    "gates",
    "list_explorables",
    "multipliers",
    "reduction",
    "show",
    "source",
    "spatial_map",
    "temperature",
]

"""Explorables: figures that answer to sliders without a kernel.

Each is a pair of files: NAME.py counts what it shows, NAME.js is the ES module that shows it.
"""

from convbook.explore.architectures import architectures
from convbook.explore.cardinality import cardinality
from convbook.explore.convolution import convolution
from convbook.explore.cost import cost
from convbook.explore.flipbook import flipbook
from convbook.explore.gates import gates
from convbook.explore.lenet_live import lenet_live
from convbook.explore.multipliers import multipliers
from convbook.explore.networks import networks
from convbook.explore.receptive_field import receptive_field
from convbook.explore.reduction import reduction
from convbook.explore.shell import Explorable, ExplorableError, list_explorables, show, source
from convbook.explore.spatial_map import spatial_map
from convbook.explore.temperature import temperature

__all__ = [
    "Explorable",
    "ExplorableError",
    "architectures",
    "cardinality",
    "convolution",
    "cost",
    "flipbook",
    "gates",
    "lenet_live",
    "list_explorables",
    "multipliers",
    "networks",
    "receptive_field",
    "reduction",
    "show",
    "source",
    "spatial_map",
    "temperature",
]

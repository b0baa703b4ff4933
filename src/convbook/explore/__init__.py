"""Explorables: figures that answer to sliders without a kernel.

Each is a pair of files: NAME.py counts what it shows, NAME.js is the ES module that shows it.
"""

from convbook.explore.cardinality import cardinality
from convbook.explore.convolution import convolution
from convbook.explore.flipbook import flipbook
from convbook.explore.lenet_live import lenet_live
from convbook.explore.multipliers import multipliers
from convbook.explore.reduction import reduction
from convbook.explore.shell import Explorable, ExplorableError, list_explorables, show, source

__all__ = [
    "Explorable",
    "ExplorableError",
    "cardinality",
    "convolution",
    "flipbook",
    "lenet_live",
    "list_explorables",
    "multipliers",
    "reduction",
    "show",
    "source",
]

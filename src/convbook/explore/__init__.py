"""Explorables: figures that answer to sliders without a kernel, each an ES module beside this file."""

from convbook.explore.builders import cardinality, convolution, multipliers, reduction
from convbook.explore.flipbook import flipbook
from convbook.explore.shell import ExplorableError, list_explorables, show, source

__all__ = [
    "ExplorableError",
    "cardinality",
    "convolution",
    "flipbook",
    "list_explorables",
    "multipliers",
    "reduction",
    "show",
    "source",
]

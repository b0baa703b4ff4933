"""What networks are built from, one idea a file."""

from convbook.layers.aggregated import EarlyConcatBlock, GroupedBlock, SplitTransformMergeBlock, convert
from convbook.layers.attention import (
    CBAM,
    ChannelGate,
    CompetitiveSqueezeExcite,
    ConcurrentSqueezeExcite,
    SpatialGate,
    SpatialSqueezeExcite,
    SqueezeExcite,
)
from convbook.layers.convolution import ConvNorm, DepthwiseSeparable
from convbook.layers.rbf import RBFOutput
from convbook.layers.shortcut import PadShortcut
from convbook.layers.subsampling import Subsample, TableConv2d, scaled_tanh

__all__ = [
    "CBAM",
    "ChannelGate",
    "CompetitiveSqueezeExcite",
    "ConcurrentSqueezeExcite",
    "ConvNorm",
    "DepthwiseSeparable",
    "EarlyConcatBlock",
    "GroupedBlock",
    "PadShortcut",
    "RBFOutput",
    "SpatialGate",
    "SpatialSqueezeExcite",
    "SplitTransformMergeBlock",
    "SqueezeExcite",
    "Subsample",
    "TableConv2d",
    "convert",
    "scaled_tanh",
]

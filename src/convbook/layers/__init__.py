"""What networks are built from, one idea a file.

``DeformableConv2d`` is imported from ``convbook.layers.deformable``: it alone needs torchvision.
"""

from convbook.layers.aggregated import EarlyConcatBlock, GroupedBlock, SplitTransformMergeBlock, convert
from convbook.layers.asymmetric import AsymmetricConv2d
from convbook.layers.attention import (
    CBAM,
    ChannelGate,
    CompetitiveSqueezeExcite,
    ConcurrentSqueezeExcite,
    SpatialGate,
    SpatialSqueezeExcite,
    SqueezeExcite,
)
from convbook.layers.competitive import PairViewSqueezeExcite
from convbook.layers.convolution import ConvNorm, DepthwiseSeparable
from convbook.layers.dilated import DilatedConv2d
from convbook.layers.drop import StochasticDepth
from convbook.layers.grouped import GroupedConv2d
from convbook.layers.learned_group import LearnedGroupConv
from convbook.layers.pooling import SAFPool2d
from convbook.layers.rbf import RBFOutput
from convbook.layers.reduction import parallel_reduction
from convbook.layers.shortcut import PadShortcut
from convbook.layers.shuffle import ChannelShuffle, ChannelSplit
from convbook.layers.subsampling import Subsample, TableConv2d, scaled_tanh
from convbook.layers.transposed import TransposedConv2d

__all__ = [
    "CBAM",
    "AsymmetricConv2d",
    "ChannelGate",
    "ChannelShuffle",
    "ChannelSplit",
    "CompetitiveSqueezeExcite",
    "ConcurrentSqueezeExcite",
    "ConvNorm",
    "DepthwiseSeparable",
    "DilatedConv2d",
    "EarlyConcatBlock",
    "GroupedBlock",
    "GroupedConv2d",
    "LearnedGroupConv",
    "PadShortcut",
    "PairViewSqueezeExcite",
    "RBFOutput",
    "SAFPool2d",
    "SpatialGate",
    "SpatialSqueezeExcite",
    "SplitTransformMergeBlock",
    "SqueezeExcite",
    "StochasticDepth",
    "Subsample",
    "TableConv2d",
    "TransposedConv2d",
    "convert",
    "parallel_reduction",
    "scaled_tanh",
]

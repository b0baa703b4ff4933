"""The two blocks of the ResNet family, with cardinality and attention as options."""

from torch import Tensor, nn

from convbook.layers.attention import (
    CBAM,
    CompetitiveSqueezeExcite,
    ConcurrentSqueezeExcite,
    SqueezeExcite,
)
from convbook.layers.convolution import conv1x1, conv3x3
from convbook.layers.drop import make_drop
from convbook.layers.shortcut import make_shortcut

ATTENTION: dict[str, type[nn.Module]] = {
    "se": SqueezeExcite,
    "cmpe": CompetitiveSqueezeExcite,
    "cbam": CBAM,
    "scse": ConcurrentSqueezeExcite,
}


class ResidualBlock(nn.Module):
    """What both blocks share: relu(attention(branch(x)) + shortcut(x)).

    (N, in, H, W) -> (N, width * expansion, ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels: channels that come in.
        width: the block's width; it puts out ``width * expansion`` channels.
        stride: 2 halves height and width.
        attention: None, or a key of ``ATTENTION``.
        reduction: how much narrower than its channels the attention's gate is.
        shortcut: "A", "B" or "C", see :func:`convbook.layers.shortcut.make_shortcut`.
        residual: False leaves the shortcut out: the plain network that a residual one is compared with.
        cardinality: groups of the 3x3 convolution (bottleneck only).
        base_width: channels a group where ``width`` is 64 (bottleneck only).
        stride_in: the convolution that strides, "1x1" as published in 2016 or "3x3" as everyone builds
            it since (bottleneck only).
        drop_rate: probability that training drops the branch, see :mod:`convbook.layers.drop`.

    Raises:
        ValueError: if an option is unknown or does not fit the block.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        *,
        attention: str | None = None,
        reduction: int = 16,
        shortcut: str = "B",
        residual: bool = True,
        cardinality: int = 1,
        base_width: int = 64,
        stride_in: str = "3x3",
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if attention is not None and attention not in ATTENTION:
            raise ValueError(
                f"attention={attention!r} is unknown: take None or one of {', '.join(ATTENTION)}"
            )
        if attention == "cmpe" and not residual:
            raise ValueError('attention="cmpe" compares with the identity: it needs residual=True')
        if drop_rate and not residual:
            raise ValueError("stochastic_depth drops branches beside a shortcut: it needs residual=True")
        if stride_in not in ("1x1", "3x3"):
            raise ValueError(f'stride_in={stride_in!r} is unknown: take "1x1" or "3x3"')
        out_channels = width * self.expansion
        self.residual = residual
        self.relu = nn.ReLU(inplace=True)
        strides = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.build_branch(in_channels, width, strides, cardinality, base_width)
        self.attention = ATTENTION[attention](out_channels, reduction) if attention else None
        self.drop = make_drop(drop_rate)
        self.downsample = make_shortcut(shortcut, in_channels, out_channels, stride) if residual else None

    def build_branch(
        self, in_channels: int, width: int, strides: tuple[int, int], cardinality: int, base_width: int
    ) -> None:
        """Make the layers that ``branch`` runs."""
        raise NotImplementedError

    def branch(self, x: Tensor) -> Tensor:
        """The residual function, up to its last normalisation."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Branch, attention, chance, sum, activation."""
        out = self.branch(x)
        identity = x if self.downsample is None else self.downsample(x)
        if isinstance(self.attention, CompetitiveSqueezeExcite):
            out = self.attention(out, identity)
        elif self.attention is not None:
            out = self.attention(out)
        if self.drop is not None:
            out = self.drop(out)
        return self.relu(out + identity) if self.residual else self.relu(out)


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions (He et al. 2016, figure 5, left)."""

    def build_branch(
        self, in_channels: int, width: int, strides: tuple[int, int], cardinality: int, base_width: int
    ) -> None:
        """3x3, 3x3; the first one strides."""
        if cardinality != 1 or base_width != 64:
            raise ValueError(
                "cardinality and base_width need a block three layers deep: take block=Bottleneck"
            )
        self.conv1 = conv3x3(in_channels, width, max(strides))
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)

    def branch(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, width, ...)."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(out))


class Bottleneck(ResidualBlock):
    """1x1 to narrow, 3x3 in ``cardinality`` groups, 1x1 to widen (Xie et al. 2017, figure 3c).

    The inner width is ``cardinality * base_width`` channels where ``width`` is 64, and in proportion
    elsewhere; cardinality 1 and base_width 64 give ResNet's bottleneck.
    """

    expansion = 4

    def build_branch(
        self, in_channels: int, width: int, strides: tuple[int, int], cardinality: int, base_width: int
    ) -> None:
        """1x1, 3x3, 1x1; the first or the second one strides."""
        inner = width * base_width // 64 * cardinality
        if inner == 0:
            raise ValueError(f"base_width={base_width} leaves no channel of width={width}: widen one of them")
        self.conv1 = conv1x1(in_channels, inner, strides[0])
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv3x3(inner, inner, strides[1], groups=cardinality)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv1x1(inner, width * self.expansion)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)

    def branch(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, 4 * width, ...)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))

"""HRNet (Sun et al. 2019; Wang et al. 2020): a fine map from end to end, coarser ones beside it.

A stem divides the sides by 4. Each stage then adds a branch at half the last one's resolution, and
every module ends in an exchange: each branch receives the sum over all of them, resampled to its own
size. Parameters are named as in the authors' code, so timm's state dicts load as they are.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm, conv3x3
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.layers.scales import enlarge
from convbook.models.registry import IMAGENET, register
from convbook.models.resnet_blocks import BasicBlock, Bottleneck


def resample(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """What carries branch ``source`` to branch ``target``, but for the enlarging (Wang et al., figure 3).

    A 1x1 convolution towards a finer branch; towards a coarser one a 3x3 at stride 2 for each halving, of
    which only the last changes the width and leaves its ReLU to the sum.
    """
    if source == target:
        return nn.Identity()
    if source > target:
        return ConvNorm(widths[source], widths[target], 1, activation=None)
    halvings = [ConvNorm(widths[source], widths[source], 3, 2) for _ in range(target - source - 1)]
    return nn.Sequential(*halvings, ConvNorm(widths[source], widths[target], 3, 2, activation=None))


class ExchangeModule(nn.Module):
    """Parallel branches of residual blocks, then the exchange (Wang et al. 2020, sections 3.1 and 3.2).

    Maps of ``widths`` channels, finest first, each at ceil(half) the sides of the one before -> the same.
    """

    def __init__(self, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(depth))) for width in widths
        )
        scales = range(len(widths))
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(resample(widths, source, target) for source in scales) for target in scales
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Each branch by itself, then every branch a sum of all."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [self.relu(self.fuse(target, maps)) for target in range(len(maps))]

    def fuse(self, target: int, maps: list[Tensor]) -> Tensor:
        """The sum over all branches at the size of one."""
        paths = self.fuse_layers[target].children()
        arrived = [path(x) for path, x in zip(paths, maps, strict=True)]
        arrived[target + 1 :] = [enlarge(x, maps[target]) for x in arrived[target + 1 :]]
        total = arrived[0]
        for x in arrived[1:]:
            total = total + x
        return total


class HRNet(nn.Module):
    """Stem, four stages of one to four branches, and the classification head of the authors' code.

    (N, in_channels, H, W) -> logits (N, num_classes); :meth:`features` gives the maps themselves. Sides
    that 32 does not divide are rounded up at each halving and the enlarged maps cropped to fit; the
    authors' code refuses them.

    Args:
        width: channels of the finest branch from the second stage on; each further branch has twice as
            many as the one before. It gives the network its name.
        modules: exchange modules in stages two, three and four, which have two, three and four branches.
        depth: residual blocks in each branch of a module.
        stem_depth: bottlenecks in the first stage.
        stem_width: channels of the two convolutions of the stem, and inner width of the first stage.
        head_widths: inner width of the bottleneck behind each branch; it puts out four times as many.
        head_channels: channels that the classifier reads.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if there are not as many ``head_widths`` as branches in the last stage.
    """

    least = 1

    def __init__(
        self,
        *,
        width: int = 18,
        modules: Sequence[int] = (1, 4, 3),
        depth: int = 4,
        stem_depth: int = 4,
        stem_width: int = 64,
        head_widths: Sequence[int] = (32, 64, 128, 256),
        head_channels: int = 2048,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(head_widths) != len(modules) + 1 or min(modules, default=0) < 1:
            raise ValueError(
                f"modules={tuple(modules)} ends in {len(modules) + 1} branches: take counts of 1 or more, "
                f"and as many head_widths, not {tuple(head_widths)}"
            )
        self.in_channels = in_channels
        self.conv1 = conv3x3(in_channels, stem_width, 2)
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.conv2 = conv3x3(stem_width, stem_width, 2)
        self.bn2 = nn.BatchNorm2d(stem_width)
        self.relu = nn.ReLU(inplace=True)
        inner = [stem_width] + [stem_width * Bottleneck.expansion] * (stem_depth - 1)
        self.layer1 = nn.Sequential(*(Bottleneck(channels, stem_width) for channels in inner))

        widths = [stem_width * Bottleneck.expansion]
        self.stages = range(2, len(modules) + 2)
        for stage, count in zip(self.stages, modules, strict=True):
            wanted = [width * 2**i for i in range(stage)]
            self.add_module(f"transition{stage - 1}", transition(widths, wanted))
            self.add_module(
                f"stage{stage}", nn.Sequential(*(ExchangeModule(wanted, depth) for _ in range(count)))
            )
            widths = wanted

        wide = [inner * Bottleneck.expansion for inner in head_widths]
        self.incre_modules = nn.ModuleList(
            nn.Sequential(Bottleneck(channels, inner))
            for channels, inner in zip(widths, head_widths, strict=True)
        )
        self.downsamp_modules = nn.ModuleList(biased(fine, coarse, 3, 2) for fine, coarse in pairwise(wide))
        self.final_layer = biased(wide[-1], head_channels, 1, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(head_channels, num_classes)
        he_normal(self)

    def features(self, x: Tensor) -> list[Tensor]:
        """The maps of the last stage, finest first: (N, width * 2**i, H / 4 / 2**i, W / 4 / 2**i), ceiled."""
        require_image(x, self.in_channels, self.least)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))  # 224: (N, 64, 56, 56)
        maps = [self.layer1(x)]  # (N, 256, 56, 56)
        for stage in self.stages:
            paths = self.get_submodule(f"transition{stage - 1}").children()
            grown = [*maps, maps[-1]]  # the new branch starts from the coarsest
            maps = [path(x) for path, x in zip(paths, grown, strict=True)]
            maps = self.get_submodule(f"stage{stage}")(maps)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images: widen every branch, then add up from the finest to the coarsest."""
        first, *others = [widen(x) for widen, x in zip(self.incre_modules, self.features(x), strict=True)]
        total = first  # (N, 128, 56, 56)
        for down, x in zip(self.downsamp_modules, others, strict=True):
            total = x + down(total)  # 28, 14, 7
        return self.classifier(self.pool(self.final_layer(total)).flatten(1))


def transition(given: Sequence[int], wanted: Sequence[int]) -> nn.ModuleList:
    """From one stage's branches to the next one's: fit the widths, and start a branch at stride 2."""
    fit = [
        nn.Identity() if old == new else ConvNorm(old, new, 3)
        for old, new in zip(given, wanted, strict=False)
    ]
    return nn.ModuleList([*fit, nn.Sequential(ConvNorm(given[-1], wanted[-1], 3, 2))])


def biased(in_channels: int, out_channels: int, kernel_size: int, stride: int) -> nn.Sequential:
    """Convolution, normalisation, ReLU; the head's convolutions carry a bias, idle as it is."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


HRNETS: dict[str, dict[str, Any]] = {f"hrnet_w{width}": {"width": width} for width in (18, 32)}

register(HRNet, HRNETS, family="hrnet", paper="wang2020deep", year=2020, **IMAGENET)

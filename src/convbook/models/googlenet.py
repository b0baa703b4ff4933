"""GoogLeNet (Szegedy et al. 2015), its naive twin, and the variant that torchvision ships."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from convbook.layers.branches import Builder, Path
from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import IMAGENET, register

# Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj; None is a max pool.
MODULES: dict[str, tuple[int, ...] | None] = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "maxpool3": None,
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "maxpool4": None,
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
HEADS = {"inception4a": "aux1", "inception4d": "aux2"}


def conv_relu(in_channels: int, channels: int, kernel: int, stride: int = 1, **_: Any) -> nn.Sequential:
    """A convolution with bias that keeps the image's size at stride 1, and its activation."""
    conv = nn.Conv2d(in_channels, channels, kernel, stride, padding=kernel // 2)
    return nn.Sequential(conv, nn.ReLU(inplace=True))


def inception(widths: Sequence[int], large_kernel: int = 5, bottlenecks: bool = True) -> list[Path]:
    """The four paths of figure 2b; without bottlenecks those of 2a, the naive version."""
    one, reduce3, three, reduce5, five, projected = widths
    if not bottlenecks:
        return [[(one, 1)], [(three, 3)], [(five, large_kernel)], ["max"]]
    return [
        [(one, 1)],
        [(reduce3, 1), (three, 3)],
        [(reduce5, 1), (five, large_kernel)],
        ["max", (projected, 1)],
    ]


class AuxiliaryHead(nn.Module):
    """A classifier half-way up, which feeds gradient to the layers beneath it (section 5).

    (N, C, H, W) -> logits (N, num_classes).

    Args:
        in_channels: channels that come in.
        conv: makes a convolution with its activation.
        pool: what takes a 14x14 map to 4x4; other maps end at 4x4 as well.
        num_classes: classes to tell apart.
    """

    def __init__(self, in_channels: int, conv: Any, pool: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.Sequential(pool, nn.AdaptiveAvgPool2d(4))
        self.conv = conv(in_channels, 128, 1)  # (N, 128, 4, 4)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a feature map."""
        hidden = self.relu(self.fc1(self.conv(self.pool(x)).flatten(1)))
        return self.fc2(self.dropout(hidden))


class GoogLeNet(nn.Module):
    """A stem, nine Inception modules, global average pooling, one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes). Modules are called nearly as in torchvision. The paper
    writes of no initialisation and gives no constants for the response normalisation that its figure 3
    draws: he_normal and Caffe's constants stand here.

    Args:
        modules: widths of each module as in table 1, None for a max pool, by name.
        stem_widths: channels of the 7x7, the 1x1 and the 3x3 convolution before the modules.
        bottlenecks: False builds figure 2a's naive modules: no 1x1 before 3x3 and 5x5 and none behind the
            pooling, which hands on all the channels that came in. The paper gives such a network no widths;
            its other branches keep those of table 1 here.
        norm: batch normalisation after each convolution in place of biases and response normalisation, the
            BN-GoogLeNet of Szegedy et al. 2016, table 3.
        torchvision: torchvision's network, whose weights then load: ``norm``, 3x3 kernels where the paper
            has 5x5, 2x2 windows in the last max pool, other windows in the auxiliary heads' pooling.
        aux: auxiliary heads on 4a and 4d; in training, forward then returns (logits, aux1, aux2).
        dropout: before the classifier.
        num_classes: classes to tell apart.
        in_channels: channels of the images.
    """

    def __init__(
        self,
        *,
        modules: Mapping[str, Sequence[int] | None] = MODULES,
        stem_widths: Sequence[int] = (64, 64, 192),
        bottlenecks: bool = True,
        norm: bool = False,
        torchvision: bool = False,
        aux: bool = False,
        dropout: float = 0.4,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.torchvision_names = NAMES if aux else NAMES | {r"^aux\d.*": ""}
        norm = norm or torchvision
        build = Builder(partial(ConvNorm, eps=1e-3) if norm else conv_relu)
        first, reduced, channels = stem_widths
        lrn = [] if norm else [nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)]
        self.conv1 = build.conv(in_channels, first, 7, 2)  # (N, 64, 112, 112)
        self.maxpool1 = nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), *lrn)
        self.conv2 = nn.Sequential(build.conv(first, reduced, 1), build.conv(reduced, channels, 3))
        self.maxpool2 = nn.Sequential(*lrn, nn.MaxPool2d(3, 2, ceil_mode=True))
        pools = [3, 3]
        self.body = list(modules)
        self.heads = HEADS if aux else {}
        self.least_training = 1
        for name, widths in modules.items():
            if widths is None:
                pools.append(2 if torchvision and name == "maxpool4" else 3)
                self.add_module(name, nn.MaxPool2d(pools[-1], 2, ceil_mode=True))
                continue
            paths = inception(widths, 3 if torchvision else 5, bottlenecks)
            module, channels = build.branches(channels, paths)
            self.add_module(name, module)
            if name in self.heads:
                pool = nn.Identity() if torchvision else nn.AvgPool2d(5, 3)
                self.add_module(HEADS[name], AuxiliaryHead(channels, build.conv, pool, num_classes))
                self.least_training = max(self.least_training, _least(1 if torchvision else 5, pools))
        self.least = _least(1, pools)
        self.least_training = max(self.least, self.least_training)  # the heads' windows of 5x5 must fit
        self.avgpool, self.dropout = nn.AdaptiveAvgPool2d(1), nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Any:
        """Logits of images; with ``aux``, in training, those of the auxiliary heads as well."""
        require_image(x, self.in_channels, self.least_training if self.training else self.least)
        x = self.maxpool1(self.conv1(x))  # 224: (N, 64, 56, 56)
        x = self.maxpool2(self.conv2(x))  # (N, 192, 28, 28)
        extra = []
        for name in self.body:
            x = self.get_submodule(name)(x)  # 28, 14, 7
            if self.training and name in self.heads:
                extra.append(self.get_submodule(self.heads[name])(x))
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return (logits, *extra) if extra else logits


def _least(side: int, pools: Sequence[int]) -> int:
    """The smallest image that leaves ``side`` pixels behind the stem's convolution and these pools."""
    for kernel in reversed(pools):
        side = 2 * side - 3 + kernel
    return 2 * side - 1


NAMES = {  # torchvision's -> ours: branch, step, then convolution or normalisation
    r"^conv2\.": "conv2.0.",
    r"^conv3\.": "conv2.1.",
    r"\.conv\.weight": ".0.weight",
    r"\.bn\.": ".1.",
    r"\.branch1\.": ".0.0.",
    r"\.branch2\.": ".1.",
    r"\.branch3\.": ".2.",
    r"\.branch4\.": ".3.",
}
VARIANTS: dict[str, dict[str, Any]] = {"googlenet": {}, "inception_naive": {"bottlenecks": False}}

register(GoogLeNet, VARIANTS, family="googlenet", paper="szegedy2015going", year=2015, **IMAGENET)

"""ResNet and its kin: plain twins, ResNeXt, and the same bodies with attention.

He et al. 2016 (residual), Xie et al. 2017 (cardinality), Hu et al. 2018 (squeeze-and-excitation),
Woo et al. 2018 (CBAM), Roy et al. 2018 (scSE), and stochastic depth as an option. One class builds them
all; parameters are named as in torchvision, so that its weights load.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.drop import linear_decay
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import CIFAR, IMAGENET, register
from convbook.models.resnet_blocks import BasicBlock, Bottleneck


class ResNet(nn.Module):
    """A stem, stages of equal blocks, global average pooling, one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        block: BasicBlock or Bottleneck.
        depths: blocks in each stage; every stage but the first halves height and width.
        widths: width of each stage's blocks, which put out ``width * block.expansion`` channels; the
            stem puts out ``widths[0]``. The rightmost may be left unused: stages are as many as depths.
        cardinality: groups of a bottleneck's 3x3 convolution.
        base_width: channels a group where the stage's width is 64.
        attention: None, "se", "cmpe", "cbam" or "scse": applied to each block's branch before the sum.
        reduction: how much narrower than its channels an attention gate is.
        shortcut: where the shape changes, "A" pads with zeros and "B" projects; "C" always projects.
        residual: False leaves every shortcut out: a plain network.
        stem: "imagenet" (7x7 at stride 2, then pooling) or "cifar" (3x3 at stride 1).
        stride_in: which convolution of a bottleneck strides, "3x3" or "1x1".
        stochastic_depth: how often training drops the last block's branch; rates of the others grow linearly
            up to it (Huang et al. 2016, section 3). The paper takes 0.5.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if an option is unknown or channel counts do not divide into groups.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        cardinality: int = 1,
        base_width: int = 64,
        attention: str | None = None,
        reduction: int = 16,
        shortcut: str = "B",
        residual: bool = True,
        stem: str = "imagenet",
        stride_in: str = "3x3",
        stochastic_depth: float = 0.0,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not 0 < len(depths) <= len(widths):
            raise ValueError(f"depths={tuple(depths)} needs as many widths, got widths={tuple(widths)}")
        options: dict[str, Any] = {
            "cardinality": cardinality,
            "base_width": base_width,
            "stride_in": stride_in,
            "attention": attention,
            "reduction": reduction,
            "shortcut": shortcut,
            "residual": residual,
        }
        self.in_channels = in_channels
        channels = widths[0]
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False)
            pool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1)
        elif stem == "cifar":
            self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
            pool = nn.Identity()
        else:
            raise ValueError(f'stem={stem!r} is unknown: take "imagenet" or "cifar"')
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = pool

        rates = iter(linear_decay(stochastic_depth, sum(depths)))
        self.stages = [f"layer{i}" for i in range(1, len(depths) + 1)]
        for i, (name, depth, width) in enumerate(zip(self.stages, depths, widths, strict=False)):
            blocks = []
            for j in range(depth):
                stride = 2 if i > 0 and j == 0 else 1
                blocks.append(block(channels, width, stride, drop_rate=next(rates), **options))
                channels = width * block.expansion
            self.add_module(name, nn.Sequential(*blocks))

        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        self.least = (4 if stem == "imagenet" else 1) * 2 ** (len(depths) - 1)
        self.hint = 'resize them, or build with stem="cifar"' if stem == "imagenet" else "resize them"
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, self.hint)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # 224: (N, 64, 56, 56)
        for name in self.stages:
            x = self.get_submodule(name)(x)  # 56, 28, 14, 7
        return self.fc(self.avgpool(x).flatten(1))


def _variants(block: type, depths: dict[str, tuple[int, ...]], **kwargs: Any) -> dict[str, dict[str, Any]]:
    """One entry a name, alike but for its depths."""
    return {name: dict(block=block, depths=each, **kwargs) for name, each in depths.items()}


D18, D34, D50, D101, D152 = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)
SMALL: dict[str, Any] = {"stem": "cifar", "widths": (16, 32, 64)}
SE: dict[str, Any] = {"attention": "se"}
CBAM: dict[str, Any] = {"attention": "cbam"}

RESNETS = {
    **_variants(BasicBlock, {"resnet18": D18, "resnet34": D34}),
    **_variants(Bottleneck, {"resnet50": D50, "resnet101": D101, "resnet152": D152}),
    **_variants(BasicBlock, {"plain18": D18, "plain34": D34}, residual=False),
}
RESNETS_CIFAR = {  # 6 n + 2 layers
    **_variants(
        BasicBlock,
        {f"resnet{6 * n + 2}_cifar": (n, n, n) for n in (3, 5, 7, 9, 18, 200)},
        shortcut="A",
        **SMALL,
    ),
    **_variants(BasicBlock, {f"plain{6 * n + 2}_cifar": (n, n, n) for n in (3, 9)}, residual=False, **SMALL),
}
RESNEXTS = {
    **_variants(Bottleneck, {"resnext50_32x4d": D50, "resnext101_32x4d": D101}, cardinality=32, base_width=4),
    **_variants(Bottleneck, {"resnext101_64x4d": D101}, cardinality=64, base_width=4),
}
RESNEXTS_CIFAR = {
    f"resnext29_{c}x64d_cifar": {
        "block": Bottleneck,
        "depths": (3, 3, 3),
        "cardinality": c,
        "base_width": 64,
        "stem": "cifar",
        "widths": (64, 128, 256),
    }
    for c in (8, 16)
}
SE_RESNETS = {
    **_variants(Bottleneck, {"se_resnet50": D50, "se_resnet101": D101, "se_resnet152": D152}, **SE),
    "se_resnext50_32x4d": RESNEXTS["resnext50_32x4d"] | SE,
}
CBAM_RESNETS = {f"cbam_{name}": RESNETS[name] | CBAM for name in ("resnet18", "resnet34", "resnet50")}


def _on_cifar(attention: str, **kwargs: Any) -> dict[str, dict[str, Any]]:
    """ResNet-20 with a gate in each block."""
    name = f"{attention}_resnet20_cifar"
    return {name: RESNETS_CIFAR["resnet20_cifar"] | dict(attention=attention, **kwargs)}


register(ResNet, RESNETS, family="resnet", paper="he2016deep", year=2016, **IMAGENET)
register(ResNet, RESNETS_CIFAR, family="resnet", paper="he2016deep", year=2016, **CIFAR)
register(ResNet, RESNEXTS, family="resnext", paper="xie2017aggregated", year=2017, **IMAGENET)
register(ResNet, RESNEXTS_CIFAR, family="resnext", paper="xie2017aggregated", year=2017, **CIFAR)
register(ResNet, SE_RESNETS, family="se_resnet", paper="hu2018squeeze", year=2018, **IMAGENET)
register(ResNet, _on_cifar("se"), family="se_resnet", paper="hu2018squeeze", year=2018, **CIFAR)
register(ResNet, _on_cifar("cmpe"), family="se_resnet", paper="hu2018competitive", year=2018, **CIFAR)
register(ResNet, CBAM_RESNETS, family="cbam_resnet", paper="woo2018cbam", year=2018, **IMAGENET)
register(ResNet, _on_cifar("cbam"), family="cbam_resnet", paper="woo2018cbam", year=2018, **CIFAR)
register(
    ResNet,
    _on_cifar("scse", reduction=2),
    family="scse_resnet",
    paper="roy2018concurrent",
    year=2018,
    **CIFAR,
)

"""Slips about pooling, strides and other operators."""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import vgg16

from convbook.errata.erratum import dropped, erratum
from convbook.layers.transposed import TransposedConv2d
from convbook.models import create_model
from convbook.profile import profile
from convbook.shapes import ShapesOnly


@erratum(
    3,
    "Pooling and strides do not save parameters",
    kind="wrong",
    said="Max pooling and strided convolutions are ways to reduce the number of parameters.",
    source="a lecture on efficient networks",
    papers=("springenberg2015striving",),
)
def pooling_saves_macs() -> str:
    """A convolution has as many weights on a small map as on a large one.

    What falls is its output and its multiply-accumulates; parameters fall only in a linear layer that reads
    the flattened map. A strided convolution in pooling's place even adds weights.
    """
    c = 64
    before, after = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)
    ways = {
        "none": nn.Sequential(before, after),
        "pooling": nn.Sequential(before, nn.MaxPool2d(2), after),
        "2x2": nn.Sequential(before, nn.Conv2d(c, c, 2, stride=2, bias=False), after),
    }
    costs = {way: profile(net, (c, 32, 32)) for way, net in ways.items()}
    second = [costs[way].rows[-1].macs for way in ("none", "pooling")]
    assert costs["pooling"].params == costs["none"].params and second[0] == 4 * second[1]
    added = costs["2x2"].params - costs["none"].params
    assert added == 4 * c**2
    return (
        f"With and without pooling two layers have {costs['none'].params:,} parameters; the second one's MACs "
        f"fall from {second[0]:,} to {second[1]:,}. A 2×2 convolution at stride 2 adds {added:,} weights."
    )


@erratum(
    4,
    "A 5×5 map pooled to 3×3",
    kind="imprecise",
    said="Max pooling with 2×2 windows at stride 2 turns a map of 5×5 into one of 3×3.",
    source="a lecture on efficient networks",
)
def pooling_rounds_down() -> str:
    """The last row and column do not fill a window: PyTorch drops them by default and gives 2×2.

    3×3 comes out with `ceil_mode=True`, which pools what is left at the border, as Caffe does.
    """
    rows = ((0, 1, 0, 0, 0), (0, 1, 1, 1, 0), (1, 0, 1, 2, 1), (1, 4, 2, 1, 0), (0, 0, 1, 2, 1))
    image = torch.tensor(rows, dtype=torch.float32)[None]
    default = F.max_pool2d(image, 2)[0].int().tolist()
    ceiled = F.max_pool2d(image, 2, ceil_mode=True)[0].int().tolist()
    assert default == [[1, 1], [4, 2]]
    assert ceiled == [[1, 1, 0], [4, 2, 1], [0, 2, 1]]
    return f"PyTorch's default gives {default}, `ceil_mode=True` gives {ceiled}."


@erratum(
    5,
    "A 2×2 convolution is not a kind of pooling",
    kind="imprecise",
    said="A 2×2 convolution at stride 2 is pooling with a weighted sum, and a 1×1 one at stride 2 is cheaper.",
    source="a lecture on efficient networks",
    papers=("springenberg2015striving",),
)
def strided_convolution_is_not_pooling() -> str:
    """Pooling treats each channel by itself, which a full convolution does not.

    Its convolutional relative is the depthwise one, and only for the average; the maximum is not linear. A
    1×1 convolution at stride 2 reads one position of each four and throws the rest away.
    """
    x = torch.randn(1, 8, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    average = torch.full((8, 1, 2, 2), 0.25, dtype=torch.float64)
    assert torch.allclose(F.conv2d(x, average, stride=2, groups=8), F.avg_pool2d(x, 2))
    assert not torch.allclose(F.max_pool2d(-x, 2), -F.max_pool2d(x, 2))
    dense, depthwise = nn.Conv2d(8, 8, 2, 2, bias=False), nn.Conv2d(8, 8, 2, 2, groups=8, bias=False)
    weights = [layer.weight.numel() for layer in (dense, depthwise)]
    x.requires_grad_()
    F.conv2d(x, torch.ones(8, 8, 1, 1, dtype=torch.float64), stride=2).sum().backward()
    assert x.grad is not None
    read = float((x.grad != 0).double().mean())
    assert (weights, read) == ([8 * 8 * 4, 8 * 4], 0.25)
    return (
        f"For 8 channels a 2×2 convolution has {weights[0]} weights, average pooling is a depthwise one of "
        f"{weights[1]}; the 1×1 convolution at stride 2 reads {read:.0%} of its input."
    )


dropped(
    6,
    "A quotation against pooling",
    said="Pooling is a big mistake whose success is a disaster: an argument for strided convolutions.",
    source="a lecture on efficient networks, quoting without a source",
    reason=(
        "A quotation is a matter of record. The words are Geoffrey Hinton's, from a public question-and-answer "
        "session on Reddit in November 2014. They argue that networks should represent the pose of parts, "
        "which pooling loses and a strided convolution does not give either; they say nothing in its favour."
    ),
)

dropped(
    97,
    "Who won what in 2015",
    said="Residual networks won all competitions of ILSVRC and COCO in 2015.",
    source="a lecture on segmentation networks",
    reason=(
        "A matter of record. {cite:t}`he2016deep` name five first places: ImageNet classification, detection "
        "and localisation, COCO detection and segmentation. ILSVRC 2015 had two further tracks, detection in "
        "video and scene classification, which other teams won."
    ),
    papers=("he2016deep",),
)


@erratum(
    100,
    "ENet does not shrink maps as VGG does",
    kind="wrong",
    said="ENet changes the number and size of maps in a way that keeps information, the same as VGG.",
    source="a lecture on segmentation networks",
    papers=("paszke2016enet",),
)
def enet_pools_beside_a_convolution() -> str:
    """ENet runs a strided convolution and max pooling side by side, as Inception's reductions do.

    VGG pools first and widens afterwards, through a bottleneck; {cite:t}`paszke2016enet` name that as what
    they avoid.
    """
    image = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    block = create_model("enet").initial
    joined: list[torch.Tensor] = []
    block.norm.register_forward_pre_hook(lambda module, given: joined.append(given[0]))
    block(image)
    pooled = F.max_pool2d(image, 2)
    assert torch.equal(joined[0][:, -3:], pooled)
    with torch.device("meta"), ShapesOnly():
        layers = list(vgg16(weights=None).features)
    after = [layers[i + 1] for i, layer in enumerate(layers[:-1]) if isinstance(layer, nn.MaxPool2d)]
    widening = [c for c in after if c.out_channels == 2 * c.in_channels]
    assert len(widening) == 3
    return (
        f"ENet's first block puts {block.conv.out_channels} convolved and {pooled.shape[1]} pooled maps side "
        f"by side. In VGG-16 {len(widening)} of {len(after)} poolings are followed by a convolution that "
        "doubles the maps."
    )


@erratum(
    101,
    "Transposed convolution is no deconvolution",
    kind="imprecise",
    said="Transposed, fractionally strided, backward strided convolution and deconvolution are one thing.",
    source="a lecture on segmentation networks",
    papers=("zeiler2014visualizing",),
)
def transposed_does_not_undo() -> str:
    """The layer is the backward pass of a strided convolution, so that this name fits.

    Deconvolution means to undo a convolution: the transpose gives back the shape and not the values.
    """
    torch.manual_seed(0)
    up = TransposedConv2d(1, 1, kernel_size=3, stride=2).double()
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    small = F.conv2d(x, up.weight, stride=2, padding=1)
    back = up(small)
    (gradient,) = torch.autograd.grad(small, x, small)
    assert torch.allclose(back, gradient) and back.shape == x.shape
    scale = (back * x).sum() / (back * back).sum()  # the best that a factor could do
    missed = ((scale * back - x).norm() / x.norm()).item()
    assert missed > 0.5
    return (
        f"An image of {x.shape[-1]}×{x.shape[-1]} goes through a convolution to {small.shape[-1]}×"
        f"{small.shape[-1]} and back: the result equals the gradient exactly, and misses the image by "
        f"{missed:.0%} of its norm."
    )

"""Residual and dense networks."""

import torch
from torch import nn

from convbook.claims import load_claims
from convbook.claims.quantities import profile_of
from convbook.errata.erratum import dropped, erratum
from convbook.models import create_model
from convbook.models.resnet_blocks import BasicBlock
from convbook.profile import Profile
from convbook.shapes import ShapesOnly


def _profile(model: str, **overrides: object) -> Profile:
    """What a network costs at the size of its paper's images."""
    return profile_of(model, overrides)


def _printed(paper: str, model: str, quantity: str, where: str, protocol: str = "") -> float:
    """The one value that a paper prints of a network under a protocol."""
    values = {
        claim.value
        for claim in load_claims(paper, model, where)
        if claim.quantity == quantity and protocol in claim.protocol
    }
    (value,) = values
    return value


@erratum(
    7,
    "Dense connections against computation",
    kind="imprecise",
    said="Connecting more is said to compute less, beside a comparison of ResNet-18 with DenseNet-121.",
    source="a lecture on dense networks",
    papers=("huang2017densely", "he2016deep"),
)
def denser_is_not_cheaper_here() -> str:
    """Parameters fall from the one to the other, multiply-accumulates rise.

    The claim holds against residual networks of like error: DenseNet-121 takes fewer of both than
    ResNet-50.
    """
    resnet18, resnet50, dense = (_profile(name) for name in ("resnet18", "resnet50", "densenet121"))
    assert dense.params < resnet18.params and dense.macs > resnet18.macs
    assert dense.params < resnet50.params and dense.macs < resnet50.macs
    return (
        f"From ResNet-18 to DenseNet-121 parameters fall from {resnet18.params:,} to {dense.params:,}, but "
        f"MACs rise from {resnet18.macs:,} to {dense.macs:,}; ResNet-50 takes {resnet50.macs:,}."
    )


@erratum(
    8,
    "DenseNet-121's error",
    kind="wrong",
    said="DenseNet-121 has an error of 25.03 %, beside 30.43 % for ResNet-18.",
    source="a lecture on dense networks",
    papers=("huang2017densely", "he2016deep"),
)
def a_hundredth_of_another_network() -> str:
    """The paper prints 25.02 for one crop, in its table 3.

    25.03 is what ten crops give ResNet-34 in {cite:t}`he2016deep`, table 2; the same ten crops give
    DenseNet-121 less.
    """
    one, ten = (
        _printed("huang2017densely", "densenet121", "top1_error", "Table 3", crops)
        for crops in ("1 crop", "10 crops")
    )
    resnet34 = _printed("he2016deep", "resnet34", "top1_error", "Table 2")
    assert ten < one < 25.03 == resnet34
    return f"DenseNet-121: {one} % with one crop, {ten} % with ten; {resnet34} % is ResNet-34 with ten."


@erratum(
    12,
    "VGG-56 and VGG-110",
    kind="wrong",
    said="Loss surfaces of networks called VGG-56 and VGG-110 are shown beside one of ResNet-56.",
    source="a lecture on dense networks",
    papers=("he2016deep",),
)
def plain_networks_are_no_vgg() -> str:
    """No VGG has so many layers; the depths are those of 6n + 2 layers.

    They are the CIFAR networks of {cite:t}`he2016deep` with their shortcuts taken out, as the page of
    the surfaces' authors says.
    """
    depths = {}
    for n in (9, 18):
        plain, residual = (
            _profile("resnet20_cifar", depths=(n, n, n), residual=keep, shortcut="A")
            for keep in (False, True)
        )
        assert plain.params == residual.params  # a padding shortcut has none
        depths[sum(row.kind in ("Conv2d", "Linear") for row in plain.rows)] = plain.params
    vgg = _profile("vgg16").params
    assert list(depths) == [56, 110] and vgg > 50 * max(depths.values())
    return (
        f"6n + 2 layers with n = 9 and 18 are {' and '.join(map(str, depths))}, of "
        f"{' and '.join(f'{n:,}' for n in depths.values())} parameters; VGG-16 has {vgg:,}."
    )


@erratum(
    39,
    "What a residual branch has to learn",
    kind="wrong",
    said="A plain block cannot reach the identity since a solver never makes H(x) - x zero; writing the same "
    "equation as H(x) = F(x) + x is called the solution.",
    source="a lecture on residual networks",
    papers=("he2016deep",),
)
def zero_is_near_and_the_identity_far() -> str:
    """Moving x to the other side changes no function that can be represented.

    What changes is which weights represent the identity: zeros in the last layer of a residual branch,
    and zeros are near to where weights start. A plain stack whose weights shrink loses its input
    instead.
    """
    torch.manual_seed(0)
    x = torch.rand(1, 8, 12, 12)
    off = {}
    for residual in (True, False):
        block = BasicBlock(8, 8, residual=residual).eval()
        with torch.no_grad():
            for conv in (block.conv1, block.conv2):
                conv.weight.mul_(0.1)  # small weights
            off[residual] = ((block(x) - x).norm() / x.norm()).item()
    assert off[True] < 0.05 and off[False] > 0.9
    return (
        f"With small random weights a residual block is {off[True]:.1%} of its input away from the identity, "
        f"the same block without shortcut {off[False]:.1%}."
    )


@erratum(
    40,
    "Plain against residual with 18 and 34 layers",
    kind="wrong",
    said="Plain-18 beats ResNet-18, and with 34 layers the plain network is still comparable.",
    source="a lecture on residual networks",
    papers=("he2016deep",),
)
def plain_18_does_not_win() -> str:
    """The table beside the sentence has the residual network ahead with 18 layers, by next to nothing.

    With 34 layers the gap is large, and the plain network does worse than the shallower plain one,
    which is the degradation that the paper set out to explain.
    """
    plain18, residual18, plain34, residual34 = (
        _printed("he2016deep", name, "top1_error", "Table 2")
        for name in ("plain18", "resnet18", "plain34", "resnet34")
    )
    assert residual18 < plain18 < plain34 and residual34 < residual18
    return (
        f"18 layers: {plain18} % plain, {residual18} % residual. 34 layers: {plain34} % and {residual34} %, "
        f"a gap of {plain34 - residual34:.2f} points where it was {plain18 - residual18:.2f}."
    )


@erratum(
    41,
    "Shortcuts without parameters, and what reduces the image",
    kind="imprecise",
    said="Shortcuts bring neither parameters nor computation; conv3_1, conv4_1 and conv5_1 downsample.",
    source="a lecture on residual networks; He et al. 2016, caption of table 1",
    papers=("he2016deep",),
)
def only_identity_is_free() -> str:
    """Identity and padding (option A) are free, the projections of options B and C are not.

    Table 3 tries both, and bottlenecks take B. Before the three blocks the first convolution and the
    maximum pooling, which the lecture's table leaves out, have already reduced each side by four.
    """
    params = {option: _profile("resnet34", shortcut=option).params for option in "ABC"}
    plain, network = _profile("plain34"), _profile("resnet50")
    assert params["A"] == plain.params < params["B"] < params["C"]
    sides = [network.layer(name).output_shape[-1] for name in ("conv1", "maxpool", "layer4")]
    assert sides == [112, 56, 7]
    return (
        f"Beside the {plain.params:,} parameters of plain-34, options A, B and C add "
        f"{', '.join(f'{n - plain.params:,}' for n in params.values())}. From 224 pixels the first "
        f"convolution leaves {sides[0]}, pooling {sides[1]}, the blocks {sides[2]}."
    )


@erratum(
    42,
    "Errors of different protocols in one table",
    kind="imprecise",
    said="ResNet-34 has 25.03 % in one table and 21.84 % in the next, ResNet-50 20.74 % in one lecture and "
    "24.7 % in another, with no word on how they were measured.",
    source="two lectures on residual networks",
    papers=("he2016deep",),
)
def protocols_move_more_than_networks() -> str:
    """Ten crops, crops of several scales, or one in the centre: each has its own number.

    The distance between protocols is that between networks. A number needs its protocol, and the ledger
    keeps both together.
    """
    errors = {
        name: [_printed("he2016deep", name, "top1_error", where) for where in ("Table 3", "Table 4")]
        for name in ("resnet50", "resnet101", "resnet152")
    }
    by_protocol = [ten - scales for ten, scales in errors.values()]
    by_depth = errors["resnet50"][0] - errors["resnet152"][0]
    assert min(by_protocol) > by_depth > 0
    return (
        f"From ten crops to several scales the error falls by {min(by_protocol):.2f} to "
        f"{max(by_protocol):.2f} points, from ResNet-50 to ResNet-152 at ten crops by {by_depth:.2f}."
    )


@erratum(
    43,
    "Two costs of ResNet-50",
    kind="contradiction",
    said="ResNet-50 takes 3.8 billion FLOPs in one table and 4.1 billion in another.",
    source="He et al. 2016, table 1; Xie et al. 2017, table 1",
    papers=("he2016deep", "xie2017aggregated"),
)
def the_stride_moves() -> str:
    """Both count multiply-accumulates, of two networks.

    The first strides in a bottleneck's first 1×1 convolution, the second in its 3×3, which then works
    on the larger map; libraries build the second. The first rounds to 3.9 billion and not to the
    printed 3.8.
    """
    early, late = (_profile("resnet50", stride_in=which) for which in ("1x1", "3x3"))
    assert early.params == late.params and round(early.macs / 1e9, 1) == 3.9
    assert round(late.macs / 1e9, 1) == 4.1
    return f"Stride in the 1×1: {early.macs:,} MACs; in the 3×3: {late.macs:,}; parameters are the same."


@erratum(
    44,
    "Best runs against means",
    kind="contradiction",
    said="Highway networks have 7.72 % and ResNet-110 has 6.43 % on CIFAR-10, in a column without a heading; "
    "elsewhere highway networks have 7.54 %.",
    source="two lectures on residual networks; He et al. 2016, table 6",
    papers=("he2016deep",),
)
def best_with_best_and_mean_with_mean() -> str:
    """The column is the error in per cent, and both networks were trained several times.

    7.54 and 6.43 are the best runs, 7.72 and 6.61 the means; a mean against a best run makes the gap
    look wider than it is.
    """
    best, mean = (
        [
            _printed("he2016deep", name, "cifar10_error", "Table 6", kind)
            for name in ("highway19_cifar", "resnet110_cifar")
        ]
        for kind in ("best", "mean")
    )
    mixed = mean[0] - best[1]
    assert all(a < b for a, b in zip(best, mean, strict=True))
    assert mixed > max(best[0] - best[1], mean[0] - mean[1])
    return (
        f"Best against best the gap is {best[0] - best[1]:.2f} points, mean against mean "
        f"{mean[0] - mean[1]:.2f}, mean against best {mixed:.2f}."
    )


dropped(
    45,
    "Regularisation by design",
    said="Residual networks only impose regularisation, where others took maxout or dropout.",
    source="a lecture on residual networks",
    reason="A matter of wording with nothing to compute. What can be said from the networks is that those of "
    "He et al. 2016 hold no maxout and no dropout, and that they are thin; that this regularises by design "
    "is the authors' reading.",
    papers=("he2016deep",),
)


@erratum(
    46,
    "Adding and concatenating",
    kind="contradiction",
    said="A dense block adds all layers to all next ones; a line later, maps are concatenated, never summed.",
    source="a lecture on residual networks",
    papers=("huang2017densely",),
)
def dense_blocks_concatenate() -> str:
    """They are concatenated: the block's output still holds its input, which a sum does not."""
    block = create_model("densenetbc100_12_cifar").get_submodule("features.denseblock1").eval()
    x = torch.randn(1, 24, 8, 8)
    out = block(x)
    assert torch.equal(out[:, :24], x)
    layers = len(list(block.children()))
    return f"{layers} layers turn {x.shape[1]} maps into {out.shape[1]}, the first {x.shape[1]} unchanged."


@erratum(
    47,
    "The memory of a small DenseNet",
    kind="wrong",
    said="The largest DenseNet has 26 Mb of parameters, and DenseNet-BC of 100 layers with 0.8 million takes "
    "more than 8 GB.",
    source="a lecture on residual networks",
    papers=("huang2017densely",),
)
def eight_gigabytes_are_of_another_network() -> str:
    """26 Mb would be megabits: it is 25.6 million parameters.

    The authors' repository gives 5,452 MB for the small network in mini-batches of 64, and 8.3 GB for
    the large one when it is trained memory-efficiently. Without a batch size a statement of memory says
    nothing, since what layers put out grows with it; copies that concatenation makes come on top.
    """
    small, large = _profile("densenetbc100_12_cifar"), _profile("densenetbc190_40_cifar")
    gib = 64 * small.activation_bytes / 2**30
    enough = 8 * 2**30 // small.activation_bytes
    assert round(large.params / 1e6, 1) == 25.6 and round(small.params / 1e6, 1) == 0.8
    assert gib < 5452 / 1024 < 8 and enough > 64
    return (
        f"{large.params:,} and {small.params:,} parameters; what the small network's layers put out takes "
        f"{gib:.1f} GiB in mini-batches of 64, and 8 GiB in those of {enough}."
    )


@erratum(
    71,
    "Degradation, solved",
    kind="imprecise",
    said="Residual networks solve the degradation, and accuracy rises with depth.",
    source="a lecture on wide and residual networks",
    papers=("he2016deep",),
)
def deeper_still_is_worse_again() -> str:
    """Up to 110 layers the error on CIFAR-10 falls; with 1,202 it is higher again.

    The paper sees another cause there: training goes well, and the network is too large for the data.
    """
    depths = (20, 32, 44, 56, 110, 1202)
    errors = [
        min(c.value for c in load_claims("he2016deep", f"resnet{n}_cifar") if c.quantity == "cifar10_error")
        for n in depths
    ]
    assert errors[:5] == sorted(errors[:5], reverse=True) and errors[5] > errors[2]
    return f"Errors with {', '.join(map(str, depths))} layers: {', '.join(map(str, errors))} %."


@erratum(
    76,
    "Which network has 10.2 million parameters",
    kind="wrong",
    said="ResNet-1202 has 10.2 million parameters and 27.82 % on CIFAR-100; so it has with stochastic depth.",
    source="a lecture on wide and residual networks; Huang et al. 2017, table 2",
    papers=("he2016deep", "he2016identity", "huang2017densely"),
)
def the_network_of_1001_layers() -> str:
    """10.2 million and 27.82 % belong to ResNet-1001 of {cite:t}`he2016identity`.

    ResNet-1202 is built of pairs of 3×3 convolutions, has almost twice as many parameters, and
    stochastic depth takes none away.
    """
    with torch.device("meta"), ShapesOnly():
        deepest = create_model("resnet1202_cifar", stochastic_depth=0.5)
        network = create_model("preact_resnet1001_cifar")
    params = [sum(p.numel() for p in net.parameters()) for net in (deepest, network)]
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    without = params[1] - sum(p.numel() for norm in norms for p in norm.parameters())
    assert round(params[0] / 1e6, 1) == 19.4 and round(without / 1e6, 1) == 10.2
    assert _printed("he2016identity", "other:ResNet-1001", "cifar100_error", "Table 3") == 27.82
    return (
        f"ResNet-1202 has {params[0]:,} parameters; ResNet-1001 has {params[1]:,}, of which {without:,} are "
        "not batch normalisation's."
    )


@erratum(
    98,
    "Fully convolutional with a fully connected layer",
    kind="imprecise",
    said="Residual networks are fully convolutional by design, and end with average pooling and an FC layer.",
    source="a lecture on residual networks",
    papers=("he2016deep",),
)
def a_linear_layer_is_a_1x1_convolution() -> str:
    """Both can be said: behind global pooling a linear layer is a 1×1 convolution.

    Pooling lets any size in. Put before it, the linear layer gives scores at every place, whose mean is
    what the network says.
    """
    torch.manual_seed(0)
    network = create_model("resnet18", depths=(1, 1, 1, 1), num_classes=5).double().eval()
    images = torch.randn(1, 3, 160, 96, dtype=torch.float64)
    held: list[torch.Tensor] = []
    handle = network.get_submodule("layer4").register_forward_hook(lambda *args: held.append(args[2]))
    logits = network(images)
    handle.remove()
    weight, bias = network.get_parameter("fc.weight"), network.get_parameter("fc.bias")
    scores = nn.functional.conv2d(held[0], weight[:, :, None, None], bias)
    assert torch.allclose(scores.mean(dim=(2, 3)), logits)
    height, width = scores.shape[2:]
    return f"160×96 pixels give scores at {height}×{width} places, whose mean equals the logits in float64."

"""LeNet, AlexNet, ZFNet, network in network and VGG."""

import torch
import torch.nn.functional as F
from torch import nn

from convbook.claims import load_claims
from convbook.errata.erratum import dropped, erratum
from convbook.layers.response_norm import response_norm
from convbook.models import create_model, describe
from convbook.models.lenet import LeNet5
from convbook.profile import count_params, profile


@erratum(
    14,
    "LeNet-5's subsampling is more than average pooling",
    kind="imprecise",
    said="LeNet-5 pools by plain 2×2 averages and squashes only after pooling; another deck has it max-pool.",
    source="two lectures on LeNet-5",
    papers=("lecun1998gradient",),
)
def subsampling_is_trained() -> str:
    """A unit of S2 or S4 adds four inputs up, times a trained coefficient, plus a trained bias, and squashes.

    The convolutions in front squash as well: the paper's section II.B says so of all layers up to F6.
    """
    net, read = LeNet5(), []
    net.s2.register_forward_hook(lambda _, inputs, __: read.append(inputs[0]))
    net(100 * torch.randn(1, 1, 32, 32))
    largest = read[0].abs().max().item()
    assert largest <= 1.7159  # where LeCun's tanh ends
    s2, s4, average = count_params(net.s2), count_params(net.s4), count_params(nn.AvgPool2d(2))
    assert (s2, s4, average) == (2 * 6, 2 * 16, 0)
    return (
        f"S2 and S4 have {s2} and {s4} trained parameters, average pooling has {average}; even of images "
        f"with deviation 100, S2 reads nothing beyond {largest:.4f}, for C1 has squashed it."
    )


dropped(
    15,
    "Who first put ReLUs into a convolutional network",
    said="AlexNet was the first convolutional network with ReLUs; another deck doubts it.",
    source="two lectures on AlexNet",
    papers=("krizhevsky2012imagenet", "nair2010rectified", "fukushima1980neocognitron"),
    reason=(
        "A question of record. The AlexNet paper claims no such first: its section 3.1 takes the unit and "
        "its name from Nair and Hinton, and the cells of Fukushima's neocognitron were rectified in 1980. "
        "What can be said is that AlexNet showed them at the scale of ImageNet."
    ),
)


@erratum(
    16,
    "Response normalisation is not contrast normalisation",
    kind="wrong",
    said="AlexNet introduces local contrast normalisation.",
    source="a lecture on AlexNet, network in network and VGG",
    papers=("krizhevsky2012imagenet",),
)
def response_is_not_contrast() -> str:
    """AlexNet's is local *response* normalisation: it divides by neighbouring maps at the same place.

    It subtracts no mean and looks at no neighbouring pixel, which contrast normalisation does.
    """
    flat = torch.ones(1, 9, 5, 5, requires_grad=True)  # nothing in it contrasts
    unit = response_norm()(flat)[0, 4, 2, 2]
    (gradient,) = torch.autograd.grad(unit, flat)
    read = gradient[0].nonzero()
    assert len(read) == 5 and read[:, 1:].unique().item() == 2  # five maps, one place
    assert unit > 0.5
    return (
        f"A unit reads {len(read)} numbers, all at one place; of a flat image {100 * unit.item():.0f} % "
        f"stays, where contrast normalisation would leave nothing."
    )


@erratum(
    17,
    "Depth or width in AlexNet",
    kind="imprecise",
    said="Leaving out any convolution costs AlexNet 2 %: depth matters. Yet it improved by being larger.",
    source="a lecture on AlexNet",
    papers=("krizhevsky2012imagenet", "zeiler2014visualizing"),
)
def depth_counts_more_than_width() -> str:
    """The paper says it of the *middle* layers, about 2 % of top-1 each, and credits size as well.

    {cite:t}`zeiler2014visualizing` did the experiment both ways.
    """
    table = load_claims("zeiler2014visualizing", where="Table 3")
    rows = [c for c in table if c.quantity == "top1_error" and "validation" in c.protocol]
    error = {
        (c.model, c.overrides.get("hidden", 4096)): c.value for c in rows if "alexnet" in c.model.lower()
    }
    whole, wide = error["alexnet", 4096], error["alexnet", 8192]
    loss = error["other:AlexNet without layers 3 and 4", 4096] - whole
    growth = count_params("alexnet", hidden=8192) / count_params("alexnet")
    assert loss > 9 * (whole - wide) > 0 and growth > 2
    return (
        f"Trained anew without layers 3 and 4 it errs {loss:.1f} points more, {loss / 2:.2f} a layer; with "
        f"linear layers twice as wide and {growth:.1f} times the parameters, {whole - wide:.1f} points less."
    )


@erratum(
    18,
    "How AlexNet's weights start",
    kind="wrong",
    said="AlexNet draws the weights of its linear layers with a standard deviation of 0.005.",
    source="a lecture on AlexNet",
    papers=("krizhevsky2012imagenet",),
)
def alexnet_starts_alike_everywhere() -> str:
    """Section 5 of the paper draws all weights with 0.01; 0.005 is Caffe's replication.

    It also starts the biases of the second, fourth and fifth convolution and of the hidden linear layers
    at 1, so that their ReLUs pass something on from the first step.
    """
    modules = create_model("alexnet", hidden=512).modules()
    layers = [m for m in modules if isinstance(m, nn.Conv2d | nn.Linear)]
    linear = [layer.weight.std().item() for layer in layers[5:]]
    assert all(abs(deviation - 0.01) < 2e-4 for deviation in linear)
    ones = [i for i, m in enumerate(layers, start=1) if m.bias is not None and m.bias.min() == 1]
    assert ones == [2, 4, 5, 6, 7]
    *rest, last = ones
    return (
        f"The {len(linear)} linear layers start with deviations between {min(linear):.5f} and "
        f"{max(linear):.5f}; layers {', '.join(map(str, rest))} and {last} start with biases of 1."
    )


@erratum(
    19,
    "A 1×1 convolution is a linear layer",
    kind="imprecise",
    said="A linear layer approximates a perceptron and a 1×1 convolution approximates a linear layer; "
    "network in network proposes the fully convolutional network.",
    source="a lecture on network in network",
    papers=("lin2014network", "long2015fully"),
)
def pointwise_is_linear_exactly() -> str:
    """Nothing is approximated: a 1×1 convolution is the same linear layer at every place.

    The network has no other linear layer, so it takes images of any size; the name *fully convolutional
    network*, and maps of labels as its output, came with {cite:t}`long2015fully`.
    """
    weight = torch.randint(-9, 10, (8, 16)).double()
    images = torch.randint(-9, 10, (1, 16, 7, 7)).double()  # whole numbers, so that sums do not round
    sliding = F.conv2d(images, weight[:, :, None, None])
    everywhere = F.linear(images.movedim(1, -1), weight).movedim(-1, 1)
    equal = int((sliding == everywhere).sum())
    assert equal == sliding.numel() == 8 * 7 * 7
    assert not [row for row in profile("nin_cifar").rows if row.kind == "Linear"]
    return f"All {equal} outputs, {len(weight)} at each of {7 * 7} places, are equal to the last bit."


@erratum(
    20,
    "Pooling windows of network in network",
    kind="imprecise",
    said="Network in network max-pools over overlapping windows of 3×2.",
    source="a lecture on network in network",
    papers=("lin2014network",),
)
def windows_are_3x3_at_stride_2() -> str:
    """The author's files pool 3×3 at a stride of 2, by maximum and then by average.

    A window of 3×2 at its own stride would not overlap, and square maps would not stay square.
    """
    pools = [row for row in profile("nin_cifar").rows if row.kind in ("MaxPool2d", "AvgPool2d")]
    sides = [row.output_shape[-1] for row in pools]
    assert [(row.kernel_size, row.stride) for row in pools] == [((3, 3), (2, 2))] * 2
    literal = tuple(nn.MaxPool2d((3, 2))(torch.zeros(1, 1, 32, 32)).shape[-2:])
    assert sides == [16, 8] and literal[0] != literal[1]
    return (
        f"Of 32×32 the pools make {sides[0]}² and {sides[1]}²; a 3×2 window makes {literal[0]}×{literal[1]}."
    )


@erratum(
    21,
    "Network in network on ImageNet",
    kind="wrong",
    said="Network in network did not do well on ImageNet.",
    source="a lecture on network in network",
    papers=("lin2014network", "krizhevsky2012imagenet"),
)
def nin_is_a_small_alexnet() -> str:
    """The paper has no ImageNet experiment, and the author's later model is as good as AlexNet.

    In Caffe's model zoo he reports 59.36 % top-1 accuracy from one crop and a file of 29 MB, an eighth of
    AlexNet's; the computed sizes confirm it.
    """
    nin, alexnet = count_params("nin_imagenet"), count_params("alexnet")
    mib = 4 * nin / 2**20  # 4 bytes a parameter
    assert round(mib) == 29 and alexnet > 8 * nin
    errors = [c for c in load_claims("krizhevsky2012imagenet", "alexnet") if c.quantity == "top1_error"]
    ten_crops = next(c for c in errors if "one network, ten patches" in c.protocol)
    assert 100 - ten_crops.value < 59.36
    return (
        f"{nin:,} parameters are {mib:.1f} MiB, AlexNet has {alexnet / nin:.1f} times as many; its paper "
        f"reports {100 - ten_crops.value:.1f} % from ten crops."
    )


@erratum(
    22,
    "A table of VGG's configurations that does not add up",
    kind="wrong",
    said="Columns A, A-LRN, B, C, D and E list 5, 7, 10, 11, 11 and 11 convolutions beneath headings of 11, "
    "11, 13, 16, 16 and 19 layers.",
    source="a lecture on VGG, copying Simonyan and Zisserman's table 1",
    papers=("simonyan2015very",),
)
def copied_table_builds_other_networks() -> str:
    """Repeated cells got lost in copying; the paper's own table adds up.

    With three linear layers only column B has the layers of its heading, and D and E have become the same
    network.
    """
    copied = {"vgg11": (1, 1, 1, 1, 1), "vgg16": (1, 1, 3, 3, 3), "vgg19": (1, 1, 3, 3, 3)}
    wrong = [count_params(name, depths=depths) / 1e6 for name, depths in copied.items()]
    right = [count_params(name) / 1e6 for name in copied]
    for name, depths in copied.items():
        heading = int(name.removeprefix("vgg"))
        assert sum(depths) + 3 < heading == sum(describe(name).kwargs["depths"]) + 3
    assert wrong[1] == wrong[2] and right[1] < right[2]
    built, printed = (", ".join(f"{million:.2f}" for million in each) for each in (wrong, right))
    return f"Built as copied, A, D and E have {built} million parameters; as printed, {printed}."


def _vgg_errors(model: str, where: str) -> dict[str, float]:
    """Top-1 errors of a table by protocol."""
    claims = load_claims("simonyan2015very", model, where)
    return {c.protocol: c.value for c in claims if c.quantity == "top1_error"}


@erratum(
    23,
    "Deeper was not always better in VGG",
    kind="contradiction",
    said="The deeper the network, the smaller its error.",
    source="a lecture on VGG, beside Simonyan and Zisserman's tables 3 and 4",
    papers=("simonyan2015very",),
)
def error_saturates_at_19() -> str:
    """From 11 to 16 layers it holds; from 16 to 19 the tables printed beside it mostly disagree.

    The paper says that the error saturates.
    """
    pairs = []
    for table in ("Table 3", "Table 4"):
        d, e = _vgg_errors("vgg16", table), _vgg_errors("vgg19", table)
        pairs += [(d[protocol], e[protocol]) for protocol in d]
    worse = [f"{d} and {e}" for d, e in pairs if e > d]
    better = [pair for pair in pairs if pair[1] < pair[0]]
    assert len(worse) > len(better)
    return (
        f"With equal training and test scales 19 layers are worse than 16 in {len(worse)} of {len(pairs)} "
        f"rows ({'; '.join(worse)} %), better in {len(better)}."
    )


@erratum(
    24,
    "VGG's 1×1 convolutions did help",
    kind="imprecise",
    said="VGG tries 1×1 convolutions with unsatisfactory results: do not use them.",
    source="a lecture on VGG",
    papers=("simonyan2015very",),
)
def pointwise_beats_nothing() -> str:
    """They beat the network without them, at next to no parameters.

    3×3 convolutions in their place, which see neighbours too and cost more, beat both.
    """
    names = ("vgg13", "vgg16_c", "vgg16")
    b, c, d = (next(e for p, e in _vgg_errors(n, "Table 3").items() if "S = 256," in p) for n in names)
    assert d < c < b
    base, pointwise, full = map(count_params, names)
    return (
        f"Top-1 error falls from {b} to {c} % with three 1×1 convolutions ({(pointwise - base) / 1e6:.2f} "
        f"million parameters more) and to {d} % with 3×3 ones ({(full - base) / 1e6:.2f} million more)."
    )


@erratum(
    25,
    "Whose small kernels, and which receptive field",
    kind="imprecise",
    said="Smaller kernels and strides in front came from OverFeat; stacked 3×3 convolutions have the "
    "*effective* receptive field of a larger one.",
    source="three lectures on VGG",
    papers=("simonyan2015very", "zeiler2014visualizing", "luo2016understanding"),
)
def the_field_is_the_theoretical_one() -> str:
    """VGG's introduction names {cite:t}`zeiler2014visualizing` first and OverFeat second.

    What it calls effective is today the *theoretical* field, all that can be seen; effective is what
    weighs, and that {cite:t}`luo2016understanding` found to be far smaller.
    """
    image = torch.zeros(1, 1, 9, 9, requires_grad=True)
    box, x = torch.ones(1, 1, 3, 3), image
    for _ in range(3):
        x = F.conv2d(x, box, padding=1)
    seen = torch.autograd.grad(x[0, 0, 4, 4], image)[0][0, 0]
    pixels, centre = int((seen > 0).sum()), seen[3:6, 3:6].sum() / seen.sum()
    assert pixels == 7 * 7 and centre > 9 / pixels
    return (
        f"Three equal 3×3 convolutions see {pixels} pixels, yet the {9} in the middle, "
        f"{100 * 9 / pixels:.0f} % of them, carry {100 * centre.item():.0f} % of the weight."
    )


@erratum(
    26,
    "What VGG's depth costs",
    kind="imprecise",
    said="VGG's architectures have almost the same number of parameters, 133 to 144 million.",
    source="a lecture on VGG",
    papers=("simonyan2015very",),
)
def depth_costs_macs() -> str:
    """The numbers are right, since three linear layers hold most parameters in each.

    What depth costs here is computation.
    """
    a, e = profile("vgg11"), profile("vgg19")
    more, times = 100 * (e.params / a.params - 1), e.macs / a.macs
    assert more < 10 < 100 < 100 * (times - 1)
    share = 100 * a.layer("classifier").params / a.params
    return (
        f"From 11 to 19 layers parameters grow by {more:.0f} %, MACs {times:.1f}-fold, from "
        f"{a.macs / 1e9:.1f} to {e.macs / 1e9:.1f} billion; {share:.0f} % of A's parameters are linear."
    )


dropped(
    67,
    "The first deep convolutional network",
    said="AlexNet is the first deep convolutional architecture. Two dates on the slides disagree.",
    source="a lecture on spatial exploitation",
    papers=("krizhevsky2012imagenet", "ciresan2012multicolumn", "fukushima1980neocognitron"),
    reason=(
        "Deep is not defined, so there is nothing to compute: deep convolutional networks on GPUs won "
        "contests before, and the neocognitron stacked its layers in 1980. AlexNet was the first to win "
        "the ImageNet challenge. The dates are the slides' own."
    ),
)


@erratum(
    68,
    "The widths of ZFNet",
    kind="imprecise",
    said="ZFNet takes 512, 1024 and 512 filters in its last three convolutions.",
    source="a lecture on ZFNet",
    papers=("zeiler2014visualizing",),
)
def zfnet_keeps_alexnets_widths() -> str:
    """The network of the paper's figure 3, which it visualises, keeps AlexNet's 384, 384 and 256.

    The wider one is a variant of section 5.1: better on ImageNet, and far larger.
    """
    wide = {"widths": [96, 256, 512, 1024, 512]}
    rows = [c for c in load_claims("zeiler2014visualizing", "zfnet", "Table 2") if c.quantity == "top1_error"]
    figure3 = next(c.value for c in rows if not c.overrides)
    wider = next(c.value for c in rows if c.overrides == wide)
    sizes = [count_params("zfnet") / 1e6, count_params("zfnet", **wide) / 1e6]
    kept = [profile("zfnet").layer(f"features.{i}").output_shape[0] for i in (8, 10, 12)]
    assert kept == [384, 384, 256] and wider < figure3
    return (
        f"Figure 3, with {kept[0]}, {kept[1]} and {kept[2]}, has {sizes[0]:.1f} million parameters and errs "
        f"in {figure3} %; the variant has {sizes[1]:.1f} million and errs in {wider} %."
    )


@erratum(
    69,
    "Three 3×3 convolutions against one 7×7",
    kind="imprecise",
    said="The weights to compare are 3·3² and 7².",
    source="a lecture on VGG",
    papers=("simonyan2015very",),
)
def channels_belong_to_the_count() -> str:
    """Each kernel reads all channels and there is one for each output: 27C² against 49C².

    C² cancels only because all widths are alike, which holds inside a stage.
    """
    channels = 64
    three = 3 * count_params(nn.Conv2d(channels, channels, 3, bias=False))
    one = count_params(nn.Conv2d(channels, channels, 7, bias=False))
    assert (three, one) == (27 * channels**2, 49 * channels**2)
    return f"At {channels} channels {three:,} against {one:,} weights, {100 * (one / three - 1):.0f} % more."


@erratum(
    90,
    "LeNet's memory at 224×224",
    kind="imprecise",
    said="A LeNet with max pooling takes 8500 MB at 224×224 pixels and a batch of 32.",
    source="a lecture on the history of networks",
    papers=("lecun1998gradient",),
)
def lenet_is_small_at_any_size() -> str:
    """The LeNet-5 with 6 and 16 maps needs a small part of that, even though its linear layer grows.

    The slide does not say which wider network it means, nor what the framework reserved.
    """
    net = profile("lenet5_modern", (1, 224, 224), image_size=224)
    outputs = 32 * net.activation_bytes / 1e6
    weights = 4 * 4 * net.params / 1e6  # weight, gradient and two moments of an optimiser
    assert outputs + weights < 8500 / 30
    first = net.layer("classifier.fc1").params / net.params
    return (
        f"32 images keep {outputs:.0f} MB of outputs; {net.params / 1e6:.1f} million parameters, "
        f"{100 * first:.1f} % of them in the first linear layer, take {weights:.0f} MB in training."
    )


@erratum(
    91,
    "AlexNet's 224 pixels do not give 55",
    kind="contradiction",
    said="AlexNet reads images of 224×224, and its first maps have 55×55 units.",
    source="a lecture on AlexNet; Krizhevsky et al. 2012, section 3.5 and figure 2",
    papers=("krizhevsky2012imagenet",),
)
def padding_or_227() -> str:
    """An 11×11 kernel at stride 4 that stays inside the image does not fit 224 pixels evenly.

    227 pixels give 55, and so do 224 with two zeros on each side, as the library has it.
    """
    sides = {}
    for side, padding in [(224, 0), (227, 0), (224, 2)]:
        convolution = nn.Conv2d(3, 96, 11, stride=4, padding=padding)
        sides[side, padding] = profile(convolution, (3, side, side)).rows[0].output_shape[-1]
    assert list(sides.values()) == [54, 55, 55]
    return (
        f"(224 - 11) / 4 + 1 is {(224 - 11) / 4 + 1}: 224 pixels give {sides[224, 0]} places, 227 give "
        f"{sides[227, 0]}, and 224 padded by 2 give {sides[224, 2]}."
    )


@erratum(
    92,
    "Grouped convolution is not out of fashion",
    kind="contradiction",
    said="Grouped convolution is one of AlexNet's techniques that went out of fashion.",
    source="a lecture on the history of networks, which later praises ResNeXt",
    papers=("krizhevsky2012imagenet", "xie2017aggregated", "howard2017mobilenets"),
)
def groups_came_back() -> str:
    """It came back for its own sake: as ResNeXt's cardinality, and as depthwise convolution.

    That is the case of one channel a group, in MobileNet and all its kin. What went was the reason of
    2012, two small GPUs.
    """
    found = {}
    for name in ("alexnet", "resnext50_32x4d", "mobilenet_v1"):
        grouped = [row for row in profile(name).rows if row.kind == "Conv2d" and row.groups > 1]
        found[name] = (describe(name).year, len(grouped), max(row.groups for row in grouped))
    assert min(found["resnext50_32x4d"][:2]) > 3 == found["alexnet"][1]
    return (
        "; ".join(f"{name} ({y}): {n} grouped, up to {g} groups" for name, (y, n, g) in found.items()) + "."
    )


@erratum(
    93,
    "The two rules are not VGG's",
    kind="wrong",
    said="VGG states two rules that keep the cost of all blocks alike: equal widths at equal sizes, and "
    "doubled widths at halved sizes.",
    source="a lecture on VGG",
    papers=("simonyan2015very", "he2016deep", "xie2017aggregated"),
)
def vggs_stages_cost_unequally() -> str:
    """They are what {cite:t}`he2016deep` (section 3.3) and {cite:t}`xie2017aggregated` took from VGG.

    VGG itself says only that widths double until they reach 512: its fifth stage halves the maps and keeps
    the width, and its stages are far from equal in cost.
    """
    costs, widths = [0], []
    for row in profile("vgg16").rows:
        if row.kind == "Conv2d":
            costs[-1] += row.macs
        if row.kind == "MaxPool2d":
            widths.append(row.output_shape[0])
            costs.append(0)
    assert widths[3] == widths[4] and max(costs) > 3 * costs[4] > 0
    stages = ", ".join(f"{macs / 1e9:.2f}" for macs in costs[:5])
    return f"VGG-16's stages have widths {widths} and take {stages} billion MACs."

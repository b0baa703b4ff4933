"""Slips about SqueezeNet, the MobileNets and the ShuffleNets."""

import math

import torch
from torch import nn

from convbook.claims import load_claims
from convbook.claims.quantities import profile_of
from convbook.errata.erratum import erratum
from convbook.models import create_model
from convbook.models.mobilenet import V1_BODY
from convbook.models.squeezenet import Fire
from convbook.profile import Profile, count_macs, count_params
from convbook.shapes import ShapesOnly

IMAGE = (3, 224, 224)


def profiled(name: str, size: tuple[int, ...] = IMAGE, **overrides: object) -> Profile:
    """A network's costs, from shapes alone."""
    return profile_of(name, overrides, size)


@erratum(
    48,
    "Group separable, pointwise separable, 30 times",
    kind="wrong",
    said="MobileNet has group separable convolutions, later called pointwise separable, and 30 times fewer "
    "parameters than VGG.",
    source="a lecture on MobileNet",
    papers=("howard2017mobilenets",),
)
def depthwise_separable() -> str:
    """The layer is called depthwise separable.

    One filter a channel, then a pointwise convolution that mixes them: each of the thirteen spatial layers
    has as many groups as channels. The factor to VGG-16 is larger than stated.
    """
    net = profiled("mobilenet_v1")
    spatial = [r for r in net.rows if r.kernel_size == (3, 3)][1:]  # without the stem
    assert all(r.groups == r.output_shape[0] for r in spatial) and len(spatial) == 13
    vgg = profiled("vgg16").params
    assert 32 < vgg / net.params < 33
    return f"{len(spatial)} depthwise layers; {vgg:,} / {net.params:,} = {vgg / net.params:.1f} times."


@erratum(
    49,
    "A percentage without its brackets",
    kind="wrong",
    said="1/32 + 1/25 × 100 = 7.12 % is the share of parameters that separating leaves.",
    source="a lecture on MobileNet",
    papers=("howard2017mobilenets",),
)
def brackets() -> str:
    """The sum wants brackets.

    The share is the same for parameters and for multiply-accumulates, because every weight of both forms is
    used once at every position.
    """
    full = nn.Conv2d(192, 32, 5, padding=2, bias=False)
    pair = nn.Sequential(
        nn.Conv2d(192, 192, 5, padding=2, groups=192, bias=False), nn.Conv2d(192, 32, 1, bias=False)
    )
    of_params = 100 * count_params(pair) / count_params(full)
    of_macs = 100 * count_macs(pair, (192, 28, 28)) / count_macs(full, (192, 28, 28))
    assert math.isclose(of_params, of_macs) and math.isclose(of_params, (1 / 32 + 1 / 25) * 100)
    literal = 1 / 32 + 1 / 25 * 100
    assert abs(literal - of_params) > 3
    return f"({1 / 32} + {1 / 25}) × 100 = {of_params:.3f} %; without brackets it is {literal:.2f}."


@erratum(
    50,
    "A stride of 2 too many in MobileNet",
    kind="wrong",
    said="The last depthwise convolution has stride 2 and keeps 7×7 maps, which a 7×7 window pools.",
    source="Howard et al. 2017, table 1",
    papers=("howard2017mobilenets",),
)
def last_stride() -> str:
    """The stride must be 1.

    Only then are there 7×7 maps to pool, and only then does the network cost what the paper's own table 4
    prints.
    """
    assert V1_BODY[-1] == (1024, 1)
    right, printed = profiled("mobilenet_v1"), profiled("mobilenet_v1", config=[*V1_BODY[:-1], (1024, 2)])
    side, wrong_side = (p.layer("blocks").output_shape[1] for p in (right, printed))
    claim = load_claims("howard2017mobilenets", "mobilenet_v1", "Table 4")[1]
    assert round(right.macs / 1e6) == claim.value / 1e6 != round(printed.macs / 1e6)
    assert (side, wrong_side) == (7, 4)
    return (
        f"Stride 1 leaves {side}×{side} and {right.macs:,} MACs, the paper's {claim.shown_as} million; "
        f"stride 2 leaves {wrong_side}×{wrong_side} and {printed.macs:,}."
    )


@erratum(
    51,
    "Shares of the pointwise convolutions",
    kind="imprecise",
    said="1×1 convolutions do 95 % of the computation and hold 75 % of the parameters; depthwise ones get no "
    "weight decay.",
    source="a lecture on MobileNet",
    papers=("howard2017mobilenets",),
)
def pointwise_shares() -> str:
    """The paper's table 2 prints 94.86 and 74.59 %.

    The second holds for the weights of convolutions and the classifier; of all parameters, with biases,
    scales and shifts, it is a little less. On weight decay the paper's section 3 asks for little or none on
    depthwise filters. Its non-linearity is ReLU; ReLU6 came with the authors' code.
    """
    net = profiled("mobilenet_v1")
    pointwise = [r for r in net.rows if r.kind == "Conv2d" and r.kernel_size == (1, 1)]
    macs = 100 * sum(r.macs for r in pointwise) / net.macs
    weights = sum(r.params for r in pointwise)
    biases = 1000
    all_weights = sum(r.params for r in net.rows if r.kind in ("Conv2d", "Linear")) - biases
    of_weights, of_params = 100 * weights / all_weights, 100 * weights / net.params
    assert (round(macs, 1), round(of_weights, 1), round(of_params, 1)) == (94.9, 74.6, 74.2)
    return f"{macs:.2f} % of MACs; {of_weights:.2f} % of weights, {of_params:.2f} % of all parameters."


@erratum(
    52,
    "SqueezeNet's operations beside others' multiply-adds",
    kind="wrong",
    said="SqueezeNet takes 1,700 million mult-adds and AlexNet 720 million.",
    source="Howard et al. 2017, table 9",
    papers=("howard2017mobilenets", "iandola2016squeezenet", "zhang2018shufflenet"),
)
def squeezenet_mult_adds() -> str:
    """AlexNet's number counts multiply-accumulates, with its two towers; SqueezeNet's counts operations.

    That is about twice its multiply-accumulates. {cite:t}`zhang2018shufflenet` print 833 million in table 6,
    which is exact at the authors' 227 pixels.
    """
    squeeze, crop = profiled("squeezenet1_0").macs, profiled("squeezenet1_0", (3, 227, 227)).macs
    alex, one_tower = profiled("alexnet").macs, profiled("alexnet", groups=1).macs
    assert round(crop / 1e6) == 833 and 2 * squeeze < 1.7e9 < 2.1 * squeeze
    assert abs(alex - 720e6) < 10e6 and one_tower > 1.1e9
    return (
        f"SqueezeNet 1.0: {squeeze:,} MACs at 224 pixels and {crop:,} at 227, twice which is "
        f"{2 * crop / 1e6:,.0f} million. AlexNet: {alex:,}, and {one_tower:,} had it no groups."
    )


@erratum(
    53,
    "SqueezeNet's depth",
    kind="wrong",
    said="SqueezeNet is an architecture of 20 layers.",
    source="a lecture on SqueezeNet",
    papers=("iandola2016squeezenet",),
)
def squeezenet_depth() -> str:
    """The longest path crosses 18 convolutions.

    They are conv1, eight fire modules of two layers each (the two expanding convolutions stand side by
    side), and conv10.
    """
    with torch.device("meta"), ShapesOnly():
        net = create_model("squeezenet1_0")
    fires = sum(isinstance(module, Fire) for module in net.modules())
    convolutions = sum(isinstance(module, nn.Conv2d) for module in net.modules())
    depth = 1 + 2 * fires + 1
    assert depth == convolutions - fires == 18  # of each pair of expanding ones, one counts
    return f"1 + 2 × {fires} + 1 = {depth} layers, of {convolutions} convolutions."


@erratum(
    83,
    "A depthwise kernel that keeps the size",
    kind="wrong",
    said="5×5 kernels take a 12×12×3 image to 12×12; the depthwise kernel is 5×5×1×1.",
    source="a lecture on light networks",
    papers=("howard2017mobilenets",),
)
def depthwise_kernel() -> str:
    """The size stays only with two pixels of padding; without, 8×8 is left.

    Depthwise, each of the three channels has a kernel of its own: 5×5×1, three times.
    """
    image = torch.empty(1, 3, 12, 12, device="meta")
    kept = nn.Conv2d(3, 256, 5, padding=2, bias=False, device="meta")
    valid = nn.Conv2d(3, 256, 5, bias=False, device="meta")
    depthwise = nn.Conv2d(3, 3, 5, padding=2, groups=3, bias=False, device="meta")
    pointwise = nn.Conv2d(3, 256, 1, bias=False, device="meta")
    assert (kept(image).shape[-1], valid(image).shape[-1]) == (12, 8)
    assert depthwise.weight.shape == (3, 1, 5, 5)
    full, pair = count_params(kept), count_params(depthwise) + count_params(pointwise)
    assert (full, pair) == (19_200, 843)
    return (
        f"Padded {kept(image).shape[-1]}×{kept(image).shape[-1]}, else {valid(image).shape[-1]}×"
        f"{valid(image).shape[-1]}; {pair} weights instead of {full:,}, {100 * pair / full:.1f} %."
    )


@erratum(
    84,
    "What ReLU6 does for float16",
    kind="imprecise",
    said="ReLU6 clips at 6 because float16 cannot describe a large range precisely; V2 blames ReLU for the "
    "empty depthwise kernels of V1.",
    source="a lecture on light networks",
    papers=("sandler2018mobilenetv2",),
)
def relu6_and_precision() -> str:
    """The reason that V2's paper names is robustness in low-precision computation, without a format.

    A float's relative error does not grow with the range; that of fixed-point numbers does, whose step is
    the range by their count. And the argument of {cite:t}`sandler2018mobilenetv2` for linear bottlenecks is
    information lost when a ReLU acts on few channels, not empty depthwise kernels.
    """
    grid = torch.linspace(0.5, 6, 1001, dtype=torch.float64)
    of_float16 = [float(((x.half().double() - x) / x).abs().max()) for x in (grid, 1000 * grid)]
    of_bytes = []
    for top in (6, 6000):  # 8 bits over the whole range
        step = top / 255
        of_bytes.append(float((((grid / step).round() * step - grid) / grid).abs().max()))
    assert max(of_float16) <= 2**-11 and of_bytes[1] > 10 * of_bytes[0]
    return (
        f"Worst relative error of values from 0.5 to 6: float16 {of_float16[0]:.5f}, and {of_float16[1]:.5f} "
        f"for a thousand times as large ones; 8 bits over 0 to 6 {of_bytes[0]:.3f}, over 0 to 6,000 "
        f"{of_bytes[1]:.2f}."
    )


@erratum(
    85,
    "Guideline 1 and the formula of guideline 2",
    kind="wrong",
    said="G1 says that equal widths need the least memory, and equation 2 stands beneath it.",
    source="a lecture on ShuffleNet V2",
    papers=("ma2018shufflenet",),
)
def memory_access() -> str:
    """MAC is memory access cost here: what is read and written, not what is kept.

    Equation 2 is of grouped convolutions and belongs to guideline 2. Guideline 1 rests on a bound: for B
    multiply-accumulates, a 1×1 convolution on h×w pixels accesses at least 2√(hwB) + B/hw numbers, which
    equal widths reach.
    """

    def access(c1: int, c2: int, g: int = 1, hw: int = 56**2) -> float:
        return hw * (c1 + c2) + c1 * c2 / g

    for c1, c2 in ((128, 128), (90, 180), (52, 312), (36, 432)):  # table 1
        b = 56**2 * c1 * c2
        bound = 2 * math.sqrt(56**2 * b) + b / 56**2
        assert access(c1, c2) >= bound - 1e-6 and (c1 == c2) == math.isclose(access(c1, c2), bound)
    assert access(180, 180, 2) > access(128, 128) and access(360, 360, 8) > access(256, 256, 4)
    return f"Equal widths access {access(128, 128):,.0f} numbers, widths of 1:12 {access(36, 432):,.0f}."


@erratum(
    86,
    "Two columns lost from ShuffleNet V2's tables",
    kind="wrong",
    said="Tables 2 and 3 have four columns of speeds, with c = 512 under the CPU.",
    source="a lecture on ShuffleNet V2",
    papers=("ma2018shufflenet",),
)
def lost_columns() -> str:
    """In the paper each row has three speeds on the GPU and three on the CPU.

    In table 3 they are for c = 128, 256, 512 and for c = 64, 128, 256; in table 2 each machine's column c
    stands before its three speeds. The copies end after the CPU's first.
    """
    rows = [c for c in load_claims("ma2018shufflenet", where="Table 3") if "1-fragment" in c.model]
    gpu = [c for c in rows if c.quantity == "batches_per_second"]
    cpu = [c for c in rows if c.quantity == "images_per_second"]
    assert [c.model.rpartition(" ")[2] for c in gpu] == ["128", "256", "512"]
    assert [c.model.rpartition(" ")[2] for c in cpu] == ["64", "128", "256"]
    copied = [2446, 1274, 434, 40.2]
    lost = [c.shown_as for c in rows if c.value not in copied]
    assert len(lost) == len(rows) - len(copied) == 2
    return f"Of {len(rows)} speeds of the first row {len(copied)} are copied; {' and '.join(lost)} are lost."


@erratum(
    87,
    "Fewer branches are always faster",
    kind="contradiction",
    said="The fewer branches a model has, the faster it is.",
    source="a lecture on ShuffleNet V2",
    papers=("ma2018shufflenet",),
)
def fewer_branches() -> str:
    """The table beneath the statement has two exceptions.

    Four layers in series beat two at 512 channels on the GPU, and four parallel ones beat two at 64 channels
    on the CPU. The paper's text says that the GPU slows down clearly and the ARM processor a little; a
    single layer is never beaten.
    """
    speed = {(c.model, c.quantity): c.value for c in load_claims("ma2018shufflenet", where="Table 3")}
    series = [speed[f"other:{n}-fragment-series, c = 512", "batches_per_second"] for n in (2, 4)]
    parallel = [speed[f"other:{n}-fragment-parallel, c = 64", "images_per_second"] for n in (2, 4)]
    assert series[1] > series[0] and parallel[1] > parallel[0]
    for (model, quantity), value in speed.items():
        single = "other:1-fragment, c =" + model.rpartition("=")[2]
        assert value <= speed[single, quantity]
    return (
        f"In series, 4 fragments make {series[1]:.0f} batches a second and 2 make {series[0]:.0f}; in "
        f"parallel {parallel[1]} and {parallel[0]} images a second."
    )


@erratum(
    88,
    "Which dense convolutions MobileNet has",
    kind="imprecise",
    said="Networks such as Xception and MobileNet use dense convolutions (the size of the kernel is missing) "
    "so that channels mix; V3 is MnasNet's search, h-swish and squeeze-and-excitation.",
    source="a lecture on light networks",
    papers=("zhang2018shufflenet", "howard2019searching"),
)
def dense_convolutions() -> str:
    """The size that is missing is 1×1.

    Behind the stem every convolution of MobileNet without groups is pointwise. The list for V3 leaves out
    NetAdapt, which adapts the searched network layer by layer ({cite:t}`howard2019searching`, abstract).
    """
    behind_stem = [r for r in profiled("mobilenet_v1").rows if r.kind == "Conv2d"][1:]
    dense = [r for r in behind_stem if r.groups == 1]
    assert {r.kernel_size for r in dense} == {(1, 1)}
    assert len(dense) == len(behind_stem) - len(dense)
    return f"{len(dense)} of {len(behind_stem)} convolutions behind the stem are dense, all of them 1×1."

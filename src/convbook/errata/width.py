"""Width and cardinality: Wide ResNet, PyramidNet, ResNeXt, and the networks without pooling."""

import torch
from torch.fx import symbolic_trace
from torchvision.models import vgg13, vgg19

from convbook.claims.claim import load_claims
from convbook.errata.erratum import erratum
from convbook.layers.aggregated import EarlyConcatBlock, GroupedBlock, SplitTransformMergeBlock, convert
from convbook.models import list_models
from convbook.models.pyramidnet import pyramid_widths
from convbook.models.resnet_blocks import Bottleneck
from convbook.models.wide_resnet import WideBlock
from convbook.profile import count_params, profile


@erratum(
    1,
    "ResNeXt as a way to fewer parameters",
    kind="imprecise",
    said="Replacing ResNet's block by ResNeXt's is listed among the ways to reduce parameters.",
    source="a lecture on efficient networks",
    papers=("xie2017aggregated",),
)
def resnext_keeps_the_size() -> str:
    """The template 32×4d keeps a block's cost and was not chosen to cut it.

    {cite:t}`xie2017aggregated` compare at equal size. The block has slightly more weights, the network 2 %
    fewer parameters.
    """
    plain, split = Bottleneck(256, 64), Bottleneck(256, 64, cardinality=32, base_width=4)
    weights = [sum(p.numel() for p in block.parameters() if p.ndim == 4) for block in (plain, split)]
    nets = [count_params(name) for name in ("resnet50", "resnext50_32x4d")]
    assert weights[1] > weights[0] and 0.97 < nets[1] / nets[0] < 0.99
    return (
        f"A block goes from {weights[0]:,} to {weights[1]:,} weights, more and not fewer; "
        f"the 50-layer network from {nets[0]:,} to {nets[1]:,} parameters, {1 - nets[1] / nets[0]:.1%} fewer."
    )


@erratum(
    2,
    "Split, transform and merge is a grouped convolution",
    kind="imprecise",
    said="The paths of a ResNeXt block are called similar to a group convolution.",
    source="a lecture on efficient networks",
    papers=("xie2017aggregated",),
)
def paths_are_groups() -> str:
    """They are the same function, not a similar one.

    The three forms in figure 3 of {cite:t}`xie2017aggregated` turn into each other by moving weights.
    """
    torch.manual_seed(0)
    paths = SplitTransformMergeBlock(64, cardinality=8, base_width=4).double().eval()
    images = torch.randn(2, 64, 9, 9, dtype=torch.float64)
    twins = [convert(paths, kind).double().eval() for kind in (EarlyConcatBlock, GroupedBlock)]
    gap = max((twin(images) - paths(images)).abs().max().item() for twin in twins)
    assert gap < 1e-12
    return f"With the same weights the three forms differ by at most {gap:.0e} in double precision."


@erratum(
    54,
    "A strided convolution in the place of pooling",
    kind="wrong",
    said="The all convolutional net is said to show that strided convolutions perform better than pooling.",
    source="a lecture on simple networks",
    papers=("springenberg2015striving",),
)
def strides_alone_lose() -> str:
    """{cite:t}`springenberg2015striving` claim no loss, and only for a strided convolution of its own.

    By their table 3, striding in the layer before the pooling is always worse than pooling. A strided
    convolution in the place of the pooling gains, but adds weights; a pooling that is given the same weights
    comes close or wins.
    """
    errors: dict[str, list[float]] = {"base": [], "strided": [], "conv-pool": [], "all-conv": []}
    for claim in load_claims("springenberg2015striving", where="Table 3"):
        if claim.quantity == "cifar10_error":
            errors[claim.overrides.get("form", "all-conv")].append(claim.value)
    base, strided, pool, conv = errors.values()
    assert len(base) == 3 and all(s > b for s, b in zip(strided, base, strict=True))
    gaps = [c - p for c, p in zip(conv, pool, strict=True)]
    assert max(gaps) > 0 > min(gaps)
    sizes = {form: count_params("allcnn_c_cifar", form=form) for form in errors}
    assert sizes["strided"] == sizes["base"] < sizes["conv-pool"] == sizes["all-conv"]
    return (
        f"Errors of A, B, C in per cent: pooling {base}, stride instead {strided}. Strided convolution "
        f"instead {conv}, pooling after a convolution {pool}, both with {sizes['all-conv']:,} parameters in "
        f"C, where the base has {sizes['base']:,}."
    )


@erratum(
    75,
    "Depths of blocks with three convolutions",
    kind="contradiction",
    said="Networks of the blocks B(1,3,1), B(3,1,1), B(3,1,3) are 40, 40 and 22 layers deep and have 1.4M, "
    "1.3M and 1.1M parameters.",
    source="Zagoruyko & Komodakis 2016, table 2, and a lecture on width",
    papers=("zagoruyko2016wide",),
)
def depth_or_size() -> str:
    """Depth counts convolutions, three projections on shortcuts among them.

    The sizes need six, six and three blocks a stage, which then are deeper than printed; at the printed
    depths the networks are smaller. The rows of two convolutions agree.
    """
    found = []
    for kernels, blocks, depth, millions in (
        ((1, 3, 1), 6, 40, 1.4),
        ((3, 1, 1), 6, 40, 1.3),
        ((3, 1, 3), 3, 22, 1.1),
    ):
        fewer = (depth - 4) // (3 * len(kernels))
        sizes = [
            count_params("wide_resnet40_2_cifar", kernels=kernels, depths=(n,) * 3) for n in (blocks, fewer)
        ]
        true = 3 * len(kernels) * blocks + 4
        assert round(sizes[0] / 1e6, 1) == millions > round(sizes[1] / 1e6, 1) and true > depth
        found.append(f"B{kernels}: {sizes[0]:,} at depth {true}, {sizes[1]:,} at depth {depth}")
    return "; ".join(found) + "."


@erratum(
    77,
    "Two tables of the same networks",
    kind="contradiction",
    said="Two tables of CIFAR errors disagree, and give WRN-40-4 8.9M and 8.7M parameters.",
    source="Zagoruyko & Komodakis 2016, table 5, Han et al. 2017, table 4, and a lecture on width",
    papers=("zagoruyko2016wide", "han2017deep"),
)
def one_network_two_numbers() -> str:
    """WRN-40-4 has 8.9M parameters; its two errors come from two preprocessings.

    They are ZCA whitening, which the second table does not say, and mean and deviation. The 1001-layer
    network's 4.92 is of batches of 128, its 4.64 and 4.62 are of 64. A ResNet of 1202 layers has 19.4M
    parameters, with stochastic depth or without; 10.2M belong to 1001 layers.
    """
    wide = count_params("wide_resnet40_4_cifar")
    deep = count_params("resnet110_cifar", depths=(200,) * 3)
    assert (round(wide / 1e6, 1), round(deep / 1e6, 1)) == (8.9, 19.4)
    tables: list[dict[tuple[str, ...], set[float]]] = [{}, {}]
    sources = (("zagoruyko2016wide", "Table 5"), ("han2017deep", "Table 4"))
    for table, (paper, where) in zip(tables, sources, strict=True):
        for c in load_claims(paper, where=where):
            if c.quantity.endswith("_error"):
                key = (c.model, c.quantity, str(c.overrides), str("stochastic" in c.protocol))
                table.setdefault(key, set()).add(c.value)
    shared = tables[0].keys() & tables[1].keys()
    differ = {key[:2]: (tables[0][key], tables[1][key]) for key in shared if tables[0][key] != tables[1][key]}
    ours, theirs = differ["wide_resnet40_4_cifar", "cifar10_error"]
    assert (ours, theirs) == ({4.53}, {4.97}) and ("other:NIN", "cifar100_error") in differ
    return (
        f"{len(differ)} of {len(shared)} errors that both tables print differ, WRN-40-4's on CIFAR-10 by "
        f"{max(theirs) - max(ours):.2f} points; it has {wide:,} parameters, a ResNet of 1202 layers {deep:,}."
    )


@erratum(
    78,
    "PyramidNet's equation rounds too early",
    kind="contradiction",
    said="The width of each block is the floor of the width before it plus a constant share of alpha.",
    source="Han et al. 2017, equation 2 and table 4, and a lecture on width",
    papers=("han2017deep",),
)
def floors_eat_the_widening() -> str:
    """Taken as printed, alpha = 48 over 54 blocks never leaves 16 channels.

    The table's widths, and its sizes to within 5 %, come from a running sum that keeps its fraction, as in
    the authors' code.
    """
    ends = []
    for alpha, features in ((48, 64), (84, 100)):
        width = 16
        for _ in range(54):
            width = int(width + alpha / 54)
        assert width < features == pyramid_widths(54, alpha)[-1]
        ends.append(f"alpha = {alpha} ends at {width} channels with floors, at {features} without")
    names = ("110_a48", "110_a84", "110_a270", "164_a270")
    sizes = [count_params(f"pyramidnet{name}_cifar") for name in names]
    for size, printed in zip(sizes, (1.7e6, 3.8e6, 28.3e6, 27.0e6), strict=True):
        assert 0.005 < size / printed - 1 < 0.05
    return "; ".join(ends) + f". Sizes: {', '.join(f'{n:,}' for n in sizes)}, each above the printed one."


@erratum(
    99,
    "ResNeXt's order and depth, VGG-19's pattern",
    kind="wrong",
    said="ResNeXt is summed up as BN-ReLU-CONV in 152 layers, VGG-19 as CONV-CONV-MAXPOOL repeated.",
    source="a lecture that sums up famous networks",
    papers=("xie2017aggregated", "simonyan2015very"),
)
def other_order_other_depth() -> str:
    """ResNeXt normalises and activates after each convolution, and is 101 layers deep at most.

    That is the deepest of {cite:t}`xie2017aggregated`. Two convolutions before each of five poolings are
    VGG-13; VGG-19 has four in each of its last three stages.
    """
    post, pre = Bottleneck(256, 64, cardinality=32, base_width=4), WideBlock(64, 64)
    orders = []
    for block in (post, pre):
        calls = [str(n.target) for n in symbolic_trace(block).graph.nodes if n.op == "call_module"]
        orders.append("-".join(type(block.get_submodule(name)).__name__ for name in calls[:3]))
    assert orders == ["Conv2d-BatchNorm2d-ReLU", "BatchNorm2d-ReLU-Conv2d"]
    rows = [profile(name).rows for name in list_models("resnext*")]
    deepest = max(
        sum(r.kind in ("Conv2d", "Linear") and "downsample" not in r.name for r in net) for net in rows
    )
    with torch.device("meta"):
        text = ["".join(type(m).__name__[0] for m in make().features) for make in (vgg13, vgg19)]
    stages = [[part.count("C") for part in net.split("M")[:-1]] for net in text]
    assert stages[0] == [2] * 5 != stages[1]
    return (
        f"A ResNeXt block starts {orders[0]}, a pre-activation block {orders[1]}; the deepest ResNeXt has "
        f"{deepest} layers; "
        f"convolutions between poolings are {stages[0]} in VGG-13 and {stages[1]} in VGG-19."
    )

"""Slips on GoogLeNet, batch normalisation and the Inception networks."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from convbook.claims import load_claims, verify
from convbook.claims.quantities import profile_of
from convbook.errata.erratum import dropped, erratum
from convbook.layers.branches import Builder
from convbook.layers.reduction import parallel_reduction, pool_then_widen, widen_then_pool
from convbook.models import create_model, googlenet, inception_v4
from convbook.models.inception_v3 import STEM_V2, STEM_V3
from convbook.profile import count_macs, count_params, profile

GOING, BATCH = "szegedy2015going", "ioffe2015batch"
RETHINKING, RESIDUAL = "szegedy2016rethinking", "szegedy2017inception"


@erratum(
    27,
    "Multiply-accumulates called FLOPS",
    kind="wrong",
    said="From 192 to 32 maps of 28×28, a 5×5 convolution takes 120M FLOPS, 12M with a 1×1 to 16 maps first, "
    "and 8,580,096 as a depthwise separable one.",
    source="a lecture on GoogLeNet and MobileNet",
    papers=(GOING,),
)
def macs_are_not_flops() -> str:
    """The numbers count multiply-accumulates for one image.

    As operations there are twice as many, and FLOPS with a capital S is a rate per second.
    """
    direct = count_macs(nn.Conv2d(192, 32, 5, padding=2), (192, 28, 28))
    reduced = nn.Sequential(nn.Conv2d(192, 16, 1), nn.Conv2d(16, 32, 5, padding=2))
    separable = nn.Sequential(nn.Conv2d(192, 192, 5, padding=2, groups=192), nn.Conv2d(192, 32, 1))
    through_16, apart = (count_macs(net, (192, 28, 28)) for net in (reduced, separable))
    assert apart == 8_580_096 and direct == 192 * 32 * 5**2 * 28**2
    assert through_16 == (192 * 16 + 16 * 32 * 5**2) * 28**2
    return (
        f"{direct:,}, {through_16:,} and {apart:,} multiply-accumulates, that is {2 * direct:,}, "
        f"{2 * through_16:,} and {2 * apart:,} operations an image."
    )


@erratum(
    28,
    "More operations than what?",
    kind="imprecise",
    said="GoogLeNet cuts parameters drastically but increases FLOPS.",
    source="a lecture on GoogLeNet",
    papers=(GOING, "simonyan2015very"),
)
def cost_beside_alexnet_and_vgg() -> str:
    """It costs more than AlexNet, and a tenth of VGG-16, its rival of the same year."""
    vgg = profile_of("vgg16", {}).macs
    alexnet, google = count_macs("alexnet"), count_macs("googlenet")
    assert 2 * alexnet < google < vgg / 9
    return (
        f"AlexNet {alexnet / 1e9:.2f}, GoogLeNet {google / 1e9:.2f}, VGG-16 {vgg / 1e9:.2f} billion "
        f"multiply-accumulates."
    )


@erratum(
    29,
    "GoogLeNet's table against its own widths",
    kind="wrong",
    said="Table 1 gives parameters and operations of each row, 6.8 million and 1.5 billion together.",
    source="Szegedy et al. 2015, table 1",
    papers=(GOING,),
)
def googlenet_table() -> str:
    """Counted in units of 1,024 weights, six modules do not follow from their widths.

    The first row is not a 7×7 convolution but the separable one, with eight maps a channel, that
    {cite:t}`ioffe2015batch` name for their network.
    """
    claims = [c for c in load_claims(GOING, where="Table 1") if c.quantity == "weights"]
    weights = {v.claim.layer: (v.computed or 0) / 1024 for v in verify(claims)}
    off = [c.layer for c in claims if abs(weights[c.layer] - c.value / 1024) > 1]
    assert off == ["conv1", *(f"inception{name}" for name in ("4a", "4c", "4d", "4e", "5a", "5b"))]
    separable = nn.Sequential(
        nn.Conv2d(3, 24, 7, 2, 3, groups=3, bias=False), nn.Conv2d(24, 64, 1, bias=False)
    )
    first = count_params(separable), count_macs(separable, (3, 224, 224))
    assert first == (2_712, 34_019_328)  # the printed 2.7K and 34M
    printed = sum(round(c.value / 1024, 1) for c in claims)
    return (
        f"The printed column adds up to {printed:,.0f}K, the network to {sum(weights.values()):,.0f}K and "
        f"{count_macs('googlenet') / 1e9:.3f} billion; 5a has {weights['inception5a']:,.0f}K for 1,072K, 4c "
        f"{weights['inception4c']:,.1f}K for 463K, and a separable first layer {first[0]:,} and {first[1]:,}."
    )


@erratum(
    30,
    "No fully connected layers",
    kind="contradiction",
    said="GoogLeNet has no fully connected layers, says one lecture; another gives it one linear layer.",
    source="lectures on GoogLeNet",
    papers=(GOING,),
)
def one_linear_layer() -> str:
    """There is one, from 1,024 features to 1,000 classes, and two more in each auxiliary head.

    What average pooling replaced are the large ones before it.
    """
    network = create_model("googlenet", aux=True)
    linear = {n: m.weight.numel() for n, m in network.named_modules() if isinstance(m, nn.Linear)}
    assert set(linear) == {"fc", "aux1.fc1", "aux1.fc2", "aux2.fc1", "aux2.fc2"}
    share = linear["fc"] / count_params("googlenet")
    assert 0.14 < share < 0.15
    return (
        f"{linear['fc']:,} weights, {share:.1%} of the network, stand in its linear layer; each auxiliary "
        f"head has {linear['aux1.fc1'] + linear['aux1.fc2']:,} more."
    )


@erratum(
    31,
    "Thirty per cent overhead",
    kind="imprecise",
    said="Batch normalisation has an overhead of 30 %.",
    source="a lecture on batch normalisation",
    papers=(BATCH,),
)
def overhead_of_batch_norm() -> str:
    """The paper's 30 % is what its Inception costs over GoogLeNet, not what normalising costs.

    That network has one module more, wider ones, and two 3×3 for each 5×5. Normalisation takes no
    multiply-accumulates of its own, adds two parameters a channel, and can be folded into the convolution
    once training is over.
    """
    assert count_macs("googlenet", norm=True) == count_macs("googlenet")
    growth = count_macs("bn_inception", separable=False) / count_macs("googlenet") - 1
    conv, norm = nn.Conv2d(8, 8, 3).double(), nn.BatchNorm2d(8).double()
    x = torch.randn(4, 8, 9, 9, dtype=torch.float64)
    norm(conv(x))  # moves the running statistics
    folded = fuse_conv_bn_eval(conv.eval(), norm.eval())
    gap = (folded(x) - norm(conv(x))).abs().max().item()
    assert 0.25 < growth < 0.35 and gap < 1e-12
    return f"Figure 5's network takes {growth:.0%} more than GoogLeNet; a folded layer differs by {gap:.0e}."


@erratum(
    32,
    "Where the noise of batch normalisation is",
    kind="contradiction",
    said="It regularises by noise in the parameters, and larger batches make it work better.",
    source="a lecture on batch normalisation",
    papers=(BATCH,),
)
def noise_shrinks_with_the_batch() -> str:
    """The noise is in the activations, and it fades as batches grow.

    An image's own value depends on the mean and variance of whatever else is in its batch. Larger batches
    estimate those better and regularise less.
    """
    torch.manual_seed(0)
    norm, image = nn.BatchNorm2d(1), torch.ones(1, 1, 1, 1)
    spread = {}
    for size in (8, 128):
        batches = [torch.cat([image, torch.randn(size - 1, 1, 1, 1)]) for _ in range(400)]
        spread[size] = torch.stack([norm(batch)[0] for batch in batches]).std().item()
    assert spread[8] > 3 * spread[128]
    assert norm.weight.item() == 1.0 and norm.bias.item() == 0.0  # no parameter has moved
    return f"One value normalised in 400 batches: deviation {spread[8]:.2f} at 8, {spread[128]:.2f} at 128."


@erratum(
    33,
    "Sigmoids made easy",
    kind="imprecise",
    said="With batch normalisation, saturating activations can easily be used in deep networks.",
    source="a lecture on batch normalisation",
    papers=(BATCH, "santurkar2018how"),
)
def sigmoid_trains_but_trails() -> str:
    """They can be trained, but come out well below ReLU in the paper's own table.

    Without normalisation the same network with sigmoids stayed at chance. Whether less covariate shift is the
    reason is contested by {cite:t}`santurkar2018how`.
    """
    claims = load_claims(BATCH, where="Figure 3")
    (sigmoid,) = (c.value for c in claims if "sigmoid" in c.protocol)
    relu = sorted(c.value for c in claims if c.model == "bn_inception")
    assert sigmoid < relu[0]
    return (
        f"Sigmoid {sigmoid} % top-1, ReLU {relu[0]} to {relu[-1]} %: {relu[0] - sigmoid:.1f} points or more."
    )


@erratum(
    34,
    "Two networks called Inception-v2",
    kind="contradiction",
    said="BN-Inception is GoogLeNet-v2 in one lecture; another lists Inception-v2 beside BN-Inception.",
    source="lectures on batch normalisation and Inception",
    papers=(BATCH, RETHINKING, RESIDUAL),
)
def two_second_versions() -> str:
    """{cite:t}`szegedy2016rethinking` print both in one table, as different networks.

    Theirs has asymmetric kernels, a deeper stem and larger images. In their next paper,
    {cite:t}`szegedy2017inception`, the name v2 goes to BN-Inception instead.
    """
    shown = {c.model: c.value for c in load_claims(RETHINKING, where="Table 3") if c.quantity == "top1_error"}
    old, new = profile("bn_inception"), profile("inception_v2")
    assert old.params != new.params and old.input_size != new.input_size
    assert not any(r.kernel_size == (1, 7) for r in old.rows) and any(
        r.kernel_size == (1, 7) for r in new.rows
    )
    return (
        f"BN-Inception: {old.params:,} parameters at {old.input_size[1]} pixels, {shown['bn_inception']} % "
        f"top-1 error; Inception-v2 of table 1: {new.params:,} at {new.input_size[1]}, "
        f"{shown['inception_v2']} %."
    )


dropped(
    35,
    "Three principles of four",
    said="The paper's principles are to avoid early and extreme bottlenecks and to balance depth and width.",
    source="a lecture on Inception-v3",
    reason="A matter of record. Section 2 of the paper lists four: avoid representational bottlenecks, above "
    "all early; higher-dimensional codes are easier to process locally; spatial aggregation can work on "
    "low-dimensional embeddings with little loss; balance width and depth. The lecture gives the first twice "
    "and leaves out the second and third, which figures 5 to 7 rest on.",
    papers=(RETHINKING,),
)


@erratum(
    36,
    "One multiplication a weight",
    kind="imprecise",
    said="Each weight equals one multiplication, and a 5×5 has 25/9 times more overhead than a 3×3.",
    source="a lecture on Inception-v3",
    papers=(RETHINKING,),
)
def one_multiplication_a_position() -> str:
    """One for each output position. And 25/9 is how many times as much a 5×5 takes, so 1.78 times more."""
    five, three = (nn.Conv2d(16, 32, k, padding=k // 2, bias=False) for k in (5, 3))
    positions = count_macs(five, (16, 28, 28)) / count_params(five)
    ratio = count_macs(five, (16, 28, 28)) / count_macs(three, (16, 28, 28))
    assert positions == 28**2 and ratio == 25 / 9
    return f"On 28×28 maps each weight is used {positions:.0f} times; a 5×5 takes {ratio:.2f} times a 3×3."


@erratum(
    37,
    "300 + 300 = 800",
    kind="wrong",
    said="Two 2×2 kernels for a 3×3 on 10 channels take 300 + 300 = 800 weights, 11 % fewer.",
    source="a lecture on Inception-v3",
    papers=(RETHINKING,),
)
def two_by_two_or_asymmetric() -> str:
    """The summands are 400 each; sum and saving are right, and so is the third that 3×1 and 1×3 save.

    That such kernels work in Inception modules alone is not what the paper says: it found them poor in early
    layers and good on grids of 12 to 20.
    """

    def weights(*kernels: tuple[int, int]) -> int:
        return sum(count_params(nn.Conv2d(10, 10, kernel, bias=False)) for kernel in kernels)

    full, square, asymmetric = weights((3, 3)), weights((2, 2), (2, 2)), weights((3, 1), (1, 3))
    assert (full, square, asymmetric) == (900, 400 + 400, 300 + 300)
    return (
        f"{square} of {full} saves {1 - square / full:.1%}, {asymmetric} saves {1 - asymmetric / full:.1%}."
    )


@erratum(
    38,
    "Which grid reduction costs what",
    kind="wrong",
    said="A strided convolution beside pooling costs 2(d/2)²k²; convolving and then striding costs 2d²k².",
    source="a lecture on Inception-v3",
    papers=(RETHINKING,),
)
def costs_of_grid_reduction() -> str:
    """2(d/2)²k² is pooling first and widening then, the bottleneck that the section warns of.

    The strided convolution beside pooling makes only k of the 2k maps and costs half of that.
    """
    d, k = 36, 320
    makers = (widen_then_pool, pool_then_widen, parallel_reduction)
    after, before, beside = (count_macs(make(k, 1), (k, d, d)) for make in makers)
    assert after == 2 * d**2 * k**2 and before == 2 * (d // 2) ** 2 * k**2
    assert beside == (d // 2) ** 2 * k**2
    return (
        f"At d = {d}, k = {k} and a 1×1 kernel: pooling last {after:,}, pooling first {before:,}, beside "
        f"each other {beside:,} multiply-accumulates."
    )


@erratum(
    70,
    "Only four million parameters",
    kind="wrong",
    said="GoogLeNet has only 4M parameters.",
    source="a lecture on convolutional networks",
    papers=(GOING,),
)
def seven_million() -> str:
    """It has seven million without the auxiliary heads, thirteen with them."""
    plain, trained = count_params("googlenet"), count_params("googlenet", aux=True)
    assert round(plain / 1e6) == 7 and round(trained / 1e6) == 13
    return f"{plain:,} parameters, {trained:,} with both auxiliary heads."


@erratum(
    72,
    "Three times more expensive",
    kind="imprecise",
    said="Widening before pooling is 3 times more expensive; the cheap way lowers the cost by a quarter.",
    source="Szegedy et al. 2016, figure 9 and section 5; a lecture on it",
    papers=(RETHINKING,),
)
def four_times_as_expensive() -> str:
    """By the section's own formulas the one takes four times what the other does, so 3 times more.

    The cheap way lowers the cost to a quarter, not by one.
    """
    after, before = (count_macs(make(64), (64, 34, 34)) for make in (widen_then_pool, pool_then_widen))
    assert after == 4 * before
    return (
        f"{after:,} against {before:,}: {after / before:.0f} times as much, saving {1 - before / after:.0%}."
    )


@erratum(
    73,
    "A padded convolution that is not marked",
    kind="imprecise",
    said="Inception-v2's stem ends with an unpadded 3×3 on 35×35; with all refinements it takes 4.8 billion.",
    source="Szegedy et al. 2016, table 1; a lecture on it",
    papers=(RETHINKING,),
)
def stem_of_table_1() -> str:
    """The caption says that only the marked convolution is padded, but the last one must be too.

    Its 35×35 stays 35×35. The released v3 is another network: a 1×1 to 80, a 3×3 to 192 and a second pooling
    end its stem, and it costs more than the printed 4.8 billion.
    """
    image = torch.empty(1, 3, 299, 299, device="meta")
    with torch.device("meta"):
        padded, _ = Builder().path(3, STEM_V2)
        marked, _ = Builder().path(3, [*STEM_V2[:-1], (288, 3, "V")])
    sides = padded(image).shape[-1], marked(image).shape[-1]
    assert sides == (35, 33) and list(STEM_V3[-3:]) == [(80, 1), (192, 3, "V"), "max/2V"]
    released = profile("inception_v3")
    assert released.macs > 1.15 * 4.8e9
    return (
        f"Padded {sides[0]}×{sides[0]}, unpadded {sides[1]}×{sides[1]}; the released v3 takes "
        f"{released.macs / 1e9:.2f} billion and has {released.params:,} parameters."
    )


@erratum(
    74,
    "One template for all Inceptions",
    kind="wrong",
    said="All Inception networks are Stem, A, Reduction-A, B, Reduction-B, C, from GoogLeNet to v4.",
    source="a lecture on depth-based networks",
    papers=(GOING, BATCH, RESIDUAL),
)
def templates_differ() -> str:
    """Only from v2 and v3 on are there three kinds of module and reductions between them.

    GoogLeNet has one kind, in different widths, and max pooling between grids; in BN-Inception two of the
    modules halve the grid themselves.
    """
    rows: dict[str, list] = {name[9]: [] for name in googlenet.MODULES if name.startswith("inception")}
    for name, row in googlenet.MODULES.items():
        if row:
            rows[name[9]].append(row)
    pools = [name for name, row in googlenet.MODULES.items() if row is None]
    widths = {row for grid in rows.values() for row in grid}
    assert len(pools) == 2 and len(widths) == 8  # 4e and 5a are alike
    v4 = inception_v4.VARIANTS["inception_v4"]["grids"]
    assert all(module == grid[0] for grid in v4 for module in grid)
    return (
        f"GoogLeNet has {[len(grid) for grid in rows.values()]} modules in {len(widths)} different widths "
        f"and {len(pools)} max pools between; Inception-v4 has {[len(grid) for grid in v4]}, one kind a grid."
    )


@erratum(
    94,
    "Twelve times fewer, on a few GPUs",
    kind="wrong",
    said="GoogLeNet has 12x fewer parameters than AlexNet, no fully connected layers, and was trained on a "
    "few high-end GPUs.",
    source="a lecture on GoogLeNet; Szegedy et al. 2015, section 1",
    papers=(GOING, "krizhevsky2012imagenet"),
)
def not_quite_nine_times_fewer() -> str:
    """It has nearly nine times fewer, and one linear layer.

    The paper trained on CPUs, with DistBelief; the GPUs are its rough estimate of what would do (section 6).
    """
    alexnet, google = count_params("alexnet"), count_params("googlenet")
    assert 8.5 < alexnet / google < 9
    return f"{alexnet:,} parameters against {google:,}: {alexnet / google:.1f} times fewer."


@erratum(
    95,
    "A row and a row for a square",
    kind="wrong",
    said="(1x3 + 1x3) / (3x3) = 66 %, a point of the first Inception.",
    source="a lecture on GoogLeNet",
    papers=(GOING, RETHINKING),
)
def a_row_and_a_column() -> str:
    """A 1×3 and a 3×1 stand for a 3×3; two 1×3 would see a line of five.

    The share is two thirds, which rounds to 67. Asymmetric kernels come with v2 and v3: GoogLeNet has none.
    """
    row, column = torch.ones(1, 1, 1, 3), torch.ones(1, 1, 3, 1)
    dot = torch.zeros(1, 1, 7, 7)
    dot[..., 3, 3] = 1
    seen = {}
    for name, second in (("1×3 and 3×1", column), ("1×3 twice", row)):
        lit = nn.functional.conv2d(nn.functional.conv2d(dot, row, padding="same"), second, padding="same")
        seen[name] = tuple(len(set(axis.tolist())) for axis in lit[0, 0].nonzero(as_tuple=True))
    assert seen == {"1×3 and 3×1": (3, 3), "1×3 twice": (1, 5)}
    assert all(len(set(r.kernel_size)) == 1 for r in profile("googlenet").rows if r.kind == "Conv2d")
    return f"They see {seen['1×3 and 3×1']} and {seen['1×3 twice']} pixels; {(3 + 3) / 9:.0%} of the weights."


@erratum(
    96,
    "Lower resolution for free",
    kind="imprecise",
    said="Images of 299, 151 and 79 pixels give almost the same accuracy when training for a long time.",
    source="a lecture on Inception-v3",
    papers=(RETHINKING,),
)
def resolution_at_equal_cost() -> str:
    """The paper compares at nearly equal cost, and the smallest images still lose 1.4 points.

    Strides and pooling at the start are taken out as images shrink, so that all but the first maps keep their
    size. The unchanged network on small images is cheap, and the paper expects much less of it.
    """
    slow = [(32, 3, "V"), *STEM_V3[1:]]
    stems = {299: STEM_V3, 151: slow, 79: [step for i, step in enumerate(slow) if i != 3]}
    cost = {side: count_macs("inception_v3", (3, side, side), stem=stem) for side, stem in stems.items()}
    naive = cost[299] / count_macs("inception_v3", (3, 79, 79))
    best = sorted((c.value for c in load_claims(RETHINKING, where="Table 2")), reverse=True)
    assert max(cost.values()) < 1.1 * min(cost.values()) and naive > 10
    return (
        f"{best[0]}, {best[1]} and {best[2]} % top-1 at {', '.join(f'{n / 1e9:.2f}' for n in cost.values())} "
        f"billion multiply-accumulates; unchanged, the network is {naive:.0f} times cheaper at 79 pixels."
    )

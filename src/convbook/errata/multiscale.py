"""Slips about multi-scale, searched and adaptive networks, and in an overview of the field."""

import torch
from torch import nn

from convbook.claims import load_claims
from convbook.errata.erratum import dropped, erratum
from convbook.layers.convolution import DepthwiseSeparable
from convbook.profile import count_macs, count_params

OVERVIEW = "a lecture on the design of convolutional networks"

dropped(
    9,
    "Where papers appeared",
    said=(
        "MobileNet and deformable convolution came at CVPR 2018, ShuffleNet V2 at CVPR 2019 and dilated "
        "convolution at ICLR 2018."
    ),
    source=OVERVIEW,
    papers=(
        "howard2017mobilenets",
        "sandler2018mobilenetv2",
        "ma2018shufflenet",
        "yu2016multi",
        "dai2017deformable",
    ),
    reason=(
        "A matter of record. MobileNet is a report on arXiv of 2017; it is MobileNetV2 that CVPR printed in "
        "2018. ShuffleNet V2 came at ECCV 2018, dilated convolution at ICLR 2016, deformable convolution at "
        "ICCV 2017."
    ),
)


@erratum(
    10,
    "Depthwise is not yet separable",
    kind="imprecise",
    said="A depthwise separable convolution is a group convolution whose groups have one channel each.",
    source=OVERVIEW,
    papers=("howard2017mobilenets", "chollet2017xception"),
)
def depthwise_is_half_of_separable() -> str:
    """One channel a group is the depthwise half.

    It never mixes channels: the 1×1 convolution behind it does, and holds most of the weights and operations.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pair, x = DepthwiseSeparable(64, 128).eval(), torch.randn(1, 64, 8, 8)
    depthwise = pair.depthwise[0]
    assert isinstance(depthwise, nn.Conv2d) and depthwise.groups == depthwise.in_channels
    changed = x.clone()
    changed[:, 0] += 1
    moved = [(f(changed) - f(x)).abs().amax(dim=(0, 2, 3)) > 0 for f in (depthwise, pair)]
    heard, heard_by_pair = (int(each.sum()) for each in moved)
    assert heard == 1 < heard_by_pair
    share = count_macs(depthwise, (64, 56, 56)) / count_macs(pair, (64, 56, 56))
    return (
        f"Of 64 channels, {heard} hears of a change in the first one behind the depthwise convolution and "
        f"{heard_by_pair} of 128 behind the pair, of whose MACs the depthwise one takes {share:.1%}."
    )


@erratum(
    11,
    "A bar chart of several protocols",
    kind="wrong",
    said="Top-1 accuracies grew from VGG's 70.5 % to 77.8 % with ResNet-152 and 79.6 % with DenseNet-264.",
    source=OVERVIEW,
    papers=("simonyan2015very", "he2016deep", "huang2017densely"),
)
def bars_are_not_the_papers_numbers() -> str:
    """None of these is a number of the network's own paper.

    The papers' own differ by protocol: one crop, ten, or many scales. What comes near 79.6 % is the
    20.26 % error of a later, wider DenseNet-264 with 73 million parameters, described in
    arXiv:1707.06990.
    """
    bars = {
        ("simonyan2015very", "vgg16"): 70.5,
        ("he2016deep", "resnet152"): 77.8,
        ("huang2017densely", "densenet264"): 79.6,
    }
    printed = []
    for (paper, model), bar in bars.items():
        errors = [c.value for c in load_claims(paper, model=model) if c.quantity == "top1_error"]
        accuracies = sorted(round(100 - error, 2) for error in errors)
        assert accuracies and bar not in (round(accuracy, 1) for accuracy in accuracies)
        printed.append(f"{model} {accuracies[0]} to {accuracies[-1]}")
    wider = count_params("densenet264", growth_rate=48)
    assert round(wider / 1e6) == 73
    return (
        f"The papers print, in per cent, {'; '.join(printed)}. DenseNet-264 with a growth rate of 48, not "
        f"the published 32, has {wider:,} parameters."
    )


@erratum(
    13,
    "An acceptance rate that is none",
    kind="wrong",
    said="MSDNet, an oral at ICLR 2018: acceptance rate 2.2 %, rank 4 of 935.",
    source=OVERVIEW,
    papers=("huang2018multi",),
)
def orals_are_not_acceptances() -> str:
    """The share of orals is not an acceptance rate.

    The programme committee counted 935 submissions, 23 orals and 314 posters. Rank 4 is the paper's
    place by mean review, weighted by confidence, before any decision; and its title ends in "for
    resource efficient image classification".
    """
    submissions, orals, posters = 935, 23, 314
    oral_share, accepted = 100 * orals / submissions, 100 * (orals + posters) / submissions
    assert round(oral_share, 2) == 2.46 and round(accepted) == 36
    assert round(oral_share, 1) != 2.2
    return (
        f"{orals} of {submissions} are {oral_share:.2f} % orals; {orals + posters} of {submissions}, or "
        f"{accepted:.1f} %, were accepted."
    )


dropped(
    89,
    "Two dates on one set of slides",
    said="The slides are of 21 October 2017, and of 31 October 2017.",
    source="a lecture on networks for image classification, first page and foot of the pages",
    reason=(
        "A matter of record: the first pages say 21 October 2017, the foot of later ones 31 October 2017. "
        "Nothing in the course depends on it."
    ),
)

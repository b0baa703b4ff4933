"""Slips about simple networks and design principles."""

import math

import torch
from torch import nn

from convbook.claims import load_claims
from convbook.errata.erratum import dropped, erratum
from convbook.profile import count_params

SIMPNET = "hasanpour2018towards"


def _accuracies(model: str, where: str | None = None) -> list[float]:
    """The CIFAR-10 accuracies that the SimpNet paper prints for a network, in its order."""
    claims = load_claims(SIMPNET, model=model, where=where)
    return [claim.value for claim in claims if claim.quantity == "cifar10_accuracy"]


dropped(
    55,
    "When SimpleNet appeared",
    said="SimpleNet held the best result on CIFAR-10 without augmentation in 2015.",
    source="a lecture on simple networks",
    reason=(
        "A date of publication. {cite:t}`hasanpour2016lets` is number 1608.06037 on arXiv, that is of August "
        "2016; its 94.75% without augmentation was the best that its authors knew of then."
    ),
    papers=("hasanpour2016lets",),
)


@erratum(
    56,
    "2 to 25 times fewer parameters than what?",
    kind="imprecise",
    said="SimpleNet has 2 to 25 times fewer parameters than VGG and ResNet.",
    source="Hasanpour et al. 2016, abstract, and a lecture on simple networks",
    papers=("hasanpour2016lets", "he2016deep"),
)
def fewer_than_networks_for_imagenet() -> str:
    """The factors hold against networks for ImageNet with its thousand classes.

    On CIFAR-10, where the accuracies are compared, the residual network beside it is the smaller one.
    """
    ours, vgg = count_params("simplenet_cifar"), count_params("vgg16")
    deep, cifar = count_params("resnet152"), count_params("resnet110_cifar")
    assert round(vgg / ours) == 25 and round(deep / ours) == 11
    assert cifar < ours
    return (
        f"VGG-16 has {vgg / ours:.1f} times SimpleNet's {ours:,} parameters and ResNet-152 {deep / ours:.1f} "
        f"times; ResNet-110 for CIFAR, with {cifar:,}, has {ours / cifar:.1f} times fewer."
    )


@erratum(
    57,
    "SqueezeNet on CIFAR-10, three times",
    kind="contradiction",
    said="SqueezeNet 1.1 with 768K parameters reaches 88.60%, or 87.51%, and 88.06% with SAF pooling.",
    source="Hasanpour et al. 2018, tables XI and S3",
    papers=(SIMPNET, "iandola2016squeezenet"),
)
def squeezenet_improves_below_its_baseline() -> str:
    """The network that SAF pooling improves ends below the plain one of the other table.

    Table XI prints means of runs; table S3 does not say. The count fits SqueezeNet 1.0 with 100 classes,
    written in units of 1,024, not 1.1 with the 10 classes of CIFAR-10.
    """
    from torchvision.models import squeezenet1_0, squeezenet1_1

    name = "squeezenet1_1"
    plain, _ = _accuracies(name, "Section on correlation preservation, Table S3")
    pooled, without = _accuracies(name, "Table 11")
    assert without < pooled < plain
    with torch.device("meta"):
        count = count_params(squeezenet1_1(num_classes=10))
        old = count_params(squeezenet1_0(num_classes=100))
    assert round(count / 1000) != 768 and round(old / 1024) == 768
    return (
        f"With SAF pooling {pooled}%, without {without}%, and the same network elsewhere {plain}%. "
        f"SqueezeNet 1.1 has {count:,} parameters; 1.0 with 100 classes has {old:,}, or {old / 1024:.1f} "
        "times 1,024."
    )


@erratum(
    58,
    "ResNet-32, counted and measured in several ways",
    kind="contradiction",
    said="ResNet-32 has 460K or 475K parameters and reaches 93.46% or 93.22% on CIFAR-10.",
    source="Hasanpour et al. 2018, tables VI and XV",
    papers=(SIMPNET, "he2016deep"),
)
def resnet32_has_one_count() -> str:
    """For each number of classes there is one count; 460K is that of ten classes to two digits, 475K is none.

    The accuracies are of different runs and recipes, and above that of the network's own paper.
    """
    claims = load_claims(SIMPNET, model="resnet32_cifar")
    printed = sorted({claim.value for claim in claims if claim.quantity == "params"})
    accuracies = sorted(set(_accuracies("resnet32_cifar")))
    ten, hundred = (count_params("resnet32_cifar", num_classes=n) for n in (10, 100))
    assert len(printed) == len(accuracies) == 2
    assert not {ten, hundred} & set(printed)
    errors = load_claims("he2016deep", model="resnet32_cifar", where="Table 6")
    (original,) = {100 - claim.value for claim in errors if claim.quantity == "cifar10_error"}
    assert original < accuracies[0]
    return (
        f"{ten:,} with 10 classes, {hundred:,} with 100; printed: {printed[0]:,.0f} and "
        f"{printed[1]:,.0f}. Accuracies printed: {accuracies[0]}% and {accuracies[1]}%, where He et al. 2016 "
        f"have {original:.2f}%."
    )


@erratum(
    59,
    "Differences that 10,000 test images cannot show",
    kind="imprecise",
    said="Balanced widths, larger kernels and SAF pooling each improve accuracy, by 0.08 to 2.5 points.",
    source="Hasanpour et al. 2018, tables IV, VIII and XI",
    papers=(SIMPNET, "bouthillier2021accounting"),
)
def most_differences_are_small() -> str:
    """A test set of 10,000 images leaves a difference uncertain by a third to half a point.

    That holds if the errors of two networks are independent; training with another seed adds to it, and
    most comparisons are of single runs. One difference stands out: wide ends against balanced widths at 128K.
    """
    tables = ("Table 4", "Table 8", "Table 11")
    values = [
        c.value for t in tables for c in load_claims(SIMPNET, where=t) if c.quantity == "cifar10_accuracy"
    ]
    pairs = list(zip(values[::2], values[1::2], strict=True))
    clear = []
    for a, b in pairs:
        p = (a + b) / 200
        error = 100 * math.sqrt(2 * p * (1 - p) / 10_000)
        clear += [abs(a - b)] if abs(a - b) > 2 * error else []
    assert (len(pairs), len(clear)) == (8, 1)
    return (
        f"{len(pairs) - len(clear)} of {len(pairs)} differences are within two standard errors of a "
        f"difference; the one beyond is {clear[0]:.2f} points."
    )


@erratum(
    60,
    "A factor that its row does not give",
    kind="contradiction",
    said="cuDNN 7 on a V100 speeds CNNs up 2.5 times and LSTMs 3 times: 100, 200, 600 and 1, 2, 6.",
    source="Hasanpour et al. 2018, table I, read off a vendor's chart",
    papers=(SIMPNET,),
)
def both_rows_triple() -> str:
    """Both rows grow by the same factors from the first card to the last, whatever their labels say.

    If 3 is right for LSTMs, the numbers for CNNs give 3 as well.
    """
    rows = {"CNN": (2.5, (100, 200, 600)), "LSTM": (3.0, (1, 2, 6))}
    last = {name: numbers[2] / numbers[1] for name, (_, numbers) in rows.items()}
    assert last["LSTM"] == rows["LSTM"][0]
    assert last["CNN"] == last["LSTM"] != rows["CNN"][0]
    needed = rows["CNN"][0] * rows["CNN"][1][1]
    return (
        f"From the second card to the third CNNs gain {last['CNN']:.1f}×, LSTMs {last['LSTM']:.1f}×; a "
        f"factor of {rows['CNN'][0]} would need {needed:.0f} where {rows['CNN'][1][2]} is printed."
    )


@erratum(
    61,
    "Dropout does not wake dead units",
    kind="imprecise",
    said="Dropout on every layer prevents dead ReLUs.",
    source="a lecture on simple networks",
    papers=("srivastava2014dropout", "glorot2011deep"),
)
def dead_units_stay_dead() -> str:
    """A unit that no input reaches has no gradient, with factors of 0 or 1 / (1 - p) around it or without.

    Whether noise makes units die less often is a question for an experiment, which the lecture does not
    show. Another of its slides advises less dropout with batch normalisation.
    """
    torch.manual_seed(0)
    alive = []
    for rate in (0.0, 0.2, 0.5):
        layer = nn.Linear(20, 50)
        nn.init.constant_(layer.bias[:10], -100.0)
        unit = nn.Sequential(nn.Dropout(rate), layer, nn.ReLU(), nn.Dropout(rate))
        unit(torch.randn(1000, 20)).sum().backward()
        assert layer.weight.grad is not None
        alive.append(layer.weight.grad.abs().sum(1) > 0)
    assert not any(row[:10].any() for row in alive) and all(row[10:].all() for row in alive)
    numbers = ", ".join(str(int(row.sum())) for row in alive)
    return f"Of 50 units with 10 dead ones, {numbers} get a gradient at dropout 0, 0.2 and 0.5."

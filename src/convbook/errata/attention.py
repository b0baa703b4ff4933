"""Attention: the gates' cost, their time, and formulas that say something else than they mean."""

import torch

from convbook.claims import load_claims
from convbook.errata.erratum import erratum
from convbook.layers.attention import ConcurrentSqueezeExcite, SqueezeExcite
from convbook.models import create_model
from convbook.models.channel_boost import sparsity
from convbook.profile import count_params
from convbook.shapes import ShapesOnly


@erratum(
    79,
    "The gate of SE is no full matrix",
    kind="wrong",
    said="The excitation learns one matrix of channels by channels, and adds 2 to 10 per cent of parameters.",
    source="a lecture on squeeze-and-excitation",
    papers=("hu2018squeeze",),
)
def a_full_matrix_would_cost_eight_times_as_much() -> str:
    """The excitation is two matrices, down to C / r channels and up again.

    The ends of the range belong to two networks: gates in all stages, and in all but the last.
    """
    with torch.device("meta"), ShapesOnly():
        network = create_model("se_resnet50")
    gates = {k: m for k, m in network.named_modules() if isinstance(m, SqueezeExcite)}
    plain, added = count_params("resnet50"), sum(count_params(m) for m in gates.values())
    early = sum(count_params(m) for k, m in gates.items() if not k.startswith("layer4"))
    full = sum(next(m.parameters()).shape[1] ** 2 for m in gates.values())
    assert added == count_params(network) - plain == 2_530_992 and full == 20_119_552
    assert round(100 * added / plain, 1) == 9.9 and round(100 * early / plain, 1) == 3.7
    return (
        f"Full matrices would add {full:,} weights to ResNet-50 ({full / plain:.0%}); the gates at r = 16 "
        f"add {added:,} parameters ({added / plain:.1%}), and {early / plain:.1%} without the last stage."
    )


@erratum(
    80,
    "A training step called inference",
    kind="wrong",
    said="On a GPU, inference takes 10 per cent longer with the gates.",
    source="a lecture on squeeze-and-excitation",
    papers=("hu2018squeeze",),
)
def ten_per_cent_is_a_training_step() -> str:
    """The 10 per cent are those of a training step.

    {cite:t}`hu2018squeeze` time a forward and a backward pass over 256 images on eight GPUs; inference they
    time on a CPU.
    """
    times = [c for c in load_claims("hu2018squeeze") if c.quantity == "milliseconds"]
    ms = {(c.model, "backward" in c.protocol): c.value for c in times}
    step, inference = (ms["se_resnet50", b] / ms["resnet50", b] - 1 for b in (True, False))
    assert all("GPU" in c.protocol and "256" in c.protocol for c in times if "backward" in c.protocol)
    assert round(step, 2) == 0.10 and round(inference, 3) == 0.018
    return (
        f"The paper's times are {step:.0%} more for a training step on GPUs, {inference:.1%} for inference."
    )


@erratum(
    81,
    "Names and years of attention papers",
    kind="wrong",
    said="Residual attention is of CVPR 2018; scSE, printed as SE-SC, squeezes and excites channels, twice.",
    source="a lecture on attention",
    papers=("wang2017residual", "roy2018concurrent"),
)
def scse_excites_positions_too() -> str:
    """The proceedings that hold {cite:t}`wang2017residual` are those of CVPR 2017.

    The block of {cite:t}`roy2018concurrent` is scSE: one half squeezes space and excites channels, the other
    squeezes channels and excites space.
    """
    shapes: list[tuple[int, ...]] = []
    with torch.device("meta"), ShapesOnly():
        block = ConcurrentSqueezeExcite(64)
        for half in (block.channel, block.spatial):
            half.gate.register_forward_hook(lambda _module, _inputs, gate: shapes.append(tuple(gate.shape)))
        block(torch.empty(1, 64, 14, 14))
        modules = create_model("scse").modules()
    assert shapes == [(1, 64, 1, 1), (1, 1, 14, 14)]
    blocks = sum(isinstance(module, ConcurrentSqueezeExcite) for module in modules)
    assert blocks == 8
    return (
        f"The gates for maps of 64 channels and 14×14 have the shapes {shapes[0]} and {shapes[1]}; the U-Net "
        f"here has {blocks} such pairs."
    )


@erratum(
    82,
    "A target confused with its estimate",
    kind="contradiction",
    said="A hidden unit's activity equals its target, and equals its mean over the training images.",
    source="a lecture on channel boosting",
    papers=("khan2018channel",),
)
def a_met_constraint_has_no_penalty() -> str:
    """The first line is what is wanted, the second what is measured, which deserves a hat.

    The penalty is KL(γ || γ̂). Taken as one and the same number, they leave a penalty of zero for every code.
    """
    torch.manual_seed(0)
    code, target = torch.rand(16, 3, 8, 8), 0.05
    measured = code.mean(dim=(0, 2, 3))
    penalty = sparsity(code, target).item()
    by_hand = sum(
        target * (target / m).log() + (1 - target) * ((1 - target) / (1 - m)).log() for m in measured
    )
    literal = sparsity(torch.full_like(code, target), target).item()
    assert abs(penalty - float(by_hand)) < 1e-4 and penalty > 1 and abs(literal) < 1e-5
    return (
        f"Three maps that are active {measured.mean().item():.2f} of the time are penalised by {penalty:.2f} "
        f"for a target of {target}; with the estimate set to the target, by {abs(literal):.2f}."
    )

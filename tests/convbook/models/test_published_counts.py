"""Parameters and multiply-accumulates against the numbers that papers print."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convbook import create_model, describe

PARAMETERS = {
    "lenet5": 60_000,  # LeCun et al. 1998, section II.B
    "lenet5_modern": 61_706,
    "alexnet": 60_965_224,
    # He et al. 2016, table 6: 0.27, 0.46, 0.66, 0.85, 1.7 M
    "resnet20_cifar": 269_722,
    "resnet32_cifar": 464_154,
    "resnet44_cifar": 658_586,
    "resnet56_cifar": 853_018,
    "resnet110_cifar": 1_727_962,
    "plain20_cifar": 269_722,  # option A has no parameters, so a plain network has as many
    "plain56_cifar": 853_018,
    "mobilenet_v1": 4_231_976,
    "se_resnet50": 28_088_024,
}


def parameters(name: str, **overrides: object) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in create_model(name, **overrides).parameters())


def macs(name: str, side: int | None = None, **overrides: object) -> int:
    channels, native, _ = describe(name).input_size
    side = side or native
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        create_model(name, **overrides).eval()(torch.empty(1, channels, side, side))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published_ones_to_the_unit(name):
    assert parameters(name) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "overrides", "side", "million_macs", "million_parameters"),
    [  # Howard et al. 2017, tables 4 to 7
        ("mobilenet_v1", {}, 224, 569, 4.2),
        ("mobilenet_v1", {"width_mult": 0.75}, 224, 325, 2.6),
        ("mobilenet_v1", {"width_mult": 0.5}, 224, 149, 1.3),
        ("mobilenet_v1", {"width_mult": 0.25}, 224, 41, 0.5),
        ("mobilenet_v1", {}, 192, 418, 4.2),
        ("mobilenet_v1", {}, 160, 290, 4.2),
        ("mobilenet_v1", {}, 128, 186, 4.2),
        ("mobilenet_v1_full", {}, 224, 4867, 29.3),  # table 4 prints 4866
        ("mobilenet_v1_shallow", {}, 224, 307, 2.9),
    ],
)
def test_mobilenets_have_the_papers_cost(name, overrides, side, million_macs, million_parameters):
    assert macs(name, side, **overrides) / 1e6 == pytest.approx(million_macs, abs=1.0)
    assert round(parameters(name, **overrides) / 1e6, 1) == million_parameters


def test_stride_in_the_1x1_gives_the_papers_cost_of_resnet50():
    assert macs("resnet50", stride_in="1x1") / 1e9 == pytest.approx(3.86, abs=0.01)  # He et al.: 3.8 x 10^9
    assert macs("resnet50") / 1e9 == pytest.approx(4.09, abs=0.01)
    assert parameters("resnet50", stride_in="1x1") == parameters("resnet50")


@pytest.mark.parametrize(
    ("name", "printed"), [("resnext29_8x64d_cifar", 34.4), ("resnext29_16x64d_cifar", 68.1)]
)
def test_cifar_resnexts_have_the_printed_size_without_their_norms(name, printed):
    with torch.device("meta"):
        model = create_model(name)
    weights = sum(
        p.numel() for m in model.modules() if not isinstance(m, nn.BatchNorm2d) for p in m.parameters(False)
    )
    assert round(weights / 1e6, 1) == printed


def test_a_plain_network_is_its_residual_twin_less_the_projections():
    with torch.device("meta"):
        residual, plain = create_model("resnet18"), create_model("plain18")
    kept = {k: v.shape for k, v in residual.state_dict().items() if "downsample" not in k}
    assert {k: v.shape for k, v in plain.state_dict().items()} == kept
    assert len(residual.state_dict()) > len(kept)

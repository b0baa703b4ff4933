"""The lab on a budget: the solved source passes, mistakes are told apart, the race is fair."""

import pytest
import torch
from solved import run, source_of
from torch import nn

from convbook.lab import Lab, race
from convbook.lab.checking import CheckFailed

QUICK = [name for name in Lab("budget").checks if name != "BudgetNet"]

# mistake: (exercise, what stands in the solution, what a student might write instead, words of the hint)
MISTAKES = {
    "a full convolution counted": (
        "separable_cost",
        "channels_in + channels_in * channels_out",
        "channels_in * channels_out",
        "small filter",
    ),
    "one side of the map for its area": (
        "separable_cost",
        "weights * size**2",
        "weights * size",
        "how often",
    ),
    "a list of floats": ("separable_cost", "weights, weights", "weights / 1, weights", "two ints"),
    "one channel too many": ("affordable_width", "return width", "return width + 1", "too wide"),
    "one channel too few": ("affordable_width", "return width", "return width - 1", "too narrow"),
    "the kernel turned around": (
        "depthwise_conv",
        "weight[:, i, j,",
        "weight[:, k - 1 - i, k - 1 - j,",
        "turned",
    ),
    "padding forgotten": (
        "depthwise_conv",
        "padded = F.pad(x, (k // 2, k // 2, k // 2, k // 2))",
        "padded = x",
        "size",
    ),
    "stride forgotten": ("depthwise_conv", ": stride, j : j + width : stride]", ", j : j + width]", "shape"),
    "left to PyTorch": (
        "depthwise_conv",
        "    k = weight",
        "    F.conv2d\n    k = weight",
        "without conv2d",
    ),
    "groups forgotten": ("SeparableConv", "groups=channels_in, ", "", "depthwise"),
    "a linear end": (
        "SeparableConv",
        "F.relu(self.pointwise_norm(self.pointwise(x)))",
        "self.pointwise_norm(self.pointwise(x))",
        "ReLU",
    ),
    "a linear middle": (
        "SeparableConv",
        "F.relu(self.depthwise_norm(self.depthwise(x)))",
        "self.depthwise_norm(self.depthwise(x))",
        "ReLU",
    ),
    "a bias beside its norm": ("SeparableConv", "channels_out, 1, bias=False", "channels_out, 1", "bias"),
    "the stride on the 1x1": ("SeparableConv", "3, stride, padding=1", "3, 1, padding=1", "striding"),
    "no padding in the block": ("SeparableConv", "padding=1", "padding=0", "shape"),
    "rounded down": ("scaled_channels", "int(exact + 4)", "int(exact)", "nearest"),
    "a third lost": ("scaled_channels", "rounded + 8 if rounded < 0.9 * exact else ", "", "tenth"),
    "not rounded": ("scaled_channels", "max(8, int(exact + 4) // 8 * 8)", "int(exact)", "multiple of 8"),
    "a ReLU at the narrow end": (
        "InvertedResidual",
        "nn.BatchNorm2d(channels_out),\n",
        "nn.BatchNorm2d(channels_out),\n            nn.ReLU(),\n",
        "no ReLU",
    ),
    "no shortcut": (
        "InvertedResidual",
        "return x + self.branch(x) if self.add_input else",
        "return",
        "sum with the input",
    ),
    "a shortcut where channels change": (
        "InvertedResidual",
        "stride == 1 and channels_in == channels_out",
        "stride == 1",
        "raised",
    ),
    "widened by the output's channels": (
        "InvertedResidual",
        "channels_in * expansion",
        "channels_out * expansion",
        "three times",
    ),
}


@pytest.mark.parametrize("name", QUICK)
def test_the_solved_source_passes_each_check(name):
    lab = Lab("budget")
    lab.check(run(source_of("budget", name), name))
    assert lab.passed == [name], lab.results


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_planted_mistake_fails_its_check_with_a_hint(mistake):
    name, right, wrong, hint = MISTAKES[mistake]
    source = source_of("budget", name)
    assert right in source
    lab = Lab("budget")
    lab.check(run(source.replace(right, wrong), name))
    assert lab.passed == []
    assert hint in lab.results[name], lab.results[name]


def test_a_block_that_makes_its_last_layers_first_passes():
    source = source_of("budget", "InvertedResidual").replace(
        "        hidden = ", "        NARROW\n        hidden = ", 1
    )
    last = "nn.Conv2d(hidden, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)"
    pad = " " * 12
    old = f"{pad}nn.Conv2d(hidden, channels_out, 1, bias=False),\n{pad}nn.BatchNorm2d(channels_out),\n"
    assert old in source
    source = source.replace(old, f"{pad}*narrow,\n")
    source = source.replace("NARROW", f"narrow = [{last.replace('hidden', 'channels_in * expansion')}]")
    lab = Lab("budget")
    lab.check(run(source, "InvertedResidual"))
    assert lab.passed == ["InvertedResidual"], lab.results


def test_no_hint_holds_a_right_answer():
    lab = Lab("budget")
    for source in (
        "def separable_cost(*a):\n    return 1, 1",
        "def affordable_width(*a):\n    return 1",
        "def scaled_channels(*a):\n    return 8",
    ):
        lab.check(run(source, source[4:].split("(")[0]))
    for answer in ("99", "4851", "43"):
        assert answer not in str(lab.results), answer


class Pooled(nn.Sequential):
    """A convolution on a shrunken image, and a head."""

    def __init__(self, *before, width=16):
        conv, head = nn.Conv2d(3, width, 3, stride=4), nn.Linear(width, 10)
        super().__init__(*before, conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def test_what_a_network_spends_is_counted_as_by_hand():
    # (32 - 3) // 4 + 1 = 8 positions a side: 16 maps out of the convolution, and out of the ReLU; 16 means
    assert race.values(Pooled()) == 2 * 16 * 8 * 8 + 16 + 10
    assert race.over_budget(Pooled()) == ""


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        (Pooled(width=15_000), "parameters; 300,000 are allowed"),
        (Pooled(nn.Conv2d(3, 80, 3, padding=1), nn.Conv2d(80, 3, 1)), "multiply-accumulates"),
        (Pooled(*[nn.ReLU() for _ in range(80)]), "values"),
        (nn.Sequential(*list(Pooled())[:-1]), "shape (2, 10)"),
    ],
    ids=["parameters", "multiply-accumulates", "values", "no head"],
)
def test_a_network_over_the_budget_is_told_which_limit(network, problem):
    assert problem in race.over_budget(network)


def test_the_ladder_rises_and_ends_with_all_points():
    assert [race.share(accuracy) for accuracy in (0.0, 0.349, 0.35, 0.5, 0.6, 0.7, 1.0)] == [
        0, 0, 0.25, 0.5, 0.75, 1, 1,
    ]  # fmt: skip


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(race, "TRAINED_ON", 64)
    monkeypatch.setattr(race, "HELD_OUT", 20)
    monkeypatch.setattr(race, "EPOCHS", 1)
    race._training_images.cache_clear()
    race._trained.clear()
    yield
    race._training_images.cache_clear()
    race._trained.clear()


def test_a_race_comes_out_the_same_again_whatever_the_weights_were(short):
    network = Pooled()
    before = [each.clone() for each in network.parameters()]
    state = torch.get_rng_state()
    first = race.race(network, 5)
    assert torch.equal(state, torch.get_rng_state()), "the race disturbs the notebook's own random numbers"
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    race._trained.clear()
    nn.init.zeros_(network[0].weight)
    assert race.race(network, 5) == first


def test_only_the_last_few_networks_are_remembered_and_no_two_are_confused(short, monkeypatch):
    trained = []
    monkeypatch.setattr(race, "_train", lambda network, images: trained.append(network))
    for width in (4, 8, 4, 8, 5, 6, 7, 4):
        race.race(Pooled(width=width))
    assert [network[0].out_channels for network in trained] == [4, 8, 5, 6, 7, 4]
    assert len(race._trained) == race.REMEMBERED


def test_a_network_that_decides_by_its_values_is_refused():
    class Deciding(Pooled):
        def forward(self, x):
            return super().forward(x) if x.mean() > 0 else super().forward(-x)

    with pytest.raises(CheckFailed, match="the same steps for all images"):
        Lab("budget").checks["BudgetNet"](Deciding)


def test_a_network_that_learns_too_little_is_told_what_it_would_earn(monkeypatch):
    monkeypatch.setattr(race, "race", lambda network, seed=0: 0.62)
    with pytest.raises(CheckFailed, match=r"62\.0%.*75%"):
        Lab("budget").checks["BudgetNet"](Pooled)

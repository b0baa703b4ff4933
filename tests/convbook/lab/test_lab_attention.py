"""The checks of the lab on attention: the solved source passes, and each mistake gets a hint of its own."""

import pytest
import torch
from solved import define, run, source_of
from torch import nn

from convbook.lab import Lab
from convbook.layers import attention

DENSE = "nn.Linear(channels, channels // reduction)"
LAST = "F.relu(x + change * self.gate(change))"

# what a student might write: (exercise, what stands in the solution, what is written, a word of the hint)
MISTAKES = {
    "mean over the batch": ("squeeze_excite", "x.mean(dim=(2, 3))", "x.mean(dim=(0, 2))", "raised"),
    "maximum for the mean": ("squeeze_excite", "x.mean(", "x.amax(", "mean of each channel"),
    "no sigmoid": ("squeeze_excite", "torch.sigmoid(hidden @ w2.T + b2)", "hidden @ w2.T + b2", "between 0"),
    "no ReLU": ("squeeze_excite", "torch.relu(z @ w1.T + b1)", "(z @ w1.T + b1)", "ReLU"),
    "gates in place of maps": ("squeeze_excite", "x * gates[:, :, None, None]", "gates", "shape"),
    "biases not counted": ("se_parameters", " + hidden + channels", "", "biases are missing"),
    "one layer counted": ("se_parameters", "2 * channels", "channels", "each pair"),
    "a float": ("se_parameters", "channels // reduction", "channels / reduction", "int, not float"),
    "gates returned": ("SqueezeExcite", "x * self.gate(x)", "self.gate(x)", "shape"),
    "gates added": ("SqueezeExcite", "x * self.gate(x)", "x + self.gate(x)", "share one gate"),
    "softmax": ("SqueezeExcite", "nn.Sigmoid()", "nn.Softmax(dim=1)", "gates differ"),
    "a layer without bias": ("SqueezeExcite", "reduction, 1),", "reduction, 1, bias=False),", "biases"),
    "no reduction": ("SqueezeExcite", "channels // reduction", "channels", "reduced number"),
    "a norm inside": ("SqueezeExcite", "nn.ReLU(),", "nn.BatchNorm2d(channels // reduction),", "needs 2"),
    "two sigmoids": (
        "ChannelGate",
        "(2, 3))) + self.mlp(",
        "(2, 3)))) + torch.sigmoid(self.mlp(",
        "one sigm",
    ),
    "the mean alone": ("ChannelGate", "self.mlp(x.amax(dim=(2, 3)))", "0", "only one of the two"),
    "layers not shared": ("ChannelGate", DENSE, f"{DENSE}, {DENSE}", "the same two"),
    "the channel gate alone": ("ChannelGate", "x * gates[:, :, None, None]", "gates", "shape"),
    "means over positions": ("SpatialGate", "x.mean(dim=1)", "x.mean(dim=(2, 3))", "raised"),
    "maximum first": (
        "SpatialGate",
        "x.mean(dim=1), x.amax(dim=1)",
        "x.amax(1), x.mean(1)",
        "mean, then max",
    ),
    "no padding": ("SpatialGate", "padding=kernel_size // 2, ", "", "raised"),
    "a gate a channel": ("SpatialGate", "nn.Conv2d(2, 1,", "nn.Conv2d(2, 5,", "one gate of two maps"),
    "bias kept": ("SpatialGate", ", bias=False", "", "no bias"),
    "the shortcut gated": ("GatedBlock", LAST, "F.relu((x + change) * self.gate(x + change))", "stay free"),
    "gates of the input": ("GatedBlock", "self.gate(change)", "self.gate(x)", "look at"),
    "gate unused": ("GatedBlock", "change * self.gate(change)", "change", "never used"),
    "no last ReLU": ("GatedBlock", LAST, LAST.removeprefix("F.relu"), "very end"),
    "shortcut forgotten": ("GatedBlock", "x + change *", "change *", "never added"),
    "biases beside norms": ("GatedBlock", "padding=1, bias=False", "padding=1", "bias=False"),
    "second minus first": ("paired_interval", "[first - second", "[second - first", "first minus second"),
    "n for n - 1": ("paired_interval", "/ (n - 1)", "/ n", "denominator"),
    "root of n forgotten": ("paired_interval", "(variance / n)", "(variance)", "root of n"),
    "whole width": ("paired_interval", "T[n - 1] *", "2 * T[n - 1] *", "one end"),
    "normal quantile": ("paired_interval", "T[n - 1]", "1.96", "degrees of freedom"),
    "the mean alone returned": ("paired_interval", "return mean, T", "return mean + T", "two numbers"),
}


def test_the_solved_source_passes_every_check_and_the_untouched_version_none():
    solved, untouched = Lab("attention"), Lab("attention")
    for name in solved.checks:
        solved.check(run(source_of("attention", name), name))
        untouched.check(define("attention", name, solved=False))
    assert solved.passed == list(solved.checks), solved.results
    assert set(untouched.results.values()) == {"not written yet"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_fails_its_check_with_a_hint(mistake):
    name, right, wrong, hint = MISTAKES[mistake]
    assert right in source_of("attention", name)
    lab = Lab("attention")
    lab.check(run(source_of("attention", name).replace(right, wrong), name))
    assert lab.passed == []
    assert hint in lab.results[name], lab.results[name]


@pytest.mark.parametrize(
    ("name", "finished", "args"),
    [
        ("SqueezeExcite", attention.SqueezeExcite, (8, 2)),
        ("ChannelGate", attention.ChannelGate, (8, 4)),
    ],
)
def test_the_labs_gates_agree_with_the_packages(name, finished, args):
    student, theirs = run(source_of("attention", name), name)(*args), finished(*args)
    for one, other in zip(student.parameters(), theirs.parameters(), strict=True):
        other.data.copy_(one.data.view_as(other))
    x = torch.randn(2, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = theirs(x) if name == "SqueezeExcite" else x * theirs(x)
    assert torch.allclose(student(x), expected, atol=1e-6)


def test_a_gate_of_linear_layers_or_in_another_order_passes():
    source = """
class SqueezeExcite(nn.Module):
    def __init__(self, channels, reduction=16):
        super().__init__()
        self.up = nn.Linear(channels // reduction, channels)
        self.down = nn.Linear(channels, channels // reduction)

    def forward(self, x):
        return torch.einsum("nchw,nc->nchw", x, self.up(self.down(x.mean((2, 3))).relu()).sigmoid())
"""
    lab = Lab("attention")
    lab.check(run(source, "SqueezeExcite"))
    assert lab.passed == ["SqueezeExcite"], lab.results


def test_counts_by_hand():
    count = run(source_of("attention", "se_parameters"), "se_parameters")
    assert count(64, 16) == 64 * 4 + 4 + 4 * 64 + 64
    assert count(4, 4) == sum(p.numel() for p in nn.Sequential(nn.Linear(4, 1), nn.Linear(1, 4)).parameters())


def test_an_interval_by_hand():
    interval = run(source_of("attention", "paired_interval"), "paired_interval")
    mean, half = interval([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])  # differences 1, 2, 3: standard deviation 1
    assert mean == 2.0
    assert half == pytest.approx(4.303 / 3**0.5)

"""The checks of the lab on folklore: the solved source passes, and each mistake gets a hint of its own."""

import pytest
import torch
from solved import define, run, source_of
from torch.nn import functional as F

from convbook.lab import Lab
from convbook.profile import profile

PAIRS = "interval([a - b for a, b in zip(first, second, strict=True)])"
NORM = "nn.BatchNorm2d(width), nn.ReLU()"
GAP = "abs(parameters(width) - budget)"
MOMENT = "(std**2 + mean**2) / (1 - p)"

# what a student might write: (exercise, what stands in the solution, what is written, a word of the hint)
MISTAKES = {
    "the mean decides": ("verdict", "if low > 0", "if low + high > 0", "holds zero"),
    "two pairs decide": ("verdict", "len(first) < 3", "len(first) < 2", "two pairs decide nothing"),
    "pairs thrown away": ("verdict", PAIRS, "interval(first)[0] - interval(second)[1], 1", "pairs agree"),
    "sides mixed up": ("verdict", "[a - b", "[b - a", "is not right"),
    "a truth value": ("verdict", 'return "first"', "return True", "should return one of"),
    "normal quantile": ("needed_seeds", "t[n - 1]", "1.96", "too few"),
    "one degree too many": ("needed_seeds", "t[n - 1]", "t[n]", "too few"),
    "root forgotten": ("needed_seeds", "n**0.5", "n", "root of n"),
    "two pairs enough": ("needed_seeds", "range(3, 30)", "range(2, 30)", "less than three"),
    "nothing at the end": ("needed_seeds", "    return 30\n", "", "int, not NoneType"),
    "odd sides cut": ("halving", ", ceil_mode=True", "", "shape"),
    "strided and pooled": ("halving", '2 if how == "stride" else 1', "2", "who does the halving"),
    "never strided": ("halving", '2 if how == "stride" else 1', "1", "who does the halving"),
    "bias kept": ("halving", ", bias=False", "", "bias"),
    "no ReLU": ("halving", "        nn.ReLU(),\n", "", "numbers differ"),
    "layers counted from 0": ("RowNet", "if number in", "if number - 1 in", "one layer late"),
    "no pools": ("RowNet", "if number in halve_after", "if False", "no pool"),
    "pools everywhere": ("RowNet", "if number in halve_after", "if True", "every layer"),
    "norm behind ReLU": ("RowNet", NORM, "nn.ReLU(), nn.BatchNorm2d(width)", "conv, norm"),
    "one ReLU less": ("RowNet", ", nn.ReLU()]", "]", "numbers differ"),
    "widths not passed on": ("RowNet", "            in_channels = width\n", "", "last width"),
    "maximum of each map": ("RowNet", ".mean(dim=(2, 3))", ".amax(dim=(2, 3))", "mean of each map"),
    "pool before the count": ("row_macs", "total += size**2", "total += (size // 2) ** 2", "each position"),
    "head forgotten": ("row_macs", "total + 10 * in_channels", "total", "linear layer is missing"),
    "widths not chained": (
        "row_macs",
        "        in_channels = width\n",
        "        in_channels += 0\n",
        "not right",
    ),
    "kernel not squared": ("row_macs", "* 9 *", "* 3 *", "each of its weights"),
    "a float side": ("row_macs", "size //= 2", "size /= 2", "int, not float"),
    "pools never shrink": ("row_macs", "size //= 2", "pass", "which size"),
    "convolutions alone": ("matched_width", " + depth * 2 * width + 10 * width + 10", "", "too wide"),
    "first layer as the others": ("matched_width", "9 * in_channels * width", "9 * width**2", "too narrow"),
    "under the budget": ("matched_width", GAP, "(parameters(width) > budget, -width)", "nearest"),
    "mean forgotten": ("variance_ratio", MOMENT, "std**2 / (1 - p) + mean**2", "adds to the mean square"),
    "not scaled": ("variance_ratio", MOMENT, "(std**2 + mean**2) * (1 - p)", "begin with mean 0"),
    "upside down": ("variance_ratio", "/ std**2", "* std**2", "scale"),
}


def test_the_solved_source_passes_every_check_and_the_untouched_version_none():
    solved, untouched = Lab("folklore"), Lab("folklore")
    for name in solved.checks:
        solved.check(run(source_of("folklore", name), name))
        untouched.check(define("folklore", name, solved=False))
    assert solved.passed == list(solved.checks), solved.results
    assert set(untouched.results.values()) == {"not written yet"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_fails_its_check_with_a_hint(mistake):
    name, right, wrong, hint = MISTAKES[mistake]
    assert right in source_of("folklore", name)
    lab = Lab("folklore")
    lab.check(run(source_of("folklore", name).replace(right, wrong), name))
    assert lab.passed == []
    assert hint in lab.results[name], lab.results[name]


def test_a_pool_that_is_written_in_forward_passes():
    source = """
class Pooled(nn.Module):
    def __init__(self, channels_in, channels_out, how):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels_out)
        stride = 1 + (how == "stride")
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.pools = how == "max"

    def forward(self, x):
        x = self.norm(self.conv(x)).relu()
        return torch.max_pool2d(x, 2, ceil_mode=True) if self.pools else x


def halving(channels_in, channels_out, how):
    return Pooled(channels_in, channels_out, how)
"""
    lab = Lab("folklore")
    lab.check(run(source, "halving"))
    assert lab.passed == ["halving"], lab.results


@pytest.mark.parametrize("halve_after", [[], [1], [2, 3]])
def test_work_and_parameters_agree_with_the_profiler(halve_after):
    row = run(source_of("folklore", "RowNet"), "RowNet")([5, 5, 5], halve_after, 3)
    cost = profile(row, (3, 14, 14))
    count = run(source_of("folklore", "row_macs"), "row_macs")
    assert count([5, 5, 5], halve_after, 14, 3) == cost.macs
    assert run(source_of("folklore", "matched_width"), "matched_width")(3, cost.params, 3) == 5


def test_dropout_changes_the_variance_as_computed():
    torch.manual_seed(0)
    x = 1.5 + 2 * torch.randn(400_000)
    measured = F.dropout(x, 0.3, training=True).var() / x.var()
    assert run(source_of("folklore", "variance_ratio"), "variance_ratio")(1.5, 2.0, 0.3) == pytest.approx(
        measured.item(), rel=0.01
    )


def test_numbers_of_seeds_by_hand():
    needed = run(source_of("folklore", "needed_seeds"), "needed_seeds")
    assert needed(1.0, 2.49) == 3  # 4.303 / root 3 = 2.484
    assert needed(1.0, 2.48) == 4
    assert needed(1.0, 0.37) == 30  # 2.045 / root 30 = 0.373: not even then

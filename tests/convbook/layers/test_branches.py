"""Paths turned into layers, branches that concatenate, and what reducing the grid costs."""

import pytest
import torch
from torch import nn

from convbook.layers.branches import Branches, Builder
from convbook.layers.reduction import Reduction, parallel_reduction, pool_then_widen, widen_then_pool
from convbook.profile import count_macs


def test_branches_concatenate_in_their_order():
    x = torch.arange(4.0).view(1, 1, 2, 2)
    torch.testing.assert_close(Branches([nn.Identity(), nn.ReLU(), nn.Flatten(3)])(x), torch.cat([x] * 3, 1))


@pytest.mark.parametrize(
    ("step", "shape"),
    [
        ((4, 3), (4, 9, 9)),
        ((4, (1, 7)), (4, 9, 9)),
        ((4, 3, "V"), (4, 7, 7)),
        ((4, (7, 1), "V"), (4, 3, 9)),
        ((4, 3, "/2"), (4, 5, 5)),
        ((4, 3, "/2V"), (4, 4, 4)),
        ("max", (2, 9, 9)),
        ("avg", (2, 9, 9)),
        ("max/2", (2, 5, 5)),
        ("max/2V", (2, 4, 4)),
        ([[(4, 1)], ["max"]], (6, 9, 9)),
    ],
)
def test_a_step_gives_the_shape_that_its_notation_says(step, shape):
    layer, channels = Builder().path(2, [step])
    assert layer(torch.randn(2, 2, 9, 9)).shape[1:] == shape
    assert channels == shape[0]


def test_a_path_runs_its_steps_in_order_and_counts_channels_through():
    layer, channels = Builder(width_mult=0.5).path(3, [(8, 1), "max/2V", [[(4, 3)], [(2, 1), (6, 3)]]])
    assert channels == 5
    assert layer(torch.randn(2, 3, 7, 7)).shape == (2, 5, 3, 3)


def test_average_pooling_counts_the_padding_only_if_told():
    x = torch.ones(1, 1, 3, 3)
    inside, _ = Builder().path(1, ["avg"])
    counted, _ = Builder(count_padding=True).path(1, ["avg"])
    assert inside(x).min() == 1.0
    assert counted(x)[0, 0, 0, 0] == pytest.approx(4 / 9)


@pytest.mark.parametrize(
    "steps", [[(4, 3, "/2V"), (4, 5, "V"), "max/2V"], [[[(4, 3, "V")], [(4, 1), (4, 3, "V")]]]]
)
def test_the_least_side_is_the_smallest_that_works(steps):
    layer, _ = Builder().path(2, steps)
    side = Builder().least(steps)
    assert layer.eval()(torch.randn(1, 2, side, side)).shape[-1] == 1
    with pytest.raises(RuntimeError):
        layer(torch.randn(1, 2, side - 1, side - 1))


def test_a_width_of_nothing_is_refused():
    with pytest.raises(ValueError, match="width_mult=0"):
        Builder(width_mult=0)


def test_a_reduction_puts_pooled_maps_behind_convolved_ones():
    x = torch.randn(1, 2, 7, 7)
    layer = Reduction(nn.Conv2d(2, 3, 3, 2))
    out = layer(x)
    torch.testing.assert_close(out[:, 3:], nn.functional.max_pool2d(x, 3, 2))
    torch.testing.assert_close(out[:, :3], layer.convolutions[0](x))


@pytest.mark.parametrize("kernel", [1, 3])
def test_the_reductions_cost_what_the_paper_says(kernel):
    k, d = 16, 12
    costs = [
        count_macs(make(k, kernel), (k, d, d))
        for make in (parallel_reduction, pool_then_widen, widen_then_pool)
    ]
    once = (d // 2) ** 2 * k**2 * kernel**2
    assert costs == [once, 2 * once, 8 * once]
    for make in (parallel_reduction, pool_then_widen, widen_then_pool):
        assert make(k, kernel)(torch.randn(2, k, d, d)).shape == (2, 2 * k, d // 2, d // 2)

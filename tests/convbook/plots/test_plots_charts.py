"""Charts: what they show is what they were given."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.text import Text
from scipy import stats
from torch import nn

from convbook import plots
from convbook.claims import best_of_each_paper, networks
from convbook.plots.charts import t_interval
from convbook.profile import profile


class Run:
    """A history by its interface alone."""

    def __init__(self, **columns):
        self.columns = columns

    def column(self, name):
        return self.columns[name]


def texts(axes):
    return [t.get_text() for t in axes.texts]


def test_curves_draws_each_history_with_its_values_and_name():
    data = {"plain": [0.5, 0.7, 0.8], "CBAM": [0.6, 0.8, 0.9]}
    axes = plots.curves({k: Run(val_accuracy=v) for k, v in data.items()}).axes[0]
    assert len(axes.lines) == 2
    for line, values in zip(axes.lines, data.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), [100 * v for v in values])
        assert list(line.get_xdata()) == [1, 2, 3]
    assert texts(axes) == ["plain", "CBAM"]
    assert axes.get_ylabel() == "validation accuracy (%)" and axes.get_xlabel() == "epoch"


def test_curves_with_two_quantities_keeps_colour_and_changes_line():
    axes = plots.curves({"a": Run(train_loss=[2, 1], val_loss=[2, 1.5])}, ("train_loss", "val_loss")).axes[0]
    first, second = axes.lines
    assert first.get_color() == second.get_color() and first.get_linestyle() != second.get_linestyle()
    assert texts(axes) == ["training", "validation"]
    assert axes.get_ylabel() == "loss"


def test_labels_of_curves_that_end_together_do_not_overlap():
    figure = plots.curves({name: [0.0, 1.0] for name in ("one", "two", "three", "four")}, "train_loss")
    figure.draw_without_rendering()
    boxes = sorted((t.get_window_extent() for t in figure.axes[0].texts), key=lambda b: b.y0)
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))


@pytest.mark.parametrize("histories", [{}, {"a": []}, {"a": Run(lr=[1])}])
def test_curves_refuses_what_it_cannot_draw(histories):
    with pytest.raises(ValueError, match=r"no curves|no epochs|no column"):
        plots.curves(histories)


def test_layer_bars_are_as_long_as_the_profile_says():
    net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Conv2d(6, 16, 5))
    axes = plots.layer_bars(profile(net, (1, 32, 32)), "params").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [156, 2416]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "2"]
    assert axes.get_xlabel() == "parameters (total 2.57 k)"


def test_layer_bars_of_a_deep_network_are_summed_by_module():
    counted = profile("resnet50")
    axes = plots.layer_bars(counted, "macs").axes[0]
    assert len(axes.patches) <= 24
    assert sum(bar.get_width() for bar in axes.patches) == counted.macs


@pytest.mark.parametrize("n", [2, 3, 5, 21, 40])
def test_t_interval_equals_scipy(n):
    values = np.random.default_rng(n).normal(size=n).tolist()
    mean, half = t_interval(values)
    low, high = stats.t.interval(0.95, n - 1, np.mean(values), stats.sem(values))
    assert math.isclose(mean, (low + high) / 2, rel_tol=1e-9)
    assert math.isclose(half, (high - low) / 2, rel_tol=2e-3)


def test_one_seed_has_no_interval():
    assert math.isnan(t_interval([1.0])[1])
    axes = plots.intervals({"a": [0.5]}).axes[0]
    assert texts(axes) == ["0.50"]


def test_intervals_shows_every_seed():
    results = {"none": [0.8, 0.81, 0.79], "SE": [0.82, 0.83, 0.84]}
    axes = plots.intervals(results, percent=True).axes[0]
    dots = {line.get_label(): line.get_xdata() for line in axes.lines if line.get_label() in results}
    for label, values in results.items():
        np.testing.assert_allclose(dots[label], [100 * v for v in values])
    assert texts(axes)[1].startswith("83.00 ± 2.48")  # 4.303 * 1 / sqrt(3)


def test_equal_values_of_several_seeds_are_stacked_so_that_each_is_seen():
    axes = plots.intervals({"a": [0.5, 0.5, 0.6, 0.5]}).axes[0]
    places = {(x, round(y, 3)) for line in axes.lines for x, y in zip(*line.get_data(), strict=True)}
    assert len({place for place in places if place[0] == 0.5}) == 3


def test_intervals_against_a_baseline_are_paired_differences():
    axes = plots.intervals({"none": [1.0, 2.0, 3.0], "SE": [1.5, 2.5, 3.5]}, baseline="none").axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["SE − none"]
    assert texts(axes) == ["+0.50 ± 0.00"]  # the spread over seeds cancels


@pytest.mark.parametrize(
    ("results", "baseline", "message"),
    [
        ({"a": [1.0]}, "b", "not among"),
        ({"a": [1.0, 2.0], "b": [1.0]}, "a", "same seeds"),
        ({"a": []}, None, "no values for a"),
    ],
)
def test_intervals_refuses_what_cannot_be_compared(results, baseline, message):
    with pytest.raises(ValueError, match=message):
        plots.intervals(results, baseline)


NETWORKS = [
    {"name": "AlexNet", "year": 2012, "top1_error": 40.7, "params": 61e6, "macs": 0.7e9},
    {"name": "ResNet-50", "year": 2016, "top1_error": 24.7, "params": 25.6e6, "macs": 4.1e9},
    {"name": "ResNet-101", "year": 2016, "top1_error": 23.6, "params": 44.5e6, "macs": 7.8e9},
    {"name": "ResNet-152", "year": 2016, "top1_error": 23.0, "params": 60.2e6, "macs": 11.5e9},
    {"name": "ResNeXt-50", "year": 2017, "top1_error": 22.2, "params": 25.0e6, "macs": 4.2e9},
    {"name": "SE-ResNet-50", "year": 2018, "top1_error": 23.3, "params": 28.1e6, "macs": 4.1e9},
    {"name": "CBAM-ResNet-50", "year": 2018, "top1_error": 22.7, "params": 28.1e6, "macs": 4.1e9},
    {"name": "no error", "year": 2018, "top1_error": None, "params": 28.1e6, "macs": 4.1e9},
]


@pytest.mark.parametrize("size", ["params", "macs"])
def test_timeline_areas_are_in_proportion_to_size(size):
    axes = plots.timeline(NETWORKS, size).axes[0]
    discs = next(c for c in axes.collections if isinstance(c, PathCollection))
    shown = [n for n in NETWORKS if n["top1_error"] is not None]
    by_place = {(n["year"], n["top1_error"]): n[size] for n in shown}
    ratios = {
        area / by_place[round(place[0]), place[1]]
        for place, area in zip(discs.get_offsets().tolist(), discs.get_sizes(), strict=True)
    }
    assert len(discs.get_sizes()) == len(shown)
    assert max(ratios) == pytest.approx(min(ratios))


def names_overlap(figure):
    """Pairs of names that cover each other; the hair lines that lead to them do not count."""
    figure.draw_without_rendering()
    boxes = {t.get_text(): Text.get_window_extent(t) for t in figure.axes[0].texts}
    return [
        (p, q)
        for (p, a), (q, b) in combinations(boxes.items(), 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


def test_timeline_names_every_network_once_and_no_two_names_overlap():
    figure = plots.timeline(NETWORKS)
    assert sorted(texts(figure.axes[0])) == sorted(n["name"] for n in NETWORKS[:-1])
    assert names_overlap(figure) == []


@pytest.mark.parametrize("size", ["params", "macs"])
def test_timeline_of_each_papers_best_network_keeps_names_apart(size):
    figure = plots.timeline(best_of_each_paper(networks()), size)
    assert len(texts(figure.axes[0])) >= 15
    assert names_overlap(figure) == []


def test_timeline_without_errors_or_with_a_wrong_size_is_refused():
    with pytest.raises(ValueError, match="no network"):
        plots.timeline(NETWORKS[-1:])
    with pytest.raises(ValueError, match="'params' or 'macs'"):
        plots.timeline(NETWORKS, "flops")

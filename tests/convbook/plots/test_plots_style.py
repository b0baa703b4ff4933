"""The look: readable colours, labels that keep apart."""

import subprocess
import sys
from itertools import pairwise

import matplotlib
import pytest

from convbook.plots.style import (
    LINES,
    MARKERS,
    MAX_WIDTH,
    PALETTE,
    STYLE,
    new_figure,
    short_number,
    spread,
    use_style,
)


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("color", PALETTE)
def test_every_colour_is_readable_as_text_on_white(color):
    assert 1.05 / (luminance(color) + 0.05) >= 4.5


def test_series_differ_without_colour():
    assert len(set(MARKERS)) == len(set(LINES)) == len(set(PALETTE)) == len(PALETTE)


def test_all_text_is_at_least_ten_points():
    sizes = [
        value
        for key, value in STYLE.items()
        if key.endswith("size") and "marker" not in key and "fig" not in key
    ]
    assert len(sizes) >= 5 and min(sizes) >= 10


def test_importing_plots_chooses_no_backend_and_loads_no_pyplot():
    code = (
        "import sys, matplotlib; before = matplotlib.rcParams._get_backend_or_none();"
        "from convbook import plots; plots.use_style(); plots.curves({'a': [1, 2]});"
        "assert matplotlib.rcParams._get_backend_or_none() == before;"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_use_style_reaches_plain_matplotlib_figures():
    with matplotlib.rc_context():
        use_style()
        assert matplotlib.rcParams["font.size"] == STYLE["font.size"]
        assert matplotlib.rcParams["axes.spines.top"] is False


def test_figure_wider_than_a_phone_can_show_is_refused():
    with pytest.raises(ValueError, match=r"at most 6\.4"):
        new_figure(width=MAX_WIDTH + 0.1)


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [0.0, 0.1, 5.0, 5.05], [3.0, 1.0, 2.0]])
def test_spread_keeps_the_order_and_the_gap(values):
    placed = spread(values, 0.5)
    ordered = sorted(placed)
    assert all(b - a >= 0.5 - 1e-9 for a, b in pairwise(ordered))
    for i, a in enumerate(values):
        for j, b in enumerate(values):
            assert not (a < b and placed[i] >= placed[j])


def test_spread_leaves_distant_values_alone_and_respects_the_floor():
    assert spread([0.0, 10.0], 1.0) == [0.0, 10.0]
    assert spread([0.0, 0.0], 1.0, low=0.0) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (156, "156"),
        (1516, "1.52 k"),
        (60_000, "60.0 k"),
        (25_028_904, "25.0 M"),
        (4.09e9, "4.09 G"),
        (138e6, "138 M"),
    ],
)
def test_short_numbers_have_three_digits_and_a_unit(value, text):
    assert short_number(value) == text

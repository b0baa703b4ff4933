"""show() gives every figure its words and closes it."""

import base64
import io
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image

from convbook import plots
from convbook.plots.display import PNG, SVG, picture

ALT = 'Accuracy of "LeNet" < 99 %'


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: calls.append((data, options)))
    return calls


def test_chart_is_shown_as_svg_with_alt_in_metadata_and_in_the_drawing(shown):
    plots.show(plots.curves({"a": [1.0, 2.0]}, "train_loss"), ALT)
    (data, options), *others = shown
    assert not others and set(data) == {SVG, "text/plain"} and options["raw"] is True
    about = options["metadata"][SVG]
    root = ElementTree.fromstring(data[SVG])
    assert about["alt"] == root.get("aria-label") == data["text/plain"] == ALT
    assert (str(about["width"]), str(about["height"])) == (root.get("width"), root.get("height"))


def test_figure_of_images_is_shown_as_png_with_two_pixels_a_css_pixel(shown):
    plots.show(plots.image_grid(torch.rand(2, 1, 8, 8)), ALT)
    data, options = shown[0]
    about = options["metadata"][PNG]
    width, height = Image.open(io.BytesIO(base64.b64decode(data[PNG]))).size
    assert about["alt"] == ALT
    assert abs(width - 2 * about["width"]) <= 1 and abs(height - 2 * about["height"]) <= 1


@pytest.mark.parametrize("alt", ["", "  \n", None])
def test_figure_without_alt_is_refused_and_not_shown(shown, alt):
    with pytest.raises(ValueError, match="alt is empty"):
        plots.show(plots.curves({"a": [1.0]}), alt)
    assert not shown


def test_pyplots_figure_is_closed(shown):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2])
    plots.show(figure, ALT)
    assert not plt.fignum_exists(figure.number)


def test_same_figure_gives_the_same_bytes():
    first, second = (picture(plots.curves({"a": [1.0, 2.0]}), ALT) for _ in range(2))
    assert first == second


def test_chart_with_very_many_points_becomes_pixels():
    figure, axes = plots.new_figure()
    axes.scatter(torch.rand(9000), torch.rand(9000), c=torch.rand(9000))
    assert picture(figure).mime == PNG


def test_charts_are_light_enough_for_a_page():
    assert len(picture(plots.curves({"plain": [0.5, 0.9], "CBAM": [0.6, 0.9]})).data) < 60_000

"""Figures of images."""

import numpy as np
import pytest
import torch

from convbook import plots


def drawn(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_image_grid_shows_the_pixels_it_was_given():
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    figure = plots.image_grid(images, titles=list("abcde"), columns=3)
    shown = drawn(figure)
    assert len(shown) == 5
    for image, array in zip(images, shown, strict=True):
        np.testing.assert_allclose(array, image[0].numpy() / 255)
    assert [axes.get_title() for axes in figure.axes[:5]] == list("abcde")


def test_image_grid_takes_colour_and_floats_and_stretches_normalised_ones_together():
    images = torch.stack([torch.full((3, 4, 4), -2.0), torch.full((3, 4, 4), 2.0)])
    first, second = drawn(plots.image_grid(images))
    assert first.shape == (4, 4, 3)
    assert first.max() == 0 and second.min() == 1


@pytest.mark.parametrize(
    "figure_of",
    [lambda: plots.image_grid(torch.rand(20, 1, 8, 8)), lambda: plots.filters(torch.rand(64, 3, 7, 7))],
)
def test_grids_fit_a_phone(figure_of):
    assert figure_of().get_figwidth() <= 6.4


def test_image_grid_refuses_wrong_titles_shapes_and_nothing():
    with pytest.raises(ValueError, match="2 titles for 1 images"):
        plots.image_grid(torch.rand(1, 1, 4, 4), ["a", "b"])
    with pytest.raises(ValueError, match="an image is"):
        plots.image_grid(torch.rand(1, 2, 4, 4))
    with pytest.raises(ValueError, match="no images"):
        plots.image_grid([])


def test_filters_draw_zero_as_mid_grey():
    weight = torch.zeros(2, 1, 3, 3)
    weight[0, 0, 0, 0], weight[1, 0, 2, 2] = 4.0, -4.0
    first, second = drawn(plots.filters(weight))
    assert first[0, 0] == 1 and second[2, 2] == 0 and first[1, 1] == 0.5


def test_filters_with_many_inputs_draw_one_picture_a_pair():
    weight = torch.randn(16, 6, 5, 5)
    shown = drawn(plots.filters(weight, maximum=12))
    assert len(shown) == 12
    np.testing.assert_allclose(shown[7], weight[1, 1] / (2 * weight.abs().max()) + 0.5, atol=1e-6)


def test_feature_maps_share_one_scale_and_have_a_colour_bar():
    maps = torch.rand(1, 10, 6, 6)
    figure = plots.feature_maps(maps, maximum=4)
    pictures = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(pictures) == 4
    assert {p.get_clim() for p in pictures} == {(float(maps[0, :4].min()), float(maps[0, :4].max()))}
    assert any(axes.get_ylabel() == "activation" for axes in figure.axes)


def test_overlay_stretches_the_map_over_the_image():
    image = torch.rand(3, 32, 48)
    attention = torch.zeros(1, 4, 6)
    attention[0, 0, 0] = 1
    figure = plots.overlay(image, attention, ["one"])
    heat = next(axes.images[1] for axes in figure.axes if len(axes.images) == 2)
    assert heat.get_array().shape == (32, 48)
    assert heat.get_array()[0, 0] == 1 and heat.get_array()[-1, -1] == 0


def test_overlay_of_several_images_shares_one_scale():
    maps = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])
    figure = plots.overlay(torch.rand(2, 3, 16, 16), maps)
    assert {axes.images[1].get_clim() for axes in figure.axes if len(axes.images) == 2} == {(0.0, 1.0)}
    with pytest.raises(ValueError, match="2 maps for 1 images"):
        plots.overlay(torch.rand(1, 3, 16, 16), maps)


def test_gate_heatmap_shows_values_and_sorts_channels_on_request():
    gates = torch.tensor([[0.1, 0.9], [0.3, 0.7]])
    assert np.allclose(drawn(plots.gate_heatmap(gates))[0], gates)
    assert np.allclose(drawn(plots.gate_heatmap(gates, sort=True))[0], gates.flip(1))
    assert drawn(plots.gate_heatmap(torch.rand(3, 8, 1, 1)))[0].shape == (3, 8)
    with pytest.raises(ValueError, match="1 row names for 2 rows"):
        plots.gate_heatmap(gates, ["a"])

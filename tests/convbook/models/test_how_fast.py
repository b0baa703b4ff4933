"""The fast network: what its first layer does to real patches, and that its shortcuts are what they say."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convbook import create_model
from convbook.models.how_fast import FastNorm, Whitening


def correlated_images() -> torch.Tensor:
    """Smooth noise, as photographs are: neighbours and channels go together."""
    torch.manual_seed(0)
    grey = F.avg_pool2d(torch.randn(64, 1, 20, 20), 3, stride=1)
    return grey + 0.3 * torch.randn(64, 3, 18, 18)


def test_whitened_patches_have_unit_covariance():
    images = correlated_images()
    layer = Whitening(3)
    before = torch.cov(layer(images)[:, :12].transpose(0, 1).flatten(1))
    layer.measure(images, eps=0.0)
    after = torch.cov(layer(images)[:, :12].transpose(0, 1).flatten(1))
    assert (before - torch.eye(12)).abs().max() > 0.5
    torch.testing.assert_close(after, torch.eye(12), rtol=0, atol=1e-3)


def test_both_signs_are_given_and_the_kernel_is_not_learned():
    layer = Whitening(3)
    layer.measure(correlated_images())
    plus, minus = layer(correlated_images()).chunk(2, dim=1)
    torch.testing.assert_close(plus, -minus)
    assert [name for name, _ in layer.named_parameters()] == ["bias"]


def test_a_direction_without_variance_is_not_blown_up():
    layer = Whitening(1)
    layer.measure(torch.ones(4, 1, 8, 8))
    assert layer.kernel.isfinite().all() and layer.kernel.abs().max() <= 5e-4**-0.5 + 1e-3


def test_a_shift_moves_as_one_with_64_times_the_learning_rate():
    plain, fast = nn.BatchNorm2d(3), FastNorm(3, speed=64.0)
    images, rate = torch.randn(8, 3, 4, 4), 0.01
    weights = torch.randn(8, 3, 4, 4)
    (plain(images) * weights).sum().backward()
    (fast(images) * weights).sum().backward()
    moved = fast.gain * (-rate * fast.shift.grad)
    torch.testing.assert_close(moved.flatten(), -64 * rate * plain.bias.grad)


def test_a_fresh_block_hands_its_first_channels_on():
    model = create_model("how_fast_cifar")
    conv = next(m for m in model.blocks.modules() if isinstance(m, nn.Conv2d))
    images = torch.randn(1, conv.in_channels, 6, 6)
    torch.testing.assert_close(conv(images)[:, : conv.in_channels], images)


def test_evaluation_with_mirror_sees_an_image_and_its_mirror_image_alike():
    torch.manual_seed(0)
    model = create_model("how_fast_cifar", widths=(8, 16), mirror=True).eval()
    images = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(model(images), model(images.flip(-1)))
    mean = (model.scores(images) + model.scores(images.flip(-1))) / 2
    torch.testing.assert_close(model(images), mean)
    model.mirror = False
    assert not torch.allclose(model(images), model(images.flip(-1)))


@pytest.mark.parametrize("side", [9, 32])
def test_the_published_size_and_the_least_give_ten_scores(side):
    assert create_model("how_fast_cifar").eval()(torch.randn(2, 3, side, side)).shape == (2, 10)

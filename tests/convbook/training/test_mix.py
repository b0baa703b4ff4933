"""Mixup and cutmix: the targets' shares are the pixels', and the coefficients follow their distribution."""

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from convbook.training import cutmix, mixup
from convbook.training.mix import beta


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 4.0])
def test_coefficients_follow_the_beta_distribution(alpha: float) -> None:
    """Mean 1/2, variance 1 / (4 (2 alpha + 1)), and the share below 1/4 that torch's own Beta gives."""
    n = 40_000
    draws = beta(alpha, n, generator())
    assert draws.shape == (n,) and draws.min() >= 0 and draws.max() <= 1
    variance = 1 / (4 * (2 * alpha + 1))
    assert draws.mean() == pytest.approx(0.5, abs=5 * (variance / n) ** 0.5)
    assert draws.var() == pytest.approx(variance, rel=0.05)
    torch.manual_seed(1)
    others = torch.distributions.Beta(alpha, alpha).sample((n,))
    assert (draws < 0.25).float().mean() == pytest.approx(float((others < 0.25).float().mean()), abs=0.015)


@pytest.mark.parametrize("mix", [mixup(0.4), cutmix(1.0)], ids=repr)
def test_a_targets_share_is_the_pixels_share(mix) -> None:
    """Image i has the value 1 in channel i and 0 elsewhere, so that a channel's mean is a class's share."""
    n = 12
    targets = torch.eye(n)
    images = targets[:, :, None, None].expand(n, n, 10, 14).contiguous(memory_format=torch.channels_last)
    mixed, mixed_targets = mix(images, targets, generator())
    torch.testing.assert_close(mixed.mean(dim=(2, 3)), mixed_targets)
    torch.testing.assert_close(mixed_targets.sum(dim=1), torch.ones(n))
    assert ((mixed_targets > 0).sum(dim=1) <= 2).all()
    assert len(mixed_targets.diagonal().unique()) > n / 2, "each image has a coefficient of its own"
    assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_mixup_is_a_weighted_mean_of_two_images() -> None:
    images, targets = torch.randn(8, 3, 6, 6), torch.eye(8)
    mixed, mixed_targets = mixup(1.0)(images, targets, generator())
    expected = torch.einsum("bk,kchw->bchw", mixed_targets, images)  # target k is image k
    torch.testing.assert_close(mixed, expected)


def test_cutmix_pastes_one_box() -> None:
    """Where pixels come from the partner they form a box; its share of an unclipped image is 1 - Beta."""
    n, height, width = 500, 20, 30
    images = torch.arange(float(n)).view(n, 1, 1, 1).expand(n, 1, height, width)
    mixed, _ = cutmix(1.0)(images, F.one_hot(torch.arange(n), n).float(), generator())
    pasted = (mixed != images)[:, 0]
    assert torch.equal(mixed[pasted[:, None]], images.roll(1, 0)[pasted[:, None]])
    for mask in pasted:
        assert torch.equal(mask, mask.any(dim=1)[:, None] & mask.any(dim=0)[None, :])
    inside = ~(pasted[:, 0].any(1) | pasted[:, -1].any(1) | pasted[:, :, 0].any(1) | pasted[:, :, -1].any(1))
    inside &= pasted.any(dim=(1, 2))
    heights, widths = pasted.any(dim=2).sum(dim=1)[inside], pasted.any(dim=1).sum(dim=1)[inside]
    assert inside.sum() > 20 and ((widths - 1.5 * heights).abs() <= 1.5).all(), "the image's proportions"


@pytest.mark.parametrize("mix", [mixup(0.4), cutmix(1.0)], ids=repr)
def test_the_generator_decides_and_the_input_is_left_alone(mix) -> None:
    images, targets = torch.randn(8, 1, 6, 6), torch.eye(8)
    before = images.clone()
    torch.manual_seed(1)
    first, first_targets = mix(images, targets, generator(3))
    torch.manual_seed(2)
    again, again_targets = mix(images, targets, generator(3))
    assert torch.equal(first, again) and torch.equal(first_targets, again_targets)
    assert not torch.equal(first, mix(images, targets, generator(4))[0])
    assert torch.equal(images, before) and torch.equal(targets, torch.eye(8))


def test_blends_print_as_the_calls_that_made_them() -> None:
    assert [repr(mixup(0.2)), repr(cutmix())] == ["mixup(0.2)", "cutmix(1)"]


@pytest.mark.parametrize("make", [mixup, cutmix])
def test_bad_input_is_refused(make) -> None:
    with pytest.raises(ValueError, match="alpha must be above 0; got 0"):
        make(0)
    with pytest.raises(ValueError, match=r"needs float targets \(B, K\)"):
        make(1.0)(torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), generator())

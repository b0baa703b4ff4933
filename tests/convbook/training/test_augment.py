"""Augmentation: each image changes on its own, as much as allowed, and reproducibly."""

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from convbook.training import affine, compose, crop_flip, elastic, shift

ALL = [shift(3), crop_flip(2), affine(), elastic(), compose(shift(1), elastic(1.0))]


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    """64 copies of one image without any symmetry, with a margin of 4."""
    torch.manual_seed(0)
    inner = torch.randint(50, 256, (1, 2, 12, 12), dtype=torch.uint8)
    return F.pad(inner, (4, 4, 4, 4)).repeat(64, 1, 1, 1)


@pytest.mark.parametrize("augment", ALL, ids=repr)
def test_every_image_gets_its_own_change(images: Tensor, augment) -> None:
    changed = augment(images, generator())
    assert changed.shape == images.shape
    different = {tuple(image.flatten().tolist()) for image in changed}
    assert len(different) > 20, "a batch of equal images must come out as many different ones"


@pytest.mark.parametrize("augment", ALL, ids=repr)
def test_the_generator_decides_and_the_input_is_left_alone(images: Tensor, augment) -> None:
    before = images.clone()
    torch.manual_seed(1)
    first = augment(images, generator(3))
    torch.manual_seed(2)
    assert torch.equal(first, augment(images, generator(3)))
    assert not torch.equal(first, augment(images, generator(4)))
    assert torch.equal(images, before)


def test_shift_moves_by_whole_pixels_and_reaches_every_place(images: Tensor) -> None:
    moved = shift(2)(images.repeat(8, 1, 1, 1), generator())
    offsets = set()
    for image in moved:
        matches = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if torch.equal(image, images[0].roll((dy, dx), (1, 2)))  # the margin makes rolling the same
        ]
        assert len(matches) == 1
        offsets.add(matches[0])
    assert len(offsets) == 25


def test_shift_fills_with_background() -> None:
    bright = torch.full((32, 1, 6, 6), 200, dtype=torch.uint8)
    moved = shift(3)(bright, generator())
    assert set(moved.unique().tolist()) == {0, 200} and moved.dtype == torch.uint8


def test_crop_flip_mirrors_about_half_of_the_images(images: Tensor) -> None:
    batch = images.repeat(8, 1, 1, 1)
    changed = crop_flip(0)(batch, generator())
    mirrored = sum(torch.equal(image, images[0].flip(2)) for image in changed)
    kept = sum(torch.equal(image, images[0]) for image in changed)
    assert mirrored + kept == len(batch)
    assert abs(mirrored - 256) < 5 * 512**0.5 / 2, "within five standard deviations of a fair coin"


@pytest.mark.parametrize("augment", [shift(0), affine(0, 0, 0, 0), elastic(0.0)], ids=repr)
def test_no_strength_is_no_change(images: Tensor, augment) -> None:
    torch.testing.assert_close(augment(images, generator()).float(), images.float(), atol=1e-2, rtol=0)


def test_affine_translation_equals_a_roll() -> None:
    """An image of 20 pixels moved by up to 0.1 of its side: a dot lands within two pixels."""
    dots = torch.zeros(200, 1, 20, 20)
    dots[:, :, 10, 10] = 255
    moved = affine(0, 0, 0, 0.1)(dots, generator())
    ys, xs = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    mass = moved.sum(dim=(1, 2, 3))
    for axis in (ys, xs):
        centre = (moved[:, 0] * axis).sum(dim=(1, 2)) / mass - 10
        assert 1.7 < centre.abs().max() < 2.01 and abs(centre.mean()) < 0.3


def test_affine_turns_by_at_most_the_angle_asked() -> None:
    """A dot 8 pixels right of the centre climbs or falls by at most 8 sin(30 degrees) = 4."""
    dots = torch.zeros(200, 1, 21, 21)
    dots[:, :, 10, 18] = 255
    turned = affine(30, 0, 0, 0)(dots, generator())
    height = (turned[:, 0] * torch.arange(21.0)[:, None]).sum(dim=(1, 2)) / turned.sum(dim=(1, 2, 3)) - 10
    assert 3.6 < height.abs().max() < 4.2
    assert height.min() < -3 and height.max() > 3


def test_elastic_displaces_by_the_strength_asked() -> None:
    """On a ramp, the change of grey value is the displacement; its root mean square must be the strength."""
    ramp = torch.arange(64.0).expand(50, 1, 64, 64).contiguous()
    moved = elastic(strength=1.5, smoothness=4)(ramp, generator())
    displacement = (moved - ramp)[:, :, 12:-12, 12:-12]
    assert displacement.square().mean().sqrt() == pytest.approx(1.5, rel=0.1)
    steps = displacement.diff(dim=3).square().mean().sqrt()
    assert steps < 0.5, "neighbours move together"


def test_compose_applies_in_order_and_prints_as_its_parts(images: Tensor) -> None:
    both = compose(shift(2), crop_flip(1))
    g = generator()
    expected = crop_flip(1)(shift(2)(images, g), g)
    assert torch.equal(both(images, generator()), expected)
    assert repr(both) == "compose(shift(2), crop_flip(1))"


@pytest.mark.parametrize(
    "make", [lambda: shift(-1), lambda: crop_flip(-1), lambda: affine(degrees=-1), lambda: elastic(-1.0)]
)
def test_negative_strengths_are_refused(make) -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        make()


def test_impossible_strengths_are_refused() -> None:
    with pytest.raises(ValueError, match="scale must be below 1"):
        affine(scale=1.0)
    with pytest.raises(ValueError, match="smoothness must be above 0"):
        elastic(smoothness=0.0)

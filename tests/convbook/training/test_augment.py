"""Augmentation: each image changes on its own, as much as allowed, and reproducibly."""

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from convbook.training import affine, colour, compose, crop_flip, cutout, elastic, flip, shift
from convbook.training.windows import windows_by_pixel, windows_by_row

ALL = [
    shift(3),
    crop_flip(2),
    crop_flip(2, "constant"),
    cutout(7),
    colour(0.5, 0, 0),
    affine(),
    elastic(),
    compose(shift(1), elastic(1.0)),
]


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    """64 copies of one image without any symmetry, with a margin of 4."""
    torch.manual_seed(0)
    inner = torch.randint(50, 256, (1, 3, 12, 12), dtype=torch.uint8)
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


@pytest.mark.parametrize("windows", [windows_by_row, windows_by_pixel])
@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("channels", "dtype"), [(3, torch.uint8), (1, torch.uint8), (2, torch.float32)])
def test_windows_equal_torchvisions_flip_pad_and_crop(
    windows, mode: str, mirrored: bool, channels: int, dtype: torch.dtype
) -> None:
    """Every window of two images that are not square, against one image at a time."""
    pad, height, width = 3, 6, 4
    top, left = torch.cartesian_prod(torch.arange(2 * pad + 1), torch.arange(2 * pad + 1)).T
    pixels = torch.randint(0, 256, (len(top), channels, height, width)).to(dtype)
    for images in (pixels, pixels.contiguous(memory_format=torch.channels_last)):
        mirror = torch.arange(len(top)) % 2 == 0 if mirrored else None
        found = windows(images, top, left, mirror, pad, mode)
        assert found.dtype == dtype and found.is_contiguous(memory_format=torch.channels_last)
        for i, image in enumerate(images):
            expected = tv.horizontal_flip(image) if mirrored and i % 2 == 0 else image
            expected = tv.pad(expected, [pad], padding_mode=mode)
            expected = tv.crop(expected, int(top[i]), int(left[i]), height, width)
            assert torch.equal(found[i], expected)


@pytest.mark.parametrize(
    "augment", [shift(3), crop_flip(3), crop_flip(3, "constant"), flip(), cutout(3)], ids=repr
)
def test_an_images_change_does_not_depend_on_its_neighbours(images: Tensor, augment) -> None:
    others = torch.randint(0, 256, images.shape, dtype=torch.uint8)
    others[::2] = images[::2]
    changed, changed_others = augment(images, generator()), augment(others, generator())
    assert torch.equal(changed[::2], changed_others[::2])
    assert changed.dtype == torch.uint8


def test_flip_mirrors_and_does_nothing_else(images: Tensor) -> None:
    changed = flip()(images, generator())
    mirrored = [torch.equal(image, images[0].flip(2)) for image in changed]
    kept = [torch.equal(image, images[0]) for image in changed]
    assert 10 < sum(mirrored) < 54 and sum(mirrored) + sum(kept) == 64


@pytest.mark.parametrize("size", [1, 4, 7])
def test_cutout_covers_a_square_that_may_stick_out(size: int) -> None:
    """All pixels are centres alike: the mean area is that of a slow loop over all of them."""
    side, n = 16, 4000
    changed = cutout(size, 9)(torch.full((n, 3, side, side), 200, dtype=torch.uint8), generator())
    assert set(changed.unique().tolist()) == {9, 200}
    covered = changed == 9
    assert torch.equal(covered[:, 0], covered[:, 2]), "all channels alike"
    areas = []
    for y in range(side):
        for x in range(side):
            canvas = torch.zeros(side, side)
            canvas[
                max(0, y - size // 2) : y - size // 2 + size, max(0, x - size // 2) : x - size // 2 + size
            ] = 1
            areas.append(canvas.sum())
    expected, found = torch.stack(areas), covered[:, 0].float().sum(dim=(1, 2))
    assert found.max() == size**2 and set(found.tolist()) <= set(expected.tolist())
    assert abs(found.mean() - expected.mean()) <= 5 * expected.std() / n**0.5 + 1e-6
    for mask in covered[:50, 0]:
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert torch.equal(mask, rows[:, None] & columns[None, :]) and rows.diff().sum() <= 2


@pytest.mark.parametrize(
    ("strengths", "adjust"),
    [
        ((0.8, 0, 0), tv.adjust_brightness),
        ((0, 0.8, 0), tv.adjust_contrast),
        ((0, 0, 0.8), tv.adjust_saturation),
    ],
)
def test_colour_equals_torchvisions_adjustments_an_image_at_a_time(strengths, adjust) -> None:
    images = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8)
    g = generator(2)
    draws = [torch.rand(20, generator=g) for _ in strengths]
    which = strengths.index(0.8)
    factors = 1 + 0.8 * (2 * draws[which] - 1)
    changed = colour(*strengths)(images.float(), generator(2))
    for image, factor, found in zip(images, factors, changed, strict=True):
        expected = adjust(image.float() / 255, float(factor)) * 255
        torch.testing.assert_close(found, expected, atol=0.05, rtol=0)
    bytes_ = colour(*strengths)(images, generator(2))
    assert bytes_.dtype == torch.uint8 and torch.equal(bytes_, changed.round().to(torch.uint8))


def test_colour_leaves_grey_images_grey_and_refuses_two_channels() -> None:
    grey = torch.randint(0, 256, (8, 1, 6, 6), dtype=torch.uint8)
    assert torch.equal(colour(0, 0, 0.9)(grey, generator()), grey)
    threefold = colour(0.5, 0.5, 0.5)(grey.repeat(1, 3, 1, 1), generator())
    assert (threefold.int() - colour(0.5, 0.5, 0.5)(grey, generator()).int()).abs().max() <= 1
    with pytest.raises(ValueError, match="1 or 3 channels"):
        colour()(torch.zeros(2, 2, 4, 4), generator())


@pytest.mark.parametrize(
    "augment", [shift(0), cutout(0), colour(0, 0, 0), affine(0, 0, 0, 0), elastic(0.0)], ids=repr
)
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
    "make",
    [
        lambda: shift(-1),
        lambda: crop_flip(-1),
        lambda: cutout(-1),
        lambda: colour(saturation=-1),
        lambda: affine(degrees=-1),
        lambda: elastic(-1.0),
    ],
)
def test_negative_strengths_are_refused(make) -> None:
    with pytest.raises(ValueError, match="must be 0 or more"):
        make()


def test_impossible_strengths_are_refused() -> None:
    with pytest.raises(ValueError, match="scale must be below 1"):
        affine(scale=1.0)
    with pytest.raises(ValueError, match='mode must be "reflect" or "constant"'):
        crop_flip(4, "edge")
    with pytest.raises(ValueError, match="reflected by less than its sides; got pad=4"):
        crop_flip(4)(torch.zeros(2, 3, 4, 8), generator())
    with pytest.raises(ValueError, match="a pixel's value from 0 to 255"):
        cutout(4, fill=300)
    with pytest.raises(ValueError, match="smoothness must be above 0"):
        elastic(smoothness=0.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("augment", [*ALL, flip(), colour()], ids=repr)
def test_a_gpu_never_makes_the_cpu_wait(images: Tensor, augment) -> None:
    resident = images.cuda()
    g = Generator("cuda").manual_seed(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        changed = augment(resident, g)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert changed.shape == images.shape

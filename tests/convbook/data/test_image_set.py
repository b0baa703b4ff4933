"""ImageSet: normalisation, batches, subsets."""

import pytest
import torch
from torch import Generator, Tensor

from convbook.data import ImageSet
from convbook.training import compose, crop_flip, cutout


@pytest.fixture
def images() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (10, 3, 4, 5), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(10) % 4, ("a", "b", "c", "d"), "noise")


def test_mean_and_std_equal_a_float64_computation(images: ImageSet) -> None:
    pixels = images.images.double() / 255
    torch.testing.assert_close(images.mean, pixels.mean(dim=(0, 2, 3)).float())
    torch.testing.assert_close(images.std, pixels.std(dim=(0, 2, 3), correction=0).float())


def test_float_images_have_mean_0_and_variance_1_a_channel(images: ImageSet) -> None:
    floats = images.float_images()
    assert floats.dtype == torch.float32
    torch.testing.assert_close(floats.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(floats.var(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0)


def test_a_constant_image_normalises_to_finite_numbers() -> None:
    blank = ImageSet(torch.full((2, 1, 4, 4), 7, dtype=torch.uint8), torch.zeros(2), ("a",))
    assert blank.float_images().abs().max() < 1e-5


def test_a_subset_keeps_the_whole_sets_statistics_and_its_own_labels(images: ImageSet) -> None:
    part = images.subset(4, seed=1)
    assert len(part) == 4
    assert torch.equal(part.mean, images.mean)
    for image, label in zip(part.images, part.labels, strict=True):
        (where,) = (images.images == image).flatten(1).all(dim=1).nonzero()
        assert images.labels[where] == label


def test_subsets_depend_on_their_seed_alone(images: ImageSet) -> None:
    torch.manual_seed(1)
    first = images.subset(5, seed=3).images
    torch.manual_seed(2)
    assert torch.equal(first, images.subset(5, seed=3).images)
    assert not torch.equal(first, images.subset(5, seed=4).images)


@pytest.mark.parametrize("n", [0, 11])
def test_an_impossible_subset_is_refused(images: ImageSet, n: int) -> None:
    with pytest.raises(ValueError, match="noise has 1 to 10"):
        images.subset(n)


def test_batches_show_every_image_once_with_its_label(images: ImageSet) -> None:
    generator = torch.Generator().manual_seed(0)
    batches = list(images.batches(4, shuffle=True, generator=generator))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    seen = torch.cat([pixels for pixels, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    whole = images.float_images()
    order = [int((whole == image).flatten(1).all(dim=1).nonzero()) for image in seen]
    assert sorted(order) == list(range(10)) and order != list(range(10))
    assert torch.equal(labels, images.labels[order])


def test_an_incomplete_last_batch_can_be_left_out(images: ImageSet) -> None:
    assert [len(labels) for _, labels in images.batches(4, drop_last=True)] == [4, 4]


def channels_last(images: Tensor) -> bool:
    return images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", [None, crop_flip(1), cutout(2)], ids=repr)
def test_pixels_are_channels_last_whatever_layout_they_came_in(channels: int, augment) -> None:
    pixels = torch.randint(0, 256, (6, channels, 4, 5), dtype=torch.uint8)
    for layout in (pixels, pixels.contiguous(memory_format=torch.channels_last), pixels.flip(3).flip(3)):
        data = ImageSet(layout, torch.zeros(6), ("a",))
        assert torch.equal(data.images, pixels) and channels_last(data.images)
        assert channels_last(data.select(torch.tensor([4, 1])).images)
        for images, _ in data.batches(4, generator=Generator(), augment=augment):
            assert channels_last(images) and images.dtype == torch.float32


def test_a_set_in_channels_last_order_is_not_copied() -> None:
    pixels = torch.zeros(6, 4, 5, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    data = ImageSet(pixels, torch.zeros(6), ("a",))
    assert data.images.data_ptr() == pixels.data_ptr()
    assert data.shape == (3, 4, 5)
    assert torch.equal(data.sample(2), pixels[:2]) and len(data.sample(100)) == 6


def test_normalising_subtracts_the_mean_and_divides_by_the_deviation(images: ImageSet) -> None:
    mean, std = images.mean.double().view(3, 1, 1), images.std.double().view(3, 1, 1)
    for raw in (images.images, images.images.float(), images.images.float().contiguous()):
        before = raw.clone()
        expected = (raw.double() / 255 - mean) / std
        torch.testing.assert_close(images.normalise(raw).double(), expected, atol=1e-5, rtol=1e-5)
        assert torch.equal(raw, before)


AUGMENT = compose(crop_flip(2), cutout(2))


@pytest.mark.parametrize("augment", [None, AUGMENT], ids=repr)
@pytest.mark.parametrize("start", [0, 1, 2, 3, 4])
def test_a_pass_that_starts_later_gives_the_same_batches(images: ImageSet, augment, start: int) -> None:
    whole = list(images.batches(3, True, Generator().manual_seed(5), augment=augment))
    later = list(images.batches(3, True, Generator().manual_seed(5), augment=augment, start=start))
    assert len(later) == 4 - start
    for (pixels, labels), (late_pixels, late_labels) in zip(whole[start:], later, strict=True):
        assert torch.equal(pixels, late_pixels) and torch.equal(labels, late_labels)


def test_where_a_pass_starts_does_not_change_the_passes_after_it(images: ImageSet) -> None:
    orders = []
    for start, take, augment in ((0, 4, None), (2, 2, AUGMENT), (0, 1, AUGMENT)):
        generator = Generator().manual_seed(5)
        first = images.batches(3, True, generator, augment=augment, start=start)
        for _ in range(take):
            next(first)
        orders.append(
            [label for _, labels in images.batches(3, True, generator) for label in labels.tolist()]
        )
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize("world", [2, 3])
def test_the_processes_parts_make_up_every_batch(images: ImageSet, world: int) -> None:
    whole = list(images.batches(4, True, Generator().manual_seed(5)))
    parts = [
        list(images.batches(4, True, Generator().manual_seed(5), shard=(r, world))) for r in range(world)
    ]
    for (pixels, labels), *shares in zip(whole, *parts, strict=True):
        assert torch.equal(pixels, torch.cat([p for p, _ in shares]))
        assert torch.equal(labels, torch.cat([y for _, y in shares]))
        assert max(len(y) for _, y in shares) - min(len(y) for _, y in shares) <= 1


def test_a_process_without_a_part_of_the_last_batch_gets_no_images(images: ImageSet) -> None:
    parts = images.batches(4, generator=Generator(), augment=crop_flip(1), shard=(2, 3))
    assert [tuple(pixels.shape) for pixels, _ in parts] == [(1, 3, 4, 5), (1, 3, 4, 5), (0, 3, 4, 5)]


def test_processes_and_batches_augment_by_draws_of_their_own() -> None:
    same = ImageSet(
        torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8).repeat(64, 1, 1, 1), torch.zeros(64), ("a",)
    )
    changed = [
        pixels
        for rank in range(2)
        for pixels, _ in same.batches(32, generator=Generator(), augment=crop_flip(3), shard=(rank, 2))
    ]
    assert len(changed) == 4
    for i, one in enumerate(changed):
        assert not any(torch.equal(one, other) for other in changed[:i])


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"batch_size": 1, "shard": (0, 2)}, "batch_size must be 2 or more"),
        ({"batch_size": 4, "shard": (2, 2)}, "0 <= rank < world"),
        ({"batch_size": 4, "start": -1}, "start must be 0 or more"),
    ],
)
def test_impossible_passes_are_refused(images: ImageSet, choice: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(images.batches(**choice))


def test_shuffling_without_a_generator_is_refused(images: ImageSet) -> None:
    with pytest.raises(ValueError, match="need a generator"):
        next(images.batches(4, shuffle=True))


@pytest.mark.parametrize(
    ("shape", "dtype", "labels", "message"),
    [
        ((2, 3, 4, 4), torch.float32, 2, "must be uint8"),
        ((2, 4, 4), torch.uint8, 2, "must be uint8"),
        ((2, 3, 4, 4), torch.uint8, 3, "2 images need as many labels"),
        ((0, 3, 4, 4), torch.uint8, 0, "at least one image"),
    ],
)
def test_malformed_sets_are_refused(
    shape: tuple[int, ...], dtype: torch.dtype, labels: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ImageSet(torch.zeros(shape, dtype=dtype), torch.zeros(labels), ("a",))

"""ImageSet: normalisation, batches, subsets."""

import pytest
import torch

from convbook.data import ImageSet


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

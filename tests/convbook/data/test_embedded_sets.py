"""What needs no files: digits, photographs, cluttered digits."""

import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from convbook.data import DataError, cluttered_digits, list_data, load, photographs


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def cluttered():
    return cluttered_digits(n=300, seed=0, val=80)


def test_digits_hold_each_of_the_1797_scans_once(digits) -> None:
    """Shrinking the enlarged images threefold must give back scikit-learn's scans, each on one side only."""
    from sklearn.datasets import load_digits

    train, val = digits
    assert (len(train), len(val)) == (1437, 360)
    inner = torch.cat([train.images, val.images])[:, :, 4:-4, 4:-4].float()
    centres = inner[:, 0, 1::3, 1::3] * 16 / 255  # bilinear enlargement by 3 keeps each cell's centre
    found = {tuple(scan.round().int().flatten().tolist()) for scan in centres}
    expected = {tuple(scan.astype(int).flatten().tolist()) for scan in load_digits().images}
    assert found == expected and len(expected) == 1797


def test_digits_split_is_stratified(digits) -> None:
    train, val = digits
    parts = torch.bincount(val.labels, minlength=10) / (
        torch.bincount(val.labels, minlength=10) + torch.bincount(train.labels, minlength=10)
    )
    assert (parts - 0.2).abs().max() < 0.005


def test_digits_split_never_moves(digits) -> None:
    """Recorded figures compare runs over years: a new scikit-learn must not draw another split unseen."""
    _, val = digits
    assert val.labels[:12].tolist() == [7, 6, 3, 7, 7, 3, 2, 8, 9, 3, 2, 6]
    weights = torch.arange(1, 361, dtype=torch.int64)
    assert int((val.images.flatten(1).sum(dim=1) * weights).sum()) == DIGITS_FINGERPRINT


DIGITS_FINGERPRINT = 2909843161


def test_digits_have_four_pixels_of_background_around(digits) -> None:
    for part in digits:
        assert part.images.shape[1:] == (1, 32, 32)
        assert part.images[:, :, 4:-4, 4:-4].sum() == part.images.sum()


def test_validation_is_normalised_with_the_training_sets_statistics(digits, cluttered) -> None:
    for train, val in (digits, cluttered):
        assert torch.equal(train.mean, val.mean) and torch.equal(train.std, val.std)
        assert not torch.allclose(val.float_images().mean(), torch.zeros(()), atol=1e-7)


def test_photographs_are_scikit_learns(digits) -> None:
    from sklearn.datasets import load_sample_image

    photos = photographs()
    assert set(photos) == {"china", "flower"}
    for name, photo in photos.items():
        assert photo.dtype == torch.uint8
        assert torch.equal(photo.permute(1, 2, 0), torch.tensor(load_sample_image(f"{name}.jpg")))


def test_cluttered_digits_have_the_asked_size_and_classes(cluttered) -> None:
    train, val = cluttered
    assert train.images.shape == (300, 3, 48, 48) and val.images.shape == (80, 3, 48, 48)
    assert torch.bincount(train.labels, minlength=10).min() > 15


def test_cluttered_digits_follow_from_their_seed(cluttered) -> None:
    again, _ = cluttered_digits(n=300, seed=0, val=80)
    other, _ = cluttered_digits(n=300, seed=1, val=80)
    assert torch.equal(cluttered[0].images, again.images) and torch.equal(cluttered[0].boxes, again.boxes)
    assert not torch.equal(cluttered[0].images, other.images)


def test_cluttered_boxes_hold_the_light_digit(cluttered) -> None:
    """Ink is at least 180 bright in every channel: a box must hold more such pixels than a box elsewhere."""
    train, _ = cluttered
    light = (train.images.amin(dim=1) > 170).float()
    inside, outside = 0.0, 0.0
    for image, (x0, y0, x1, y1) in zip(light, train.boxes.tolist(), strict=True):
        assert 0 <= x0 < x1 <= 48 and 0 <= y0 < y1 <= 48
        assert y1 - y0 >= 12, "a digit is at least half of 24 pixels high"
        box = image[y0:y1, x0:x1]
        inside += float(box.mean())
        outside += float((image.sum() - box.sum()) / (image.numel() - box.numel()))
    assert inside / len(train) > 0.3
    assert outside / len(train) < 0.1


def test_cluttered_training_and_validation_share_no_background() -> None:
    """Validation's backgrounds come from the photographs' right quarter, which training never sees."""
    import convbook.data.clutter as clutter

    seen = {}
    original = clutter._paste

    def spy(n, scans, photos, size, generator):
        seen[len(seen)] = (scans, photos)
        return original(n, scans, photos, size, generator)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clutter, "_paste", spy)
        cluttered_digits(n=3, val=3)
    for whole, left, right in zip(photographs().values(), seen[0][1], seen[1][1], strict=True):
        assert torch.equal(torch.cat([left, right], dim=2), whole.float())
    train_scans, val_scans = (F.avg_pool2d(seen[i][0].images.float(), 4).flatten(1) for i in (0, 1))
    assert torch.cdist(train_scans, val_scans).min() > 0


@pytest.mark.parametrize("size", [10, 400])
def test_cluttered_digits_refuse_sizes_that_cannot_be_drawn(size: int) -> None:
    with pytest.raises(ValueError, match="size must be"):
        cluttered_digits(size=size)


def test_an_unknown_name_says_which_are_near() -> None:
    with pytest.raises(DataError, match="no data set is called 'CIFAR_10': did you mean 'cifar10'"):
        load("CIFAR_10")
    with pytest.raises(DataError, match="choose from"):
        load("???")
    named = {"digits", "cluttered-digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "clothing"}
    assert named | {"imagenette"} == set(list_data())


def test_importing_data_and_training_loads_no_heavy_package() -> None:
    """The book's pages import convbook in every kernel: scikit-learn and matplotlib wait until needed."""
    code = (
        "import sys, convbook.data, convbook.training, convbook.records; "
        "print([m for m in ('sklearn', 'matplotlib', 'IPython', 'pandas') if m in sys.modules])"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr

"""The embedded default: scikit-learn's scans of handwritten digits."""

import torch
from torch import Tensor
from torch.nn import functional as F

from convbook.data.images import ImageSet

CLASSES = tuple("0123456789")
VALIDATION = 360  # a fifth of 1,797


def digits() -> tuple[ImageSet, ImageSet]:
    """1,437 training and 360 validation scans, 1x32x32, from the 1,797 that scikit-learn ships.

    The scans are 8x8 with 17 grey levels: counts of ink in the 4x4 cells of 32x32 bitmaps. Each is enlarged
    threefold by bilinear interpolation and centred on a 32x32 field of background, so that a digit has four
    pixels of margin, as MNIST's have in LeNet-5's input.

    The split is fixed and stratified (scikit-learn's, random state 0). No two scans are equal, but the
    13 writers are not told apart in the file: the same hand may have written on both sides.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    scans = load_digits()
    images = enlarge(torch.tensor(scans.images))
    labels = torch.tensor(scans.target)
    train, val = train_test_split(
        torch.arange(len(labels)).numpy(), test_size=VALIDATION, stratify=scans.target, random_state=0
    )
    train_set = ImageSet(images[train], labels[train], CLASSES, "digits")
    statistics = (train_set.mean, train_set.std)
    return train_set, ImageSet(images[val], labels[val], CLASSES, "digits", statistics=statistics)


def enlarge(scans: Tensor) -> Tensor:
    """Scans (N, 8, 8) with values 0 to 16 -> uint8 images (N, 1, 32, 32) with values 0 to 255."""
    images = scans.float().unsqueeze(1) * (255 / 16)
    images = F.interpolate(images, scale_factor=3, mode="bilinear", align_corners=False)  # (N, 1, 24, 24)
    return F.pad(images.round().to(torch.uint8), (4, 4, 4, 4))

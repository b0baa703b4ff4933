"""Two real photographs that need no network."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from convbook.data.images import ImageSet

THIRDS = ("top", "middle", "bottom")


def photographs() -> dict[str, Tensor]:
    """scikit-learn's two sample photographs, by name: "china" (a palace) and "flower" (a dahlia).

    Each is uint8, (3, 427, 640). Both are under CC BY 2.0; scikit-learn names the photographers.
    """
    from sklearn.datasets import load_sample_images

    sample = load_sample_images()
    names = [name.rsplit("/", 1)[-1].removesuffix(".jpg") for name in sample.filenames]
    images = [torch.tensor(image).permute(2, 0, 1).contiguous() for image in sample.images]
    return dict(zip(names, images, strict=True))


def photograph_patches(
    n: int = 600, val: int = 300, size: int = 48, seed: int = 0
) -> tuple[ImageSet, ImageSet]:
    """``n`` training and ``val`` validation patches, 3 x ``size`` x ``size``: where were they cut?

    Each is a square of one of :func:`photographs` at half its size, untouched, and lies within one third of
    its height. The six classes are photograph and third, taken in turn. Validation patches come from the
    third quarter of the width, which no training patch touches.

    Raises:
        ValueError: if ``size`` does not fit into a third of the height or a quarter of the width.
    """
    photos = {name: _halved(photo) for name, photo in photographs().items()}
    height, width = next(iter(photos.values())).shape[1:]
    largest = min(height // len(THIRDS), width // 4)
    if not 0 < size <= largest:
        raise ValueError(f"size must be from 1 to {largest} to fit a third of a photograph; got {size}")
    start, end = width // 2, width * 3 // 4
    outside = [*range(start - size + 1), *range(end, width - size + 1)]
    classes = tuple(f"{name}, {third}" for name in photos for third in THIRDS)
    generator = Generator().manual_seed(seed)
    images, labels = _cut(n, [*photos.values()], size, outside, generator)
    train = ImageSet(images, labels, classes, "patches of photographs")
    images, labels = _cut(val, [*photos.values()], size, range(start, end - size + 1), generator)
    statistics = (train.mean, train.std)
    return train, ImageSet(images, labels, classes, "patches of photographs", statistics=statistics)


def _halved(photo: Tensor) -> Tensor:
    small = F.avg_pool2d(photo[None].float(), 2)[0]
    return small.round().to(torch.uint8)


def _cut(
    n: int, photos: Sequence[Tensor], size: int, columns: Sequence[int], generator: Generator
) -> tuple[Tensor, Tensor]:
    """``n`` patches that begin at some of the ``columns``, uint8 (n, 3, size, size), and labels (n,)."""

    def draw(end: int) -> int:
        return int(torch.randint(end, (), generator=generator))

    images = torch.empty(n, 3, size, size, dtype=torch.uint8)
    labels = torch.arange(n) % (len(photos) * len(THIRDS))
    for i, label in enumerate(labels.tolist()):
        photo, third = photos[label // len(THIRDS)], label % len(THIRDS)
        rows = photo.shape[1] // len(THIRDS)
        top, left = third * rows + draw(rows - size + 1), columns[draw(len(columns))]
        images[i] = photo[:, top : top + size, left : left + size]
    return images, labels

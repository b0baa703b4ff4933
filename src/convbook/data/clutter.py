"""Digits on photographs: a small task with real clutter, for which the place of the object is known."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from convbook.data.digits import CLASSES, digits
from convbook.data.images import ImageSet
from convbook.data.photographs import photographs

DIM = 0.75  # of the photographs' brightness, so that the digit is the lighter one more often than not


def cluttered_digits(
    n: int = 2000, seed: int = 0, size: int = 48, val: int = 500
) -> tuple[ImageSet, ImageSet]:
    """``n`` training and ``val`` validation images, 3 x ``size`` x ``size``: coloured digits on photographs.

    Each image is a random crop of one of :func:`photographs`, 1 to 2.5 times ``size`` wide, shrunk to
    ``size`` and dimmed to three quarters, with one scan from :func:`convbook.data.digits.digits` pasted in a
    light colour at a random place, half to seven tenths of ``size`` wide. ``boxes`` holds where it is.

    Training and validation share neither scans nor backgrounds: validation takes the photographs' right
    quarter.
    """
    if size < 24:
        raise ValueError(f"size must be 24 or more for a digit to be readable; got {size}")
    train_digits, val_digits = digits()
    photos = [photo.float() for photo in photographs().values()]
    cut = photos[0].shape[2] * 3 // 4
    if size * 5 // 2 > min(photos[0].shape[1], photos[0].shape[2] - cut):
        raise ValueError(f"size must be {(photos[0].shape[2] - cut) * 2 // 5} or less; got {size}")
    generator = Generator().manual_seed(seed)
    images, labels, boxes = _paste(n, train_digits, [p[:, :, :cut] for p in photos], size, generator)
    train = ImageSet(images, labels, CLASSES, "cluttered digits", boxes)
    images, labels, boxes = _paste(val, val_digits, [p[:, :, cut:] for p in photos], size, generator)
    statistics = (train.mean, train.std)
    return train, ImageSet(images, labels, CLASSES, "cluttered digits", boxes, statistics=statistics)


def _paste(
    n: int, scans: ImageSet, photos: list[Tensor], size: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw ``n`` images: uint8 (n, 3, size, size), labels (n,), boxes (n, 4)."""

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    # As many of each class as the scans hold: go through them in a random order, again and again.
    rounds = [torch.randperm(len(scans), generator=generator) for _ in range(-(-n // len(scans)))]
    chosen = torch.cat(rounds)[:n]
    images = torch.empty(n, 3, size, size, dtype=torch.uint8)
    boxes = torch.empty(n, 4, dtype=torch.int64)
    for i, scan in enumerate(scans.images[chosen]):
        photo = photos[draw(0, len(photos) - 1)]
        side = draw(size, size * 5 // 2)
        top, left = draw(0, photo.shape[1] - side), draw(0, photo.shape[2] - side)
        image = DIM * _resize(photo[:, top : top + side, left : left + side], size)

        digit = scan[:, 4:-4, 4:-4].float() / 255  # without its margin
        width = draw(size // 2, size * 7 // 10)
        alpha = (2 * _resize(digit, width) - 0.5).clamp(0, 1)  # 1 where there is ink, with a firmer edge
        y, x = draw(0, size - width), draw(0, size - width)
        behind = image[:, y : y + width, x : x + width]
        colour = 255 - 75 * torch.rand(3, 1, 1, generator=generator)
        image[:, y : y + width, x : x + width] = alpha * colour + (1 - alpha) * behind

        images[i] = image.round().clamp(0, 255).to(torch.uint8)
        rows, columns = (alpha[0] > 0.5).nonzero(as_tuple=True)
        low_y, high_y, low_x, high_x = rows.min(), rows.max(), columns.min(), columns.max()
        boxes[i] = torch.stack([x + low_x, y + low_y, x + high_x + 1, y + high_y + 1])
    return images, scans.labels[chosen], boxes


def _resize(image: Tensor, size: int) -> Tensor:
    """(C, H, W) -> (C, size, size), antialiased where it shrinks."""
    return F.interpolate(image[None], (size, size), mode="bilinear", antialias=True)[0].contiguous()

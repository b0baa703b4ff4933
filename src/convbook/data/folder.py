"""Image files in a folder a class, as Imagenette lays them out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from convbook.data.errors import DataError, brief
from convbook.data.stream import StreamSet

FORMATS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
VALIDATION = ("val", "validation", "test")  # the first of them that is there


@dataclass(frozen=True)
class ImageFiles:
    """Images that stay in their files: item ``i`` is read and decoded when it is asked for.

    Attributes:
        paths: of the files.
    """

    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Tensor:
        """Image ``i``, uint8 (3, H, W) in its own size; grey ones become red, green and blue alike."""
        from PIL import Image
        from torchvision.transforms.v2.functional import pil_to_tensor

        try:
            with Image.open(self.paths[i]) as image:
                return pil_to_tensor(image.convert("RGB"))
        except Exception as error:  # each format's decoder has its own
            raise DataError(
                f"{self.paths[i]} is damaged or is no image ({brief(error)}): replace or delete it"
            ) from error


def image_folder(
    path: str | Path, *, size: int, crop: tuple[float, float] | None = None, workers: int | None = None
) -> tuple[StreamSet, StreamSet]:
    """The sets under ``path/train/CLASS/`` and ``path/val/CLASS/`` (or ``validation``, or ``test``).

    The classes are the folders' names in alphabetical order, as in torchvision's ``ImageFolder``. Files are
    listed here and decoded later; hidden ones and those without an image's suffix are passed over.

    Args:
        path: the folder.
        size: pixels a side that the images are brought to.
        crop: see :class:`StreamSet`; for the training set alone.
        workers: see :class:`StreamSet`.

    Raises:
        DataError: the folder is not laid out so, or a class has no images on either side.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        raise DataError(f"{path} is not a folder: name one that holds train/CLASS/*.jpg and val/CLASS/*.jpg")
    sides = [
        path / "train",
        next((path / name for name in VALIDATION if (path / name).is_dir()), path / "val"),
    ]
    for side in sides:
        if not side.is_dir():
            raise DataError(
                f"{path} has no folder {side.name!r}: lay it out as train/CLASS/*.jpg and val/CLASS/*.jpg"
            )
    train_classes, val_classes = map(_classes, sides)
    if train_classes != val_classes:
        _tell_difference(sides, train_classes, val_classes)
    (train_files, train_labels), (val_files, val_labels) = (_files(side, train_classes) for side in sides)
    train = StreamSet(
        train_files, train_labels, train_classes, path.name, size=size, crop=crop, workers=workers
    )
    statistics = (train.mean, train.std)
    val = StreamSet(
        val_files, val_labels, train_classes, path.name, size=size, workers=workers, statistics=statistics
    )
    return train, val


def _classes(side: Path) -> tuple[str, ...]:
    names = sorted(entry.name for entry in side.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if not names:
        raise DataError(f"{side} is empty: it must hold a folder of images for each class")
    return tuple(names)


def _tell_difference(sides: list[Path], train: tuple[str, ...], val: tuple[str, ...]) -> None:
    for side, other, missing in (
        (sides[1], sides[0], set(train) - set(val)),
        (sides[0], sides[1], set(val) - set(train)),
    ):
        if missing:
            names = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
            raise DataError(
                f"{side} lacks classes that {other.name} has ({names}): add their images, or delete them "
                f"there"
            )


def _files(side: Path, classes: tuple[str, ...]) -> tuple[ImageFiles, Tensor]:
    """The image files below ``side`` and their labels (N,), class by class."""
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(
            p for p in (side / name).rglob("*") if p.suffix.lower() in FORMATS and p.name[0] != "."
        )
        if not found:
            raise DataError(f"{side / name} holds no image ({' '.join(FORMATS)}): add some, or delete it")
        paths += map(str, found)
        labels += [label] * len(found)
    return ImageFiles(tuple(paths)), torch.tensor(labels)

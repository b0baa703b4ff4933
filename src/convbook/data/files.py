"""Sets that live in files: the originals through torchvision, or one ``.npz`` a set."""

import http.client
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from convbook.data.digits import CLASSES as DIGITS
from convbook.data.errors import DataError
from convbook.data.images import ImageSet

Pair = tuple[ImageSet, ImageSet]
NETWORK_ERRORS = (URLError, http.client.HTTPException, ConnectionError, TimeoutError)
READING_ERRORS = (
    *(OSError, RuntimeError, ValueError, AssertionError, EOFError, KeyError, TypeError, zlib.error),
    *(tarfile.TarError, zipfile.BadZipFile, pickle.UnpicklingError),
)


def mnist(folder: Path, download: bool) -> Pair:
    """MNIST, 60,000 + 10,000 images padded to 1x32x32; ``mnist.npz`` (Keras's layout) is preferred."""
    path = folder / "mnist.npz"
    if not path.is_file():
        return _torchvision("MNIST", "MNIST", folder, download)
    with reading(path):
        with np.load(path) as arrays:  # a name an array: x_train, y_train, x_test, y_test
            parts = [torch.from_numpy(arrays[key]) for key in ("x_train", "y_train", "x_test", "y_test")]
        return _pair(*parts, classes=DIGITS, name="MNIST", sides=(28, 28))


def fashion_mnist(folder: Path, download: bool) -> Pair:
    """Fashion-MNIST, 60,000 + 10,000 images padded to 1x32x32."""
    return _torchvision("FashionMNIST", "Fashion-MNIST", folder, download)


def cifar10(folder: Path, download: bool) -> Pair:
    """CIFAR-10, 50,000 + 10,000 images, 3x32x32; a JPEG copy is read if only that is there, and named so."""
    path = folder / "cifar10_jpeg.npz"
    if not path.is_file() or (folder / "cifar-10-batches-py").is_dir():
        return _torchvision("CIFAR10", "CIFAR-10", folder, download)
    with reading(path), np.load(path) as arrays:
        train, test = _decode(arrays, "train"), _decode(arrays, "test")
        classes = tuple(str(name) for name in arrays["classes"])
        return _pair(*train, *test, classes=classes, name="CIFAR-10 (JPEG)", sides=(32, 32))


def cifar100(folder: Path, download: bool) -> Pair:
    """CIFAR-100, 50,000 + 10,000 images, 3x32x32, with its 100 fine classes."""
    return _torchvision("CIFAR100", "CIFAR-100", folder, download)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file raises into one line."""
    try:
        yield
    except DataError:
        raise
    except READING_ERRORS as error:
        raise DataError(f"{path} is damaged or is another file ({_brief(error)}): replace it") from error


def _torchvision(dataset: str, name: str, folder: Path, download: bool) -> Pair:
    from torchvision import datasets

    make = getattr(datasets, dataset)
    home = folder / getattr(make, "base_folder", dataset)  # where torchvision keeps the set's files
    try:
        train, test = (make(folder, train=part, download=download) for part in (True, False))
        images = [torch.as_tensor(part.data) for part in (train, test)]
        if images[0].ndim == 4:  # CIFAR comes as (N, H, W, C)
            images = [part.permute(0, 3, 1, 2) for part in images]
        labels = [torch.as_tensor(part.targets) for part in (train, test)]
        classes = DIGITS if dataset == "MNIST" else tuple(train.classes)
        sides = (28, 28) if issubclass(make, datasets.MNIST) else (32, 32)
        return _pair(images[0], labels[0], images[1], labels[1], classes=classes, name=name, sides=sides)
    except READING_ERRORS as error:
        raise DataError(_what_to_do(error, name, folder, home, download)) from error


def _what_to_do(error: BaseException, name: str, folder: Path, home: Path, download: bool) -> str:
    if isinstance(error, NETWORK_ERRORS) or "Error downloading" in str(error):
        return (
            f"{name} could not be downloaded ({_brief(error)}): check the network and try again, "
            f"or set CONVBOOK_DATA to a folder that holds it"
        )
    if not download and not (home.is_dir() and any(home.iterdir())):
        return (
            f"{name} is not in {folder}: allow download=True, or set CONVBOOK_DATA to a folder that holds it"
        )
    if isinstance(error, OSError) and error.errno is not None:  # no space, no permission
        return (
            f"{name} cannot be kept in {folder} ({_brief(error)}): make room, or name another folder as root"
        )
    return f"{name} in {home} is damaged ({_brief(error)}): delete that folder and load it again"


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


def _brief(error: BaseException) -> str:
    """The error's first line, short enough to sit in another one."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."

"""Data sets by name."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import torch

from convbook.data import files
from convbook.data.clutter import cluttered_digits
from convbook.data.digits import digits
from convbook.data.errors import DataError
from convbook.data.images import ImageSet

Pair = tuple[ImageSet, ImageSet]

EMBEDDED: dict[str, Callable[[], Pair]] = {"digits": digits, "cluttered-digits": cluttered_digits}
FROM_FILES: dict[str, Callable[[Path, bool], Pair]] = {
    "mnist": files.mnist,
    "fashion-mnist": files.fashion_mnist,
    "cifar10": files.cifar10,
    "cifar100": files.cifar100,
}


def list_data() -> list[str]:
    """The names that :func:`load` knows."""
    return [*EMBEDDED, *FROM_FILES]


def load(
    name: str = "digits",
    *,
    root: str | Path | None = None,
    device: str | torch.device = "cpu",
    download: bool = True,
) -> Pair:
    """The training and the validation images of a data set.

    ``digits`` and ``cluttered-digits`` need no files. The others are read from ``root``, else from the folder
    that the environment variable CONVBOOK_DATA names, else from ``~/.cache/convbook/data``; what is not there
    is downloaded once. "Validation" is their published test set. MNIST's 28x28 images are padded with
    background to 32x32, LeNet-5's input.

    Args:
        name: one of :func:`list_data`.
        root: folder with the files.
        device: where the tensors shall live.
        download: whether a missing file may be fetched.

    Raises:
        DataError: no such set; or its files are missing, damaged or out of reach.
    """
    if name in EMBEDDED:
        train, val = EMBEDDED[name]()
    elif name in FROM_FILES:
        train, val = FROM_FILES[name](data_folder(root), download)
    else:
        near = difflib.get_close_matches(str(name).lower().replace("_", "-"), list_data(), n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"choose from {list_data()}"
        raise DataError(f"no data set is called {name!r}: {hint}")
    return train.to(device), val.to(device)


def data_folder(root: str | Path | None = None) -> Path:
    """Where files are read from and downloaded to."""
    named = root or os.environ.get("CONVBOOK_DATA")
    if not named:
        return Path.home() / ".cache" / "convbook" / "data"
    folder = Path(named).expanduser()
    if not folder.is_dir():
        source = "root" if root else "the environment variable CONVBOOK_DATA"
        raise DataError(f"{source} names {folder}, which is not a folder: create it or name another one")
    return folder

"""Data sets by name."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, overload

import torch

from convbook.data import files
from convbook.data.clutter import cluttered_digits
from convbook.data.digits import digits
from convbook.data.errors import DataError
from convbook.data.folder import image_folder
from convbook.data.imagenette import imagenette
from convbook.data.images import ImageSet
from convbook.data.memory import fits
from convbook.data.stream import StreamSet

EMBEDDED: dict[str, Callable[[], tuple[ImageSet, ImageSet]]] = {
    "digits": digits,
    "cluttered-digits": cluttered_digits,
}
FROM_FILES: dict[str, Callable[[Path, bool], tuple[ImageSet, ImageSet]]] = {
    "mnist": files.mnist,
    "fashion-mnist": files.fashion_mnist,
    "cifar10": files.cifar10,
    "cifar100": files.cifar100,
    "clothing": files.clothing,
}
Images = ImageSet | StreamSet
FOLDER = "folder:"
SIZE = 64  # pixels a side of photographs, unless asked for


def list_data() -> list[str]:
    """The names that :func:`load` knows, besides ``folder:PATH``."""
    return [*EMBEDDED, *FROM_FILES, "imagenette"]


@overload
def load(
    name: str = ...,
    *,
    root: str | Path | None = ...,
    device: str | torch.device = ...,
    download: bool = ...,
    size: int | None = ...,
    crop: None = ...,
    resident: Literal[True],
    workers: int | None = ...,
) -> tuple[ImageSet, ImageSet]: ...
@overload
def load(
    name: str = ...,
    *,
    root: str | Path | None = ...,
    device: str | torch.device = ...,
    download: bool = ...,
    size: int | None = ...,
    crop: tuple[float, float] | None = ...,
    resident: bool | None = ...,
    workers: int | None = ...,
) -> tuple[Images, Images]: ...
def load(
    name: str = "digits",
    *,
    root: str | Path | None = None,
    device: str | torch.device = "cpu",
    download: bool = True,
    size: int | None = None,
    crop: tuple[float, float] | None = None,
    resident: bool | None = None,
    workers: int | None = None,
) -> tuple[Images, Images]:
    """The training and the validation images of a data set.

    ``digits`` and ``cluttered-digits`` need no files. ``folder:PATH`` is a folder of yours, laid out as
    ``train/CLASS/*.jpg`` and ``val/CLASS/*.jpg``. The others are read from ``root``, else from the folder
    that the environment variable CONVBOOK_DATA names, else from ``~/.cache/convbook/data``; what is not there
    is downloaded once (``clothing`` apart). CONVBOOK_MIRROR names a server to ask first, for
    ``SERVER/NAME/ARCHIVE``. "Validation" is the published test set, if there is no other. MNIST's 28x28
    images are padded with background to 32x32, LeNet-5's input.

    Args:
        name: one of :func:`list_data`, or ``folder:PATH``.
        root: folder with the files.
        device: where the tensors shall live.
        download: whether a missing file may be fetched.
        size: pixels a side of the photographs in a folder or in ``imagenette``: the shorter side is resized
            to it and the middle cut out; 64 unless given.
        crop: for those two, smallest and largest share of the area that a training pass cuts out at random,
            such as (0.35, 1); such a set is streamed.
        resident: whether the decoded images live on the device, as :class:`ImageSet`, or are streamed to it,
            as :class:`StreamSet`. None: the former, if both sets fit in a quarter of its free memory.
        workers: processes that decode for a :class:`StreamSet`.

    Raises:
        DataError: no such set; or its files are missing, damaged or out of reach.
        ValueError: settings that exclude each other.
    """
    device = torch.device(device)
    if name == "imagenette" or name.startswith(FOLDER):
        size = size or SIZE
        if crop is not None and resident:
            raise ValueError(
                "random crops are cut from the files as they are read: use crop with resident=None"
            )
        if name == "imagenette":
            pair = imagenette(data_folder(root), download, size=size, crop=crop, workers=workers)
        else:
            pair = image_folder(name.removeprefix(FOLDER), size=size, crop=crop, workers=workers)
        return _placed(*pair, device, resident)
    if size is not None or crop is not None:
        raise ValueError(f"{name} has images of one size: size and crop are for 'imagenette' and folders")
    if name in EMBEDDED:
        train, val = EMBEDDED[name]()
    elif name in FROM_FILES:
        train, val = FROM_FILES[name](data_folder(root), download)
    else:
        near = difflib.get_close_matches(str(name).lower().replace("_", "-"), list_data(), n=3, cutoff=0.4)
        known = [*list_data(), f"{FOLDER}PATH"]
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"choose from {known}"
        raise DataError(f"no data set is called {name!r}: {hint}")
    if resident is None:
        return place(train, device, workers=workers), place(val, device, workers=workers)
    if resident:
        return train.to(device), val.to(device)
    return _streamed(train, workers).to(device), _streamed(val, workers).to(device)


def place(part: Images, device: str | torch.device, *, workers: int | None = None) -> Images:
    """The same set for use on ``device``: moved there, or streamed there if it would fill it."""
    device = torch.device(device)
    if isinstance(part, StreamSet) or part.images.device == device:
        return part.to(device)
    if device.type == "cpu" or fits(part.images.nbytes, device):
        return part.to(device)
    return _streamed(part, workers).to(device)


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


def _placed(
    train: StreamSet, val: StreamSet, device: torch.device, resident: bool | None
) -> tuple[Images, Images]:
    """Photographs decoded onto the device, if asked for or if they fit; else as they are."""
    if resident is None:
        side = train.size or 0
        resident = train.crop is None and fits((len(train) + len(val)) * 3 * side * side, device)
    if not resident:
        return train.to(device), val.to(device)
    decoded = train.resident(device)
    return decoded, val.resident(device, statistics=(decoded.mean, decoded.std))


def _streamed(part: ImageSet, workers: int | None) -> StreamSet:
    return StreamSet(
        part.images,
        part.labels,
        part.classes,
        part.name,
        workers=workers,
        statistics=(part.mean, part.std),
    )

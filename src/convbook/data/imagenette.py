"""Imagenette: ten easily told classes of ImageNet, as photographs (Howard, 2019)."""

from pathlib import Path

from convbook.data.download import mirrors, obtain
from convbook.data.errors import DataError
from convbook.data.folder import image_folder
from convbook.data.stream import StreamSet

IMAGES = (9469, 3925)  # for training and validation


def imagenette(
    folder: Path,
    download: bool,
    *,
    size: int,
    crop: tuple[float, float] | None = None,
    workers: int | None = None,
) -> tuple[StreamSet, StreamSet]:
    """9,469 + 3,925 photographs in 10 classes.

    There are three archives: with the shorter side shrunk to 160 pixels (94 MB), to 320 (326 MB), and as in
    ImageNet (1.5 GB). The smallest that has ``size`` pixels is taken, but one that is there is preferred to
    a download.
    """
    from torchvision.datasets import Imagenette

    variants = {160: "160px", 320: "320px"}
    enough = [name for side, name in variants.items() if side >= size] + ["full"]
    archives = [Imagenette._ARCHIVES[name] for name in enough]
    homes = [folder / Path(url).stem for url, _ in archives]
    home = next((home for home in homes if home.is_dir()), homes[0])
    if not home.is_dir():
        if not download:
            raise DataError(
                f"Imagenette is not in {folder}: allow download=True, or set CONVBOOK_DATA to a folder that "
                f"holds {' or '.join(home.name for home in homes)}"
            )
        url, md5 = archives[0]
        server, archive = url.rsplit("/", 1)
        obtain(home, archive, md5, mirrors("imagenette", archive, [server]))
    train, val = image_folder(home, size=size, crop=crop, workers=workers)
    if (len(train), len(val)) != IMAGES or not set(train.classes) <= set(Imagenette._WNID_TO_CLASS):
        raise DataError(
            f"{home} holds {len(train):,} + {len(val):,} images in {len(train.classes)} classes, Imagenette "
            f"has {IMAGES[0]:,} + {IMAGES[1]:,} in 10: delete that folder and load it again"
        )
    for part in (train, val):
        part.name = "Imagenette"
        part.classes = tuple(Imagenette._WNID_TO_CLASS[name][0] for name in part.classes)
    return train, val

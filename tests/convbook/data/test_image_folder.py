"""Folders of images, one a class: listed in torchvision's order, decoded or streamed, refused in one line."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision import datasets

from convbook.data import DataError, ImageSet, StreamSet, imagenette, load, memory


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (20, 16)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Names in an order that tells alphabetical from numerical and from the order of creation."""
    root = tmp_path / "pictures"
    for part, n in (("train", 3), ("val", 2)):
        for i, name in enumerate(("n2", "n10", "Zebra")):
            for j in range(n):
                picture(root / part / name / f"{10 - j}.{'JPEG' if j else 'png'}", (80 * i, 100 * j, 50))
    return root


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_classes_files_and_labels_are_in_torchvisions_order(folder: Path) -> None:
    train, val = load(f"folder:{folder}", resident=False)
    for part, side in ((train, "train"), (val, "val")):
        theirs = datasets.ImageFolder(str(folder / side))
        assert list(part.classes) == theirs.classes == ["Zebra", "n10", "n2"]
        assert list(zip(part.source.paths, part.labels.tolist(), strict=True)) == theirs.samples


def test_a_small_folder_becomes_resident_and_a_large_one_streams(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, val = load(f"folder:{folder}", size=32)
    assert isinstance(train, ImageSet) and train.images.shape == (9, 3, 32, 32) and train.name == "pictures"
    assert torch.equal(train.mean, val.mean)
    needed = (9 + 6) * 3 * 32 * 32
    for free, kind in ((4 * needed, ImageSet), (4 * needed - 1, StreamSet)):
        monkeypatch.setattr(memory, "free_memory", lambda device, free=free: free)
        assert isinstance(load(f"folder:{folder}", size=32)[0], kind)
    assert isinstance(load(f"folder:{folder}", size=32, resident=True)[0], ImageSet)
    assert load(f"folder:{folder}", resident=False)[0].shape == (3, 64, 64)


def test_random_crops_are_for_training_and_need_the_files(folder: Path) -> None:
    train, val = load(f"folder:{folder}", size=32, crop=(0.5, 1))
    assert isinstance(train, StreamSet) and train.crop == (0.5, 1) and val.crop is None
    with pytest.raises(ValueError, match="use crop with resident=None"):
        load(f"folder:{folder}", crop=(0.5, 1), resident=True)


def test_free_memory_is_what_the_machine_says() -> None:
    free = memory.free_memory(torch.device("cpu"))
    assert 1 << 26 < free < 1 << 44
    assert memory.fits(int(free / 5), torch.device("cpu")) and not memory.fits(int(free), torch.device("cpu"))


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert memory.free_memory(torch.device("cpu")) == 2_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory(torch.device("cpu")) > 2_000_000


def test_hidden_and_other_files_are_passed_over(folder: Path) -> None:
    (folder / "train" / "n2" / "._1.jpg").write_bytes(b"macOS leaves these")
    (folder / "train" / "n2" / "Thumbs.db").write_bytes(b"and Windows these")
    (folder / "train" / ".cache").mkdir()
    assert len(load(f"folder:{folder}", resident=False)[0]) == 9


def test_other_names_of_the_validation_folder_are_known(folder: Path) -> None:
    (folder / "val").rename(folder / "validation")
    assert len(load(f"folder:{folder}")[1]) == 6


def broken(folder: Path, kind: str) -> None:
    if kind == "nothing there":
        shutil.rmtree(folder)
    elif kind == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    elif kind == "no validation":
        shutil.rmtree(folder / "val")
    elif kind == "no classes":
        shutil.rmtree(folder / "train")
        (folder / "train").mkdir()
    elif kind == "class missing in val":
        shutil.rmtree(folder / "val" / "n10")
    elif kind == "class missing in train":
        shutil.rmtree(folder / "train" / "n10")
    elif kind == "class without images":
        shutil.rmtree(folder / "val" / "n10")
        (folder / "val" / "n10").mkdir()
        (folder / "val" / "n10" / "notes.txt").write_text("none")
    elif kind == "truncated image":
        path = folder / "train" / "n2" / "9.JPEG"
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "no image":
        (folder / "val" / "n2" / "9.JPEG").write_text("<html>")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nothing there", "is not a folder: name one that holds train/CLASS"),
        ("empty", "has no folder 'train': lay it out as"),
        ("no validation", "has no folder 'val': lay it out as"),
        ("no classes", "train is empty: it must hold a folder of images for each class"),
        ("class missing in val", "val lacks classes that train has .n10.: add their images"),
        ("class missing in train", "train lacks classes that val has .n10.: add their images"),
        ("class without images", r"n10 holds no image \(\.jpg .*: add some, or delete it"),
        ("truncated image", r"n2.9\.JPEG is damaged or is no image .*: replace or delete it"),
        ("no image", r"val.n2.9\.JPEG is damaged or is no image"),
    ],
)
def test_a_bad_folder_is_one_line_that_says_what_to_do(folder: Path, kind: str, message: str) -> None:
    broken(folder, kind)
    with pytest.raises(DataError, match=message) as error:
        load(f"folder:{folder}")
    one_line(error)


@pytest.fixture
def small_imagenette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Imagenette's folder for 160 pixels, with two images a class for training and one to see."""
    monkeypatch.setattr(imagenette, "IMAGES", (20, 10))
    root = tmp_path / "imagenette2-160"
    for i, name in enumerate(datasets.Imagenette._WNID_TO_CLASS):
        for j in range(2):
            picture(root / "train" / name / f"{j}.JPEG", (20 * i, 100, 100 * j))
        picture(root / "val" / name / "0.JPEG", (20 * i, 100, 200))
    return tmp_path


def test_imagenette_has_torchvisions_classes_and_images(small_imagenette: Path) -> None:
    train, val = load("imagenette", root=small_imagenette, size=16, download=False)
    theirs = datasets.Imagenette(small_imagenette, split="train", size="160px")
    assert list(train.classes) == [words[0] for words in theirs.classes]
    assert train.labels.tolist() == [label for _, label in theirs]
    assert (train.name, len(train), len(val)) == ("Imagenette", 20, 10)


def test_an_imagenette_that_lacks_images_is_refused(small_imagenette: Path) -> None:
    (small_imagenette / "imagenette2-160" / "train" / "n01440764" / "0.JPEG").unlink()
    with pytest.raises(
        DataError, match=r"holds 19 \+ 10 images in 10 classes, Imagenette has 20 \+ 10"
    ) as error:
        load("imagenette", root=small_imagenette, size=16)
    assert "delete that folder and load it again" in one_line(error)


def test_another_data_set_under_imagenettes_name_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "imagenette2-160")
    with pytest.raises(DataError, match="in 3 classes, Imagenette has"):
        load("imagenette", root=tmp_path, size=16)


@pytest.mark.parametrize(
    ("size", "there", "wanted"),
    [
        (128, (), "imagenette2-160"),
        (224, ("imagenette2-160",), "imagenette2-320"),
        (400, (), "imagenette2"),
        (128, ("imagenette2",), None),
    ],
)
def test_the_smallest_archive_that_has_the_pixels_is_fetched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    there: tuple[str, ...],
    wanted: str | None,
) -> None:
    asked = []
    monkeypatch.setattr(
        imagenette, "obtain", lambda home, archive, md5, urls: asked.append((home, archive, md5))
    )
    for name in there:
        (tmp_path / name).mkdir()
    with pytest.raises(DataError):
        load("imagenette", root=tmp_path, size=size)
    if wanted is None:
        assert not asked
    else:
        (home, archive, md5) = asked[0]
        assert (home, archive) == (tmp_path / wanted, f"{wanted}.tgz")
        assert md5 in {md5 for _, md5 in datasets.Imagenette._ARCHIVES.values()}

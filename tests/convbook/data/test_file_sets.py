"""Sets from files: torchvision's own reading code on small files made here, and the .npz copies."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets
from web import Site, serve

from convbook.data import DataError, ImageSet, StreamSet, load
from convbook.data.files import COPIES

RANDOM = np.random.default_rng(0)


def idx_file(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes in the format of the original MNIST files."""
    header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    """Twenty training and eight test images in torchvision's layout for MNIST and Fashion-MNIST."""
    for dataset in ("MNIST", "FashionMNIST"):
        raw = tmp_path / dataset / "raw"
        raw.mkdir(parents=True)
        for part, n in (("train", 20), ("t10k", 8)):
            pixels = RANDOM.integers(0, 256, (n, 28, 28), dtype=np.uint8)
            idx_file(raw / f"{part}-images-idx3-ubyte", pixels)
            idx_file(raw / f"{part}-labels-idx1-ubyte", np.arange(n, dtype=np.uint8) % 10)
    return tmp_path


@pytest.fixture
def cifar_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 with four images a batch file; torchvision is told the checksums of these files."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def write(name: str, content: dict) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(name: str) -> list[str]:
        pixels = RANDOM.integers(0, 256, (4, 3072), dtype=np.uint8)
        return [name, write(name, {"data": pixels, "labels": [0, 3, 9, 5]})]

    classes = [f"class {i}" for i in range(10)]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [batch(f"data_batch_{i}") for i in range(1, 6)])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [batch("test_batch")])
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": write("batches.meta", {"label_names": classes}),
    }
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return tmp_path


def mnist_npz(path: Path, **changes: np.ndarray) -> Path:
    arrays = {
        "x_train": RANDOM.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "y_train": np.arange(20, dtype=np.uint8) % 10,
        "x_test": RANDOM.integers(0, 256, (8, 28, 28), dtype=np.uint8),
        "y_test": np.arange(8, dtype=np.uint8),
    }
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return path


def cifar_jpeg_npz(path: Path, images: np.ndarray) -> None:
    from PIL import Image

    arrays: dict[str, np.ndarray] = {"classes": np.array([f"class {i}" for i in range(10)])}
    for split in ("train", "test"):
        files = []
        for image in images:
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, "JPEG", quality=95)
            files.append(stream.getvalue())
        arrays[f"{split}_jpeg"] = np.frombuffer(b"".join(files), dtype=np.uint8)
        arrays[f"{split}_offsets"] = np.cumsum([0, *map(len, files)])
        arrays[f"{split}_labels"] = np.arange(len(files), dtype=np.uint8)
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("name", "shown", "dataset"),
    [("mnist", "MNIST", datasets.MNIST), ("fashion-mnist", "Fashion-MNIST", datasets.FashionMNIST)],
)
def test_mnist_kind_is_read_through_torchvision_and_padded(
    idx_folder: Path, name: str, shown: str, dataset: type
) -> None:
    train, val = load(name, root=idx_folder, download=False)
    original = dataset(idx_folder, train=True)
    assert (train.name, len(train), len(val)) == (shown, 20, 8)
    assert train.images.shape == (20, 1, 32, 32)
    assert torch.equal(train.images[:, 0, 2:-2, 2:-2], original.data)
    assert train.images.sum() == original.data.sum(), "the padding must be background"
    assert torch.equal(train.labels, original.targets)


def test_cifar10_is_read_through_torchvision(cifar_folder: Path) -> None:
    train, val = load("cifar10", root=cifar_folder, download=False)
    original = datasets.CIFAR10(cifar_folder, train=True)
    assert (train.name, len(train), len(val)) == ("CIFAR-10", 20, 4)
    assert np.array_equal(train.images[7].permute(1, 2, 0).numpy(), np.asarray(original[7][0]))
    assert train.labels.tolist() == original.targets
    assert train.classes == tuple(f"class {i}" for i in range(10))


def test_convbook_data_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mnist_npz(tmp_path / "mnist.npz")
    monkeypatch.setenv("CONVBOOK_DATA", str(tmp_path))
    train, val = load("mnist", download=False)
    with np.load(path) as arrays:
        assert np.array_equal(train.images[:, 0, 2:-2, 2:-2].numpy(), arrays["x_train"])
        assert val.labels.tolist() == arrays["y_test"].tolist()


def test_the_jpeg_copy_of_cifar10_is_decoded_and_named_so(tmp_path: Path) -> None:
    smooth = np.linspace(0, 200, 32, dtype=np.uint8)
    images = np.stack([np.broadcast_to(smooth[:, None, None] + k, (32, 32, 3)) for k in range(10)]).copy()
    cifar_jpeg_npz(tmp_path / "cifar10_jpeg.npz", images)
    train, val = load("cifar10", root=tmp_path, download=False)
    assert train.name == val.name == "CIFAR-10 (JPEG)"
    assert train.labels.tolist() == list(range(10))
    difference = train.images.permute(0, 2, 3, 1).int() - torch.from_numpy(images).int()
    assert difference.abs().max() <= 4, "quality 95 changes a smooth image by a few grey levels"


def test_the_originals_are_preferred_to_the_jpeg_copy(cifar_folder: Path) -> None:
    cifar_jpeg_npz(cifar_folder / "cifar10_jpeg.npz", np.zeros((10, 32, 32, 3), dtype=np.uint8))
    assert load("cifar10", root=cifar_folder, download=False)[0].name == "CIFAR-10"


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100", "imagenette"])
def test_an_empty_folder_says_how_to_get_the_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as error:
        load(name, root=tmp_path, download=False)
    assert "is not in" in one_line(error) and "download=True" in one_line(error)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100", "imagenette"])
def test_without_a_network_the_message_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(DataError) as error:
        load(name, root=tmp_path)
    assert "could not be downloaded" in one_line(error) and "check the network" in one_line(error)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serve() as site:
        monkeypatch.setenv("CONVBOOK_MIRROR", site.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield site


def test_fashion_mnist_is_downloaded_checked_and_read(
    idx_folder: Path, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = []
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            name = f"{part}-{kind}-ubyte"
            packed = gzip.compress((idx_folder / "FashionMNIST" / "raw" / name).read_bytes())
            site.files[f"/fashion-mnist/{name}.gz"] = packed
            resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    (tmp_path / "new").mkdir()
    train, val = load("fashion-mnist", root=tmp_path / "new")
    expected = load("fashion-mnist", root=idx_folder, download=False)
    for part, other in zip((train, val), expected, strict=True):
        assert torch.equal(part.images, other.images) and torch.equal(part.labels, other.labels)
    load("fashion-mnist", root=tmp_path / "new")
    assert len(site.requests) == 4, "a second call needs no network"


def test_cifar10_is_downloaded_checked_and_read(
    cifar_folder: Path, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.add(cifar_folder / "cifar-10-batches-py", "cifar-10-batches-py")
    packed = stream.getvalue()
    site.files["/cifar10/cifar-10-python.tar.gz"] = packed
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", hashlib.md5(packed).hexdigest())
    (tmp_path / "new").mkdir()
    train, _ = load("cifar10", root=tmp_path / "new")
    assert torch.equal(train.images, load("cifar10", root=cifar_folder, download=False)[0].images)


def test_every_archive_has_a_published_checksum_and_a_secure_address() -> None:
    """The lists are torchvision's: this fails if a new version drops or renames one."""
    for make in (datasets.MNIST, datasets.FashionMNIST):
        assert len(make.resources) == 4 and all(len(md5) == 32 for _, md5 in make.resources)
        assert make.mirrors
    for make in (datasets.CIFAR10, datasets.CIFAR100):
        assert len(make.tgz_md5) == 32 and make.url.endswith(make.filename)
    assert set(datasets.Imagenette._ARCHIVES) == {"full", "320px", "160px"}
    assert len(datasets.Imagenette._WNID_TO_CLASS) == 10
    assert all(url.startswith("https://") and url.endswith("/") for url in COPIES.values())


def test_clothing_is_read_with_its_own_validation_images(tmp_path: Path) -> None:
    arrays = {"classes": np.array(["hat", "shirt"])}
    for part, n in (("train", 5), ("validation", 3), ("test", 2)):
        arrays[f"x_{part}"] = RANDOM.integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(n, dtype=np.uint8) % 2
    np.savez(tmp_path / "clothing_64x64.npz", **arrays)
    train, val = load("clothing", root=tmp_path)
    assert (len(train), len(val), train.classes) == (5, 3, ("hat", "shirt"))
    assert np.array_equal(val.images.permute(0, 2, 3, 1).numpy(), arrays["x_validation"])
    np.savez(tmp_path / "clothing_64x64.npz", **(arrays | {"y_train": np.full(5, 2, dtype=np.uint8)}))
    with pytest.raises(DataError, match=r"is damaged or is another file \(labels reach"):
        load("clothing", root=tmp_path)
    (tmp_path / "clothing_64x64.npz").unlink()
    with pytest.raises(DataError, match=r"clothing is not in .*: set CONVBOOK_DATA"):
        load("clothing", root=tmp_path)


def test_any_set_can_be_streamed(idx_folder: Path) -> None:
    whole, _ = load("mnist", root=idx_folder)
    train, val = load("mnist", root=idx_folder, resident=False)
    assert isinstance(whole, ImageSet) and isinstance(train, StreamSet) and isinstance(val, StreamSet)
    assert torch.equal(train.sample(20), whole.images) and torch.equal(val.mean, whole.mean)
    with pytest.raises(ValueError, match="mnist has images of one size"):
        load("mnist", root=idx_folder, size=64)


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_truncated_idx_file_says_delete_and_load_again(idx_folder: Path, file: str) -> None:
    path = idx_folder / "MNIST" / "raw" / file
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"is damaged .* delete that folder and load it again") as error:
        load("mnist", root=idx_folder, download=False)
    one_line(error)


def test_a_gzip_in_place_of_an_idx_file_is_damaged(idx_folder: Path) -> None:
    path = idx_folder / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match="is damaged"):
        load("mnist", root=idx_folder, download=False)


def test_a_changed_cifar_batch_fails_its_checksum(cifar_folder: Path) -> None:
    path = cifar_folder / "cifar-10-batches-py" / "data_batch_3"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged") as error:
        load("cifar10", root=cifar_folder, download=False)
    one_line(error)


@pytest.mark.parametrize(
    "changes",
    [
        {"y_test": None},
        {"x_train": np.zeros((20, 32, 32), dtype=np.uint8)},
        {"x_train": np.zeros((20, 28, 28), dtype=np.float32)},
        {"y_train": np.zeros(19, dtype=np.uint8)},
        {"y_train": np.full(20, 11, dtype=np.uint8)},
        {"x_test": np.zeros((0, 28, 28), dtype=np.uint8), "y_test": np.zeros(0, dtype=np.uint8)},
        {"x_test": np.array([{"an": "object"}], dtype=object)},
    ],
    ids=["key missing", "wrong size", "floats", "labels missing", "label out of range", "empty", "pickled"],
)
def test_another_npz_under_the_right_name_is_refused(tmp_path: Path, changes: dict) -> None:
    path = mnist_npz(tmp_path / "mnist.npz", **changes)
    with pytest.raises(DataError, match="is damaged or is another file") as error:
        load("mnist", root=tmp_path)
    assert str(path) in one_line(error)


@pytest.mark.parametrize("keep", [0, 10, 4000])
def test_a_truncated_npz_is_refused(tmp_path: Path, keep: int) -> None:
    for name, file in (("mnist", "mnist.npz"), ("cifar10", "cifar10_jpeg.npz")):
        path = tmp_path / file
        if name == "mnist":
            mnist_npz(path)
        else:
            cifar_jpeg_npz(path, np.zeros((10, 32, 32, 3), dtype=np.uint8))
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(DataError, match="is damaged or is another file") as error:
            load(name, root=tmp_path)
        one_line(error)


def test_a_jpeg_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cifar10_jpeg.npz"
    cifar_jpeg_npz(path, np.zeros((10, 32, 32, 3), dtype=np.uint8))
    with np.load(path) as arrays:
        broken = dict(arrays)
    broken["train_jpeg"] = np.zeros_like(broken["train_jpeg"])
    np.savez(path, **broken)
    with pytest.raises(DataError, match="is damaged or is another file") as error:
        load("cifar10", root=tmp_path)
    one_line(error)


def test_a_folder_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"root names .* which is not a folder"):
        load("mnist", root=tmp_path / "nowhere")
    monkeypatch.setenv("CONVBOOK_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="CONVBOOK_DATA names"):
        load("mnist")
    load("digits")  # needs no folder

"""Sets from files: torchvision's own reading code on small files made here, and the .npz copies."""

import gzip
import hashlib
import io
import pickle
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from convbook.data import DataError, load

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


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_an_empty_folder_says_how_to_get_the_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as error:
        load(name, root=tmp_path, download=False)
    assert "is not in" in one_line(error) and "download=True" in one_line(error)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_without_a_network_the_message_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(DataError) as error:
        load(name, root=tmp_path)
    assert "could not be downloaded" in one_line(error) and "check the network" in one_line(error)


def test_a_download_that_breaks_off_is_a_network_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reset(*args: object, **kwargs: object) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr("urllib.request.urlopen", reset)
    with pytest.raises(DataError, match="could not be downloaded") as error:
        load("cifar10", root=tmp_path)
    one_line(error)


def test_a_full_disk_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets.CIFAR10, "download", full)
    with pytest.raises(DataError, match=r"No space left on device.*make room") as error:
        load("cifar10", root=tmp_path)
    one_line(error)


def test_a_download_with_the_wrong_checksum_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision compares the checksum of what arrived; a proxy's error page must not become data."""

    class Page(io.BytesIO):
        url = "https://example.org/"
        length = 20

    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: Page(b"<html>sign in</html>"))
    with pytest.raises(DataError) as error:
        load("fashion-mnist", root=tmp_path)
    one_line(error)
    assert not (tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").exists()


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

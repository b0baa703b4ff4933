"""StreamSet: the pixels and batches of an ImageSet, decoded as they are needed."""

import gc
import multiprocessing
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Generator, Tensor
from torchvision import datasets
from torchvision.transforms import v2

from convbook.data import DataError, ImageSet, StreamSet, workers
from convbook.data.folder import ImageFiles, image_folder

SIDES = [(40, 56), (64, 48), (33, 33), (90, 35), (50, 50), (48, 70), (61, 39)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of smooth JPEG pictures of several sizes: 7 for training and 2 to see, a class."""
    root = tmp_path_factory.mktemp("pictures")
    generator = Generator().manual_seed(0)
    for part, n in (("train", 7), ("val", 2)):
        for name in ("bird", "ant", "cat"):
            (root / part / name).mkdir(parents=True)
            for i, (height, width) in enumerate(SIDES[:n]):
                small = torch.randint(0, 256, (1, 3, 5, 5), generator=generator).float()
                large = torch.nn.functional.interpolate(small, (height, width), mode="bilinear")[0]
                picture = Image.fromarray(large.byte().permute(1, 2, 0).numpy())
                picture.save(root / part / name / f"{i}.JPEG", quality=90)
    return root


@pytest.fixture(scope="module")
def stream(folder: Path) -> StreamSet:
    return image_folder(folder, size=32)[0]


@pytest.fixture(scope="module")
def cropped(folder: Path) -> StreamSet:
    return image_folder(folder, size=32, crop=(0.35, 1))[0]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def noisy(images: Tensor, generator: Generator) -> Tensor:
    return images + torch.rand(images.shape, generator=generator)


def gather(batches) -> tuple[Tensor, Tensor]:
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


def test_pixels_are_those_of_torchvisions_own_pipeline(folder: Path, stream: StreamSet) -> None:
    """ImageFolder, Pillow's decoder, v2's resize and centre crop; Pillow rounds its resizing differently."""
    cut = v2.Compose([v2.PILToTensor(), v2.Resize(32), v2.CenterCrop(32)])
    theirs = datasets.ImageFolder(str(folder / "train"), transform=cut)
    expected = torch.stack([image for image, _ in theirs])
    assert torch.equal(stream.sample(99), expected)
    assert stream.labels.tolist() == theirs.targets and list(stream.classes) == theirs.classes
    by_pillow = datasets.ImageFolder(
        str(folder / "train"), transform=v2.Compose([v2.Resize(32), v2.CenterCrop(32), v2.PILToTensor()])
    )
    difference = (stream.sample(99).int() - torch.stack([image for image, _ in by_pillow]).int()).abs()
    assert difference.max() <= 2


def test_a_resident_set_has_the_same_pixels_and_statistics(stream: StreamSet) -> None:
    whole = stream.resident()
    assert isinstance(whole, ImageSet) and whole.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(whole.images, stream.sample(99)) and torch.equal(whole.labels, stream.labels)
    assert torch.equal(whole.mean, stream.mean) and torch.equal(whole.std, stream.std)


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_are_an_image_sets(stream: StreamSet, shuffle: bool) -> None:
    ours = list(stream.batches(8, shuffle, seeded(), drop_last=True))
    theirs = list(stream.resident().batches(8, shuffle, seeded(), drop_last=True))
    assert len(ours) == len(theirs) == 2
    for (images, labels), (expected, answers) in zip(ours, theirs, strict=True):
        torch.testing.assert_close(images, expected)
        assert torch.equal(labels, answers)


def test_augmentation_draws_one_seed_a_batch_after_the_order(stream: StreamSet) -> None:
    """The rule that a resident set follows too, written out."""
    generator = seeded(3)
    order = torch.randperm(21, generator=generator)
    seeds = torch.randint(2**62, (3,), generator=generator).tolist()
    raw = stream.sample(21)
    passed = stream.batches(8, True, seeded(3), augment=noisy)
    for (images, _), index, seed in zip(passed, order.split(8), seeds, strict=True):
        torch.testing.assert_close(images, stream.normalise(noisy(raw[index], seeded(seed))))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_pass_that_starts_later_goes_on_as_the_whole(
    cropped: StreamSet, folder: Path, workers: int
) -> None:
    """Crops and augmentation depend on the generator and the batch, not on workers or where a pass starts."""
    whole = list(cropped.batches(4, True, seeded(), augment=noisy))
    other = image_folder(folder, size=32, crop=(0.35, 1), workers=workers)[0]
    rest = list(other.batches(4, True, seeded(), augment=noisy, start=2))
    assert len(whole) == 6 and len(rest) == 4
    for (images, labels), (expected, answers) in zip(rest, whole[2:], strict=True):
        assert torch.equal(images, expected) and torch.equal(labels, answers)


def test_skipped_batches_are_not_decoded() -> None:
    read = []

    class Counting:
        def __len__(self) -> int:
            return 10

        def __getitem__(self, i: int) -> Tensor:
            read.append(i)
            return torch.full((1, 2, 2), i, dtype=torch.uint8)

    stream = StreamSet(Counting(), torch.zeros(10), ("a",))
    read.clear()
    list(stream.batches(2, start=3))
    assert sorted(read) == [6, 7, 8, 9]


def test_crops_are_torchvisions_and_new_for_each_image_and_pass(cropped: StreamSet) -> None:
    """Each crop must be what v2.RandomResizedCrop cuts out under the image's own seed."""
    generator = seeded(5)
    order = torch.randperm(21, generator=generator).tolist()
    torch.randint(2**62, (3,), generator=generator)  # the batches' seeds
    seeds = torch.randint(2**62, (21,), generator=generator).tolist()
    images, _ = gather(cropped.batches(8, True, seeded(5)))
    for image, i, seed in zip(images, order, seeds, strict=True):
        torch.manual_seed(seed)
        expected = v2.RandomResizedCrop(32, scale=(0.35, 1))(cropped.source[i])
        torch.testing.assert_close(image, cropped.normalise(expected[None])[0])
    again, _ = gather(cropped.batches(8, True, seeded(6)))
    assert not torch.equal(images[order.index(0)], again[0])


def test_without_shuffling_the_middle_is_seen(cropped: StreamSet, stream: StreamSet) -> None:
    """Evaluation on a training set must not depend on chance."""
    assert torch.equal(gather(cropped.batches(8))[0], gather(stream.batches(8))[0])


def test_the_global_generator_is_left_alone(cropped: StreamSet) -> None:
    """Dropout draws from it: a streamed run must not train otherwise than a resident one."""
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    list(cropped.batches(8, True, seeded()))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("world", [2, 3])
def test_shards_make_up_the_batch(cropped: StreamSet, world: int) -> None:
    """21 images in batches of 4 leave a last batch of one, of which most processes get nothing."""
    whole = list(cropped.batches(4, True, seeded()))
    shards = [list(cropped.batches(4, True, seeded(), shard=(rank, world))) for rank in range(world)]
    for number, (images, labels) in enumerate(whole):
        for rank, shard in enumerate(shards):
            parts, answers = shard[number]
            torch.testing.assert_close(parts, images[rank::world])
            assert torch.equal(answers, labels[rank::world])
    sizes = [len(shard[-1][1]) for shard in shards]
    assert sizes == [1] + [0] * (world - 1)


def test_selections_and_subsets_are_an_image_sets(stream: StreamSet) -> None:
    whole = stream.resident()
    for ours, theirs in (
        (stream.subset(5, seed=2), whole.subset(5, seed=2)),
        (stream.select(torch.tensor([3, 20, 3])), whole.select(torch.tensor([3, 20, 3]))),
    ):
        assert torch.equal(ours.sample(9), theirs.images) and torch.equal(ours.labels, theirs.labels)
        assert torch.equal(ours.mean, whole.mean)
    torch.testing.assert_close(stream.float_images(slice(2, 4)), whole.float_images(slice(2, 4)))
    with pytest.raises(ValueError, match="has 1 to 21"):
        stream.subset(22)


def test_a_tensor_can_be_streamed() -> None:
    pixels = torch.randint(0, 256, (9, 1, 4, 6), generator=seeded(), dtype=torch.uint8)
    stream = StreamSet(pixels, torch.arange(9) % 2, ("a", "b"), "noise")
    whole = ImageSet(pixels, torch.arange(9) % 2, ("a", "b"), "noise")
    assert stream.shape == (1, 4, 6) and "streamed to cpu" in repr(stream)
    torch.testing.assert_close(gather(stream.batches(4))[0], whole.float_images())


def test_workers_serve_many_passes_and_two_at_once(folder: Path, stream: StreamSet) -> None:
    """Also after a pass that was left in the middle: nothing of it may turn up in the next."""
    working = image_folder(folder, size=32, workers=2)[0]
    expected = gather(stream.batches(4))[0]
    next(working.batches(4))
    assert torch.equal(gather(working.batches(4))[0], expected)
    pairs = list(zip(working.batches(4), working.batches(4), strict=True))
    assert torch.equal(torch.cat([first[0] for first, _ in pairs]), expected)
    assert torch.equal(torch.cat([second[0] for _, second in pairs]), expected)
    assert len(working._workers) == 2, "as many groups of workers as passes at once"


def test_workers_end_with_their_set(folder: Path) -> None:
    working = image_folder(folder, size=32, workers=2)[0]
    next(iter(working.batches(4)))
    processes = working._workers[0].loader._iterator._workers
    assert all(process.is_alive() for process in processes)
    del working
    gc.collect()
    deadline = time.monotonic() + 10
    while any(process.is_alive() for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(process.is_alive() for process in processes)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("content", [b"no image", b"", None], ids=["text", "empty", "truncated"])
def test_a_broken_file_is_named(tmp_path: Path, folder: Path, workers: int, content: bytes | None) -> None:
    good = folder / "train" / "ant" / "0.JPEG"
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(good.read_bytes()[:300] if content is None else content)
    files = ImageFiles((str(good), str(bad)))
    statistics = (torch.zeros(3), torch.ones(3))
    stream = StreamSet(files, torch.zeros(2), ("a",), size=8, workers=workers, statistics=statistics)
    with pytest.raises(DataError) as error:
        list(stream.batches(2))
    assert str(error.value).startswith(f"{bad} is damaged or is no image") and "\n" not in str(error.value)


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png is damaged"):
        ImageFiles((str(tmp_path / "gone.png"),))[0]


KILLS_A_WORKER = """
import signal, sys
from convbook.data import DataError
from convbook.data.folder import image_folder

working = image_folder(sys.argv[1], size=32, workers=1)[0]
batches = working.batches(1)
next(batches)
signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # PyTorch's handler would raise wherever Python is just now
working._workers[0].loader._iterator._workers[0].kill()
try:
    list(batches)
except DataError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGCHLD"), reason="needs POSIX signals")
def test_a_worker_that_is_killed_is_told_in_one_line(folder: Path) -> None:
    """In a process of its own, whose loader alone may notice the death."""
    run = subprocess.run(
        [sys.executable, "-c", KILLS_A_WORKER, str(folder)], capture_output=True, text=True, timeout=300
    )
    assert re.fullmatch(r"a process that loads images died.*use fewer workers.*\n", run.stdout), run.stderr


@pytest.mark.parametrize(
    "end", [ConnectionResetError(104, "reset by peer"), EOFError(), FileNotFoundError(2, "no such socket")]
)
def test_a_worker_that_dies_while_it_hands_a_batch_over_is_told_so_too(end: Exception) -> None:
    def batches() -> Iterator[Tensor]:
        raise end
        yield

    with pytest.raises(DataError, match=r"a process that loads images died.*use fewer workers"):
        workers._next(batches())


@pytest.mark.slow
def test_workers_that_are_spawned_give_the_same(folder: Path, cropped: StreamSet) -> None:
    """As on macOS and Windows, where a worker imports everything anew."""
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        working = image_folder(folder, size=32, crop=(0.35, 1), workers=1)[0]
        images, _ = gather(working.batches(8, True, seeded()))
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert torch.equal(images, gather(cropped.batches(8, True, seeded()))[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.full((3,), 2)}, "labels reach from 2 to 2; with 2 classes they are 0 to 1"),
        ({"labels": torch.tensor([0, -1, 1])}, "labels reach from -1"),
        ({"labels": torch.zeros(2)}, "3 images need as many labels"),
        ({"source": torch.zeros(0, 1, 4, 4, dtype=torch.uint8)}, "at least one image"),
        ({"size": 0}, "size must be 1 pixel or more"),
        ({"crop": (0.5, 1)}, "crop takes"),
        ({"size": 4, "crop": (0.5, 0.2)}, "crop takes"),
        ({"workers": -1}, "workers must be 0 or more"),
    ],
)
def test_malformed_sets_are_refused(change: dict, message: str) -> None:
    given = {"source": torch.zeros(3, 1, 4, 4, dtype=torch.uint8), "labels": torch.zeros(3)} | change
    with pytest.raises(ValueError, match=message):
        StreamSet(classes=("a", "b"), **given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(batch_size=0), "batch_size must be 1 or more"),
        (dict(batch_size=4, start=-1), "start must be 0 or more"),
        (dict(batch_size=4, shard=(2, 2)), "shard is"),
        (dict(batch_size=4, shuffle=True), "need a generator"),
        (dict(batch_size=4, augment=noisy), "need a generator"),
    ],
)
def test_impossible_passes_are_refused(stream: StreamSet, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(stream.batches(**settings))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu_are_the_cpus(folder: Path, stream: StreamSet) -> None:
    on_gpu = stream.to("cuda")
    for (images, labels), (expected, answers) in zip(on_gpu.batches(8), stream.batches(8), strict=True):
        assert images.device.type == labels.device.type == "cuda"
        torch.testing.assert_close(images.cpu(), expected)
        assert torch.equal(labels.cpu(), answers)
    assert on_gpu._workers[0].loader.pin_memory and on_gpu._workers[0].loader.num_workers >= 1
    generator = Generator("cuda").manual_seed(0)
    assert sum(len(labels) for _, labels in on_gpu.batches(8, True, generator)) == 21

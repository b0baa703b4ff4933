"""Sets that are larger than the device: decoded by workers while the device computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import InitVar, dataclass, field, replace

import torch
from torch import Generator, Tensor

from convbook.data.images import NO_GENERATOR, ImageSet, check_pass
from convbook.data.workers import Chosen, Reader, Source, Wanted, Workers, automatic_workers
from convbook.progress import progress_bar

Augment = Callable[[Tensor, Generator], Tensor]

SAMPLE = 1024  # images that mean and standard deviation are taken from
CHUNK = 256  # images decoded at a time into a resident set


@dataclass(eq=False)
class StreamSet:
    """Labelled images that do not fit the device, to be used as an :class:`ImageSet` is.

    A batch is decoded and cut to size on the CPU, by worker processes that run ahead of the device, and is
    augmented and normalised on the device.

    Attributes:
        source: the images, in any size: a uint8 tensor (N, C, H, W), or what gives uint8 (C, H, W) by index.
        labels: int64, (N,), indices into ``classes``; on the device that batches go to.
        classes: the classes' names.
        name: what to call the data in a table.
        size: pixels a side: the shorter side is resized to it, the middle is cut out. None: as they are.
        crop: smallest and largest share of an image's area, such as (0.35, 1): a shuffled pass cuts out a
            random part of that share, 3/4 to 4/3 as wide as high, and resizes it. None: always the middle.
        workers: processes that decode. None: none for a CPU, where they take cores from the training (on
            two cores they made it slower); for a GPU as many as the machine has cores, at most 16.
        boxes: None; see :class:`ImageSet`.
        mean: float32, (C,): the channels' means, on a scale where 255 is 1.
        std: float32, (C,): their standard deviations.
        statistics: mean and std to normalise with; without them they come from 1,024 images drawn at random
            (from all, where there are fewer), cut in the middle.
    """

    source: Source
    labels: Tensor
    classes: tuple[str, ...]
    name: str = "images"
    size: int | None = None
    crop: tuple[float, float] | None = None
    workers: int | None = None
    boxes: None = field(init=False, default=None)
    mean: Tensor = field(init=False)
    std: Tensor = field(init=False)
    statistics: InitVar[tuple[Tensor, Tensor] | None] = None

    def __post_init__(self, statistics: tuple[Tensor, Tensor] | None) -> None:
        if not len(self.source):
            raise ValueError("a StreamSet needs at least one image")
        if self.labels.shape != (len(self.source),):
            raise ValueError(f"{len(self.source)} images need as many labels; got {tuple(self.labels.shape)}")
        self.labels = self.labels.long()
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise ValueError(
                f"labels reach from {low} to {high}; with {len(self.classes)} classes they are "
                f"0 to {len(self.classes) - 1}"
            )
        if self.size is not None and self.size < 1:
            raise ValueError(f"size must be 1 pixel or more; got {self.size}")
        if self.crop is not None and (self.size is None or not 0 < self.crop[0] <= self.crop[1] <= 1):
            raise ValueError(
                f"crop takes two rising shares of the area up to 1, and a size; got {self.crop}, {self.size}"
            )
        if self.workers is not None and self.workers < 0:
            raise ValueError(f"workers must be 0 or more; got {self.workers}")
        self._reader = Reader(self.source, self.size, self.crop)
        self._workers: list[Workers] = []
        self.mean, self.std = statistics or self._mean_and_std()
        # An ImageSet of one image, which knows how to normalise.
        self._first = ImageSet(
            self.sample(1), self.labels[:1], self.classes, statistics=(self.mean, self.std)
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        channels, height, width = self.shape
        return (
            f"StreamSet({self.name}: {len(self):,} images, {channels}x{height}x{width}, "
            f"{len(self.classes)} classes, streamed to {self.device})"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image, once it is cut to size."""
        channels, height, width = self._first.images.shape[1:]
        return channels, height, width

    @property
    def device(self) -> torch.device:
        """Where batches go."""
        return self.labels.device

    def to(self, device: str | torch.device) -> StreamSet:
        """The same set with batches on another device."""
        labels = self.labels.to(device)
        if labels is self.labels:
            return self  # with its workers
        return replace(self, labels=labels, statistics=(self.mean.to(device), self.std.to(device)))

    def select(self, index: Tensor) -> StreamSet:
        """The images at ``index``, normalised as the whole set is."""
        return replace(
            self,
            source=Chosen(self.source, index.tolist()),
            labels=self.labels[index.to(self.device)],
            statistics=(self.mean, self.std),
        )

    def subset(self, n: int, seed: int = 0) -> StreamSet:
        """``n`` images drawn at random without replacement; those that an ``ImageSet`` draws."""
        if not 1 <= n <= len(self):
            raise ValueError(f"subset of {n} images asked for; {self.name} has 1 to {len(self)}")
        return self.select(torch.randperm(len(self), generator=Generator().manual_seed(seed))[:n])

    def sample(self, n: int) -> Tensor:
        """The first ``n`` images (or all, if there are fewer), raw: uint8, (n, C, H, W), on the device."""
        return self._decode(range(min(n, len(self)))).to(self.device)

    def normalise(self, images: Tensor) -> Tensor:
        """Images on the scale 0 to 255, (N, C, H, W) -> float32 with mean 0 and variance 1 a channel."""
        return self._first.normalise(images)

    def float_images(self, index: Tensor | slice | None = None) -> Tensor:
        """Normalised float32 images, (N, C, H, W): those at ``index``, or all, each cut in the middle."""
        chosen = torch.arange(len(self))[slice(None) if index is None else index]
        return self.normalise(self._decode(chosen.tolist()).to(self.device))

    def resident(
        self, device: str | torch.device = "cpu", statistics: tuple[Tensor, Tensor] | None = None
    ) -> ImageSet:
        """Decode every image, cut in the middle, into an :class:`ImageSet` on ``device``."""
        shape = (len(self), *self.shape)
        images = torch.empty(shape, dtype=torch.uint8, device=device, memory_format=torch.channels_last)
        with progress_bar(len(self), unit="image", title=self.name) as bar:
            for start in range(0, len(self), CHUNK):
                chunk = self._decode(range(start, min(start + CHUNK, len(self))))
                images[start : start + len(chunk)] = chunk.to(device)
                bar.update(len(chunk))
        return ImageSet(images, self.labels.to(device), self.classes, self.name, statistics=statistics)

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        generator: Generator | None = None,
        *,
        augment: Augment | None = None,
        drop_last: bool = False,
        start: int = 0,
        shard: tuple[int, int] = (0, 1),
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Go once through the set; without random crops, these are the batches of an :class:`ImageSet`.

        The order, a seed for each batch's augmentation and one for each image's crop are drawn before the
        first batch: the same state of the generator gives the same batches, wherever the pass starts and
        however many workers there are.

        Args:
            batch_size: images a batch, over all processes; the last one may be smaller.
            shuffle: draw a new order from ``generator``, and the crops, if the set has ``crop``.
            generator: the source of randomness, on the set's device; needed by ``shuffle`` and ``augment``.
            augment: changes a batch of raw images before they are normalised.
            drop_last: leave an incomplete last batch out.
            start: batches to leave out at the beginning: they are not even decoded.
            shard: (rank, world): of each batch every ``world``-th image from the ``rank``-th on. Crops are
                those of a single process, augmentation has draws of its own; a part of an incomplete last
                batch may be empty.

        Yields:
            Normalised float32 images (B, C, H, W), channels-last, and int64 labels (B,).

        Raises:
            DataError: an image file is damaged.
            ValueError: a size, position or shard that cannot be, or no generator where one is needed.
        """
        rank, world = shard
        check_pass(batch_size, start, shard)
        if generator is None and (shuffle or augment):
            raise ValueError(NO_GENERATOR)
        order = torch.arange(len(self), device=self.device)
        seeds: list[int] = []
        crops = None  # a seed an image, in the order of the pass
        if generator is not None:
            if shuffle:
                order = torch.randperm(len(self), generator=generator, device=self.device)
            seeds = _seeds(-(-len(self) // batch_size), generator).tolist()
            if shuffle and self.crop:
                crops = _seeds(len(self), generator)

        def parts(values: Tensor) -> list[Tensor]:
            """This process's share of each batch to come."""
            end = len(self) // batch_size if drop_last else None
            return [batch[rank::world] for batch in values.split(batch_size)[start:end]]

        plan = [Wanted(part.tolist()) for part in parts(order.cpu())]
        if crops is not None:
            plan = [Wanted(w.images, part.tolist()) for w, part in zip(plan, parts(crops), strict=True)]
        draws = Generator(self.device)
        decoded = self._read(plan)
        for number, (index, images) in enumerate(zip(parts(order), decoded, strict=True), start):
            images = images.to(self.device, non_blocking=True, memory_format=torch.channels_last)
            if augment is not None:
                images = augment(images, draws.manual_seed(seeds[number] + rank))
            yield self.normalise(images), self.labels[index]

    def _read(self, plan: list[Wanted]) -> Iterator[Tensor]:
        """The batches of a plan, from workers that no other pass keeps busy."""
        for workers in self._workers:
            if not workers.busy:
                return workers.read(plan)
        count = automatic_workers(self.device) if self.workers is None else self.workers
        self._workers.append(Workers(self._reader, count, pinned=self.device.type == "cuda"))
        return self._workers[-1].read(plan)

    def _decode(self, index: Sequence[int]) -> Tensor:
        """The images at ``index``, cut in the middle, uint8 (n, C, H, W), on the CPU."""
        with ThreadPoolExecutor() as pool:  # decoding lets other threads run
            return torch.stack(list(pool.map(self._reader.image, index)))

    def _mean_and_std(self) -> tuple[Tensor, Tensor]:
        chosen = torch.randperm(len(self), generator=Generator().manual_seed(0))[:SAMPLE]
        images = self._decode(chosen.tolist())
        sample = ImageSet(images, torch.zeros(len(images)), self.classes)
        return sample.mean.to(self.device), sample.std.to(self.device)


def _seeds(n: int, generator: Generator) -> Tensor:
    """``n`` seeds, int64 (n,), on the CPU, drawn where the generator lives."""
    return torch.randint(2**62, (n,), generator=generator, device=generator.device).cpu()

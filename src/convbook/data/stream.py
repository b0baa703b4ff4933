"""Sets that are larger than the device: decoded by workers while the device computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import InitVar, dataclass, field, replace

import torch
from torch import Generator, Tensor

from convbook.data.images import ImageSet
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

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        size = "in their own size" if self.size is None else f"{self.size}x{self.size}"
        return (
            f"StreamSet({self.name}: {len(self):,} images, {size}, "
            f"{len(self.classes)} classes, streamed to {self.device})"
        )

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
        """The first ``n`` images, uint8 (n, C, H, W), on the device."""
        return self._decode(range(min(n, len(self)))).to(self.device)

    def normalise(self, images: Tensor) -> Tensor:
        """Images on the scale 0 to 255, (N, C, H, W) -> float32 with mean 0 and variance 1 a channel."""
        mean, std = self.mean.view(-1, 1, 1), self.std.view(-1, 1, 1)
        return (images.float() / 255 - mean) / std

    def float_images(self, index: Tensor | slice | None = None) -> Tensor:
        """Normalised float32 images, (N, C, H, W): those at ``index``, or all, each cut in the middle."""
        chosen = torch.arange(len(self))[slice(None) if index is None else index]
        return self.normalise(self._decode(chosen.tolist()).to(self.device))

    def resident(
        self, device: str | torch.device = "cpu", statistics: tuple[Tensor, Tensor] | None = None
    ) -> ImageSet:
        """Decode every image, cut in the middle, into an :class:`ImageSet` on ``device``."""
        shape = (len(self), *self._decode([0]).shape[1:])
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
        """Go once through the set.

        Everything random is drawn from ``generator`` before the first batch: the order, a seed for each
        image's crop, and one a batch for ``augment``. So ``start`` goes on as an uninterrupted pass would,
        whatever the number of workers.

        Args:
            batch_size: images a batch, over all processes; the last batch may be smaller.
            shuffle: draw a new order from ``generator``, and random crops if the set has ``crop``.
            generator: the source of randomness, on the device; needed by ``shuffle`` and ``augment``.
            augment: changes a batch of raw images before they are normalised.
            drop_last: leave an incomplete last batch out.
            start: the number of the first batch to yield.
            shard: this process's rank and the number of processes: of every batch it gets its part.

        Yields:
            Normalised float32 images (B, C, H, W), channels-last, and int64 labels (B,).

        Raises:
            DataError: an image file is damaged.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more; got {batch_size}")
        if generator is None and (shuffle or augment):
            raise ValueError(
                "shuffle and augment need a generator: torch.Generator(device).manual_seed(seed)"
            )
        rank, world = shard
        if not 0 <= rank < world:
            raise ValueError(f"shard is a rank below the number of processes; got {shard}")
        order = torch.arange(len(self))
        crops = None  # a seed an image, in the pass's order
        if shuffle and generator is not None:
            order = torch.randperm(len(self), generator=generator, device=generator.device).cpu()
            crops = _seeds(len(self), generator) if self.crop else None
        changes = _seeds(-(-len(self) // batch_size), generator) if generator is not None else None

        end = len(self) - len(self) % batch_size if drop_last else len(self)
        parts = [part.tensor_split(world)[rank] for part in torch.arange(end).split(batch_size) if len(part)][
            start:
        ]  # of the order
        plan = [
            Wanted(order[part].tolist(), None if crops is None else crops[part].tolist()) for part in parts
        ]
        labels = self.labels[order.to(self.device)]
        for number, (part, images) in enumerate(zip(parts, self._read(plan), strict=True), start):
            images = images.to(self.device, non_blocking=True, memory_format=torch.channels_last)
            if augment is not None and changes is not None:
                images = augment(images, Generator(self.device).manual_seed(int(changes[number]) + rank))
            yield self.normalise(images), labels[part[0] : part[-1] + 1]

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
        whole = ImageSet(images, torch.zeros(len(images)), self.classes)
        return whole.mean.to(self.device), whole.std.to(self.device)


def _seeds(n: int, generator: Generator) -> Tensor:
    """``n`` seeds, int64 (n,), on the CPU."""
    return torch.randint(2**62, (n,), generator=generator, device=generator.device).cpu()

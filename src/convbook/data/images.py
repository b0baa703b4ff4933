"""A set of labelled images, held whole in memory as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import InitVar, dataclass, field

import torch
from torch import Generator, Tensor

Augment = Callable[[Tensor, Generator], Tensor]
NO_GENERATOR = "shuffle and augment need a generator: torch.Generator(device).manual_seed(seed)"


@dataclass(eq=False)
class ImageSet:
    """Labelled images of one size.

    Images stay uint8 (a quarter of float32's memory) and become normalised floats a batch at a time. Whatever
    layout they came in, a pixel's channels lie side by side (channels-last), as most convolutions like it.

    Attributes:
        images: uint8, (N, C, H, W), values 0 to 255, channels-last in memory.
        labels: int64, (N,), indices into ``classes``.
        classes: the classes' names.
        name: what to call the data in a table, such as "MNIST".
        boxes: int64, (N, 4), or None: x0, y0, x1, y1 in pixels around the object, x1 and y1 excluded.
        mean: float32, (C,): the channels' means, on a scale where 255 is 1.
        std: float32, (C,): their standard deviations.
        statistics: mean and std to normalise with (a validation set takes its training set's); without them
            they are computed from ``images``.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str = "images"
    boxes: Tensor | None = None
    mean: Tensor = field(init=False)
    std: Tensor = field(init=False)
    statistics: InitVar[tuple[Tensor, Tensor] | None] = None

    def __post_init__(self, statistics: tuple[Tensor, Tensor] | None) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(
                f"images must be uint8 (N, C, H, W); got {self.images.dtype} {tuple(self.images.shape)}"
            )
        if self.labels.shape != (len(self.images),):
            raise ValueError(f"{len(self.images)} images need as many labels; got {tuple(self.labels.shape)}")
        if not len(self.images):
            raise ValueError("an ImageSet needs at least one image")
        self.images = self.images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        self.labels = self.labels.long()
        self.mean, self.std = statistics or _mean_and_std(self.images)
        self._scale, self._offset = 1 / (255 * self.std), -self.mean / self.std

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        channels, height, width = self.shape
        return (
            f"ImageSet({self.name}: {len(self):,} images, {channels}x{height}x{width}, "
            f"{len(self.classes)} classes, on {self.images.device})"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def to(self, device: str | torch.device) -> ImageSet:
        """The same set on another device."""
        boxes = None if self.boxes is None else self.boxes.to(device)
        return ImageSet(
            self.images.to(device),
            self.labels.to(device),
            self.classes,
            self.name,
            boxes,
            statistics=(self.mean.to(device), self.std.to(device)),
        )

    def select(self, index: Tensor) -> ImageSet:
        """The images at ``index``, normalised as the whole set is."""
        index = index.to(self.images.device)
        boxes = None if self.boxes is None else self.boxes[index]
        return ImageSet(
            self._rows(index),
            self.labels[index],
            self.classes,
            self.name,
            boxes,
            statistics=(self.mean, self.std),
        )

    def subset(self, n: int, seed: int = 0) -> ImageSet:
        """``n`` images drawn at random without replacement; the same ones for the same ``seed``."""
        if not 1 <= n <= len(self):
            raise ValueError(f"subset of {n} images asked for; {self.name} has 1 to {len(self)}")
        order = torch.randperm(len(self), generator=Generator().manual_seed(seed))
        return self.select(order[:n])

    def sample(self, n: int) -> Tensor:
        """The first ``n`` images (or all, if there are fewer), raw: uint8, (n, C, H, W)."""
        return self.images[:n]

    def normalise(self, images: Tensor) -> Tensor:
        """Images on the scale 0 to 255, (N, C, H, W) -> float32 with mean 0 and variance 1 a channel."""
        n, channels, height, width = images.shape
        # In place, a whole row at a time: loops over the few channels alone would be short and slow.
        rows = images.permute(0, 2, 3, 1).to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        rows = rows.view(n * height, width * channels)
        torch.addcmul(self._offset.repeat(width), rows, self._scale.repeat(width), out=rows)
        return rows.view(n, height, width, channels).permute(0, 3, 1, 2)

    def float_images(self, index: Tensor | slice | None = None) -> Tensor:
        """Normalised float32 images, (N, C, H, W): those at ``index``, or all."""
        return self.normalise(self.images if index is None else self.images[index])

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

        The order and a seed for each batch's augmentation are drawn before the first batch. So the same state
        of the generator gives the same batches wherever a pass starts, and the same order in every process.

        Args:
            batch_size: images a batch, over all processes; the last one may be smaller.
            shuffle: draw a new order from ``generator``.
            generator: the source of randomness, on the images' device; needed by ``shuffle`` and ``augment``.
            augment: changes a batch of raw images before they are normalised.
            drop_last: leave an incomplete last batch out.
            start: batches to leave out at the beginning: go on where a pass was interrupted.
            shard: (rank, world): of each batch every ``world``-th image from the ``rank``-th on, so that the
                parts of a piece of the batch are the pieces of its parts. Parts are augmented each by its
                own draws; a part of an incomplete last batch may be empty.

        Yields:
            Normalised float32 images (B, C, H, W), channels-last, and int64 labels (B,).

        Raises:
            ValueError: a size, position or shard that cannot be, or no generator where one is needed.
        """
        rank, world = shard
        check_pass(batch_size, start, shard)
        if generator is None and (shuffle or augment):
            raise ValueError(NO_GENERATOR)
        device = self.images.device
        order = torch.arange(len(self), device=device)
        seeds: list[int] = []
        if generator is not None:
            if shuffle:
                order = torch.randperm(len(self), generator=generator, device=device)
            count = -(-len(self) // batch_size)
            seeds = torch.randint(2**62, (count,), generator=generator, device=device).tolist()
        draws = Generator(device)
        for number, index in enumerate(order.split(batch_size)):
            if number < start or (drop_last and len(index) < batch_size):
                continue
            index = index[rank::world]
            images = self._rows(index)
            if augment is not None:
                images = augment(images, draws.manual_seed(seeds[number] + rank))
            yield self.normalise(images), self.labels[index]

    def _rows(self, index: Tensor) -> Tensor:
        """The raw images at ``index``, each copied as one run of bytes."""
        return self.images.permute(0, 2, 3, 1).index_select(0, index).permute(0, 3, 1, 2)


def check_pass(batch_size: int, start: int, shard: tuple[int, int]) -> None:
    """Refuse a size, position or shard that cannot be, for whatever gives batches."""
    rank, world = shard
    if not 0 <= rank < world:
        raise ValueError(f"shard is (rank, world) with 0 <= rank < world; got {shard}")
    if batch_size < world:
        raise ValueError(f"batch_size must be {world} or more, an image a process; got {batch_size}")
    if start < 0:
        raise ValueError(f"start must be 0 or more batches; got {start}")


def _mean_and_std(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation a channel, exact: integer sums over a few thousand images at a time."""
    count = images.numel() // images.shape[1]
    total = torch.zeros(images.shape[1], dtype=torch.int64, device=images.device)
    squares = torch.zeros_like(total)
    for chunk in images.split(2048):
        total += chunk.sum(dim=(0, 2, 3))
        squares += chunk.int().square().sum(dim=(0, 2, 3))
    mean = total.double() / count
    variance = squares.double() / count - mean.square()
    std = variance.clamp(min=0).sqrt().clamp(min=1)  # a constant channel is not divided by zero
    return (mean / 255).float(), (std / 255).float()

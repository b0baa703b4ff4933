"""Decoding beside the training: what a worker process does, and how a pass over the images is handed out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from convbook.data.errors import DataError, brief

MOST_WORKERS = 16
AHEAD = 4  # batches that each worker prepares beforehand


class Source(Protocol):
    """Images one at a time: a uint8 tensor (N, C, H, W) is a source, image files are another."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Tensor:
        """Image ``i``, uint8 (C, H, W)."""


class Chosen:
    """Some images of another source, in the order of ``index``."""

    def __init__(self, source: Source, index: list[int]) -> None:
        self.source, self.index = source, index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, i: int) -> Tensor:
        return self.source[self.index[i]]


class Wanted(NamedTuple):
    """A batch to decode: the images' indices and, for random crops, a seed for each."""

    images: list[int]
    seeds: list[int] | None = None


class Reader(Dataset):
    """Decodes batches and cuts them to size. It holds no tensor of the device: workers get a copy.

    Args:
        source: the images.
        size: pixels a side; None leaves the images as they are.
        crop: smallest and largest share of the area that a random crop takes.
    """

    def __init__(self, source: Source, size: int | None, crop: tuple[float, float] | None) -> None:
        from torchvision.transforms import v2

        self.source = source
        self.centre = v2.Identity() if size is None else v2.Compose([v2.Resize(size), v2.CenterCrop(size)])
        self.random = v2.RandomResizedCrop(size, scale=crop) if size and crop else None

    def image(self, i: int, seed: int | None = None) -> Tensor:
        """Image ``i``, uint8 (C, size, size): its middle, or the random crop that ``seed`` gives."""
        image = self.source[i]
        if seed is None or self.random is None:
            return self.centre(image)
        # torchvision draws from the global generator, from which dropout draws too: leave it as it was.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return self.random(image)

    def __getitem__(self, wanted: Wanted) -> Tensor | DataError:
        """A batch, uint8 (B, C, size, size); what is wrong with a file is handed over, not raised.

        (A worker's exception arrives with the worker's whole traceback in its message.)
        """
        seeds = wanted.seeds or repeat(None)
        try:
            if not wanted.images:  # a process's part of a small last batch
                return self.image(0)[None][:0]
            return torch.stack([self.image(i, seed) for i, seed in zip(wanted.images, seeds, strict=False)])
        except DataError as error:
            return error


class Workers:
    """Worker processes that live from one pass to the next, until this object is forgotten."""

    def __init__(self, reader: Reader, count: int, pinned: bool) -> None:
        self.plan = _Plan()
        self.busy = False
        self.loader: DataLoader[Any] = DataLoader(
            reader,
            batch_size=None,  # the plan's items are batches
            sampler=self.plan,
            num_workers=count,
            persistent_workers=count > 0,
            prefetch_factor=AHEAD if count else None,
            pin_memory=pinned,
            generator=torch.Generator(),  # for the seeds of workers; the global one stays untouched
        )

    def read(self, plan: Sequence[Wanted]) -> Iterator[Tensor]:
        """The batches of ``plan``, in its order."""
        self.plan.items, self.busy = plan, True
        try:
            batches = iter(self.loader)
            for _ in plan:
                batch = _next(batches)
                if isinstance(batch, DataError):
                    raise batch
                yield batch
        finally:
            self.busy = False


class _Plan(Sampler[Wanted]):
    """What to read in the coming pass: a loader keeps its sampler, the sampler's items change."""

    items: Sequence[Wanted] = ()

    def __iter__(self) -> Iterator[Wanted]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def _next(batches: Iterator[Any]) -> Any:
    try:
        return next(batches)
    # A worker that dies while it hands a batch over leaves a broken connection, not the loader's words.
    except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
        if isinstance(error, RuntimeError) and "worker" not in str(error):
            raise
        raise DataError(
            f"a process that loads images died ({brief(error)}): "
            f"use fewer workers, or give the machine more (shared) memory"
        ) from error


def automatic_workers(device: torch.device) -> int:
    """Workers for batches that go to ``device``: none for a CPU, which has better use for its cores."""
    if device.type == "cpu":
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's, on this machine
    return max(1, min(MOST_WORKERS, cores // processes))

"""How the time and the memory of `fit` grow with the number of images and of batches."""

from __future__ import annotations

import math
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import nn

from convbook.data import ImageSet, load
from convbook.training import Recipe, fit
from courseware.bench.case import Case
from courseware.bench.figure import Figure, at_most
from courseware.bench.ours import finished
from courseware.bench.turns import Bench

BATCH = 100
SIDE = 64  # pixels: an image is 4 KiB, so that the smallest set is more than the noise of a process's memory
IMAGES = (1_000, 3_000, 10_000, 30_000, 100_000)
PASSES = (1, 3, 10, 30, 100)
FEW_IMAGES = 1_000  # while the passes grow


class Sweep(NamedTuple):
    """Seconds and peak bytes, a figure for each size."""

    seconds: list[float]
    peaks: list[int]


class Growth(Case):
    """Time and memory should be linear: ten times the images, ten times the cost."""

    name, device, kind = "growth", "cpu", "exponent"
    title = "Cost of growth: the exponent of a power law over two decades (1 is linear)"
    against = "linear growth"
    targets = MappingProxyType(
        {
            "time, images": at_most(1.1),
            "time, batches": at_most(1.1),
            "memory, images": at_most(1.1),
            "memory, batches": at_most(0.1),
        }
    )

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Sweep both ways in a fresh process, whose peak of memory is nobody else's."""
        images = list(IMAGES[:2] if bench.quick else IMAGES)
        passes = list(PASSES[:2] if bench.quick else PASSES)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            base = pool.submit(warm_up, torch.get_num_threads()).result()
            longer = self.sweeps(bench, pool, [(FEW_IMAGES, each) for each in passes])
            larger = self.sweeps(bench, pool, [(each, 1) for each in images])
        times = [exponent(images, each.seconds) for each in larger]
        seconds = f"{images[-1]:,} images took {larger[0].seconds[-1]:.1f} s"
        yield self.figure("time, images", times, unit="", note=seconds)
        times = [exponent(passes, each.seconds) for each in longer]
        batches = FEW_IMAGES * passes[-1] // BATCH
        yield self.figure(
            "time, batches", times, unit="", note=f"{batches:,} batches took {longer[0].seconds[-1]:.1f} s"
        )
        # A process's peak only rises: the first sweep, from small to large, is the one that shows it.
        grown = [peak - base for peak in larger[0].peaks]
        slope = statistics.linear_regression([n * SIDE**2 for n in images], grown).slope
        line = f"a line through the peaks rises by {slope:.2f} bytes for each byte of image"
        memory = exponent(images, [max(each, 1) for each in grown])
        yield self.figure("memory, images", [memory], unit="", needed=1, note=line)
        memory = exponent(passes, longer[0].peaks)
        yield self.figure("memory, batches", [memory], unit="", needed=1, note="of the whole process")

    def sweeps(self, bench: Bench, pool: ProcessPoolExecutor, sizes: list[tuple[int, int]]) -> list[Sweep]:
        """The sweep through ``sizes``, as often as asked for."""
        found = []
        for repeat in range(bench.repeats):
            bench.check_time()
            found.append(pool.submit(sweep, sizes).result())
            bench.say(f"  repeat {repeat + 1} of {bench.repeats}")
        return found


def warm_up(threads: int) -> int:
    """Train for one batch; returns the process's peak of memory in bytes."""
    torch.set_num_threads(threads)
    return sweep([(BATCH, 1)]).peaks[-1]


def sweep(sizes: list[tuple[int, int]]) -> Sweep:
    """Train a small network on each size, which is a number of images and of passes over them."""
    found = Sweep([], [])
    _, val = enlarged_digits(BATCH)
    for images, passes in sizes:
        train, _ = enlarged_digits(images)
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(1, 8, 8, stride=8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 10))
        recipe = Recipe(epochs=passes, batch_size=BATCH, lr=0.01, schedule="constant")
        start = time.perf_counter()
        finished(fit(network, train, val, recipe, device="cpu", progress=False))
        found.seconds.append(time.perf_counter() - start)
        found.peaks.append(peak_memory())
    return found


def enlarged_digits(n: int) -> tuple[ImageSet, ImageSet]:
    """The digits, enlarged and repeated to ``n`` images; and a few to validate on."""
    train, val = load("digits", resident=True)
    factor = SIDE // train.images.shape[-1]

    def enlarge(data: ImageSet, n: int) -> ImageSet:
        index = torch.arange(n) % len(data)
        images = data.images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)[index]
        return ImageSet(images, data.labels[index], data.classes, data.name)

    return enlarge(train, n), enlarge(val, BATCH)


def exponent(sizes: list[int], costs: Sequence[float]) -> float:
    """The power of the size that the cost grows with: the slope of a line through their logarithms."""
    logs = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    return statistics.linear_regression(*logs).slope


def peak_memory() -> int:
    """The most bytes that this process ever held in memory."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would tell the parent's peak if that was higher
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

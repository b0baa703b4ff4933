"""Cases on two CPU cores: the loader alone, training steps, and what automatic settings do."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from convbook.data import ImageSet
from convbook.training import crop_flip, shift
from convbook.training.devices import cpu_has_bf16
from courseware.bench.case import Case
from courseware.bench.figure import Figure, at_least
from courseware.bench.ours import FitSide, network, noise, per_image, usual_optimizer, warm
from courseware.bench.result import load_result
from courseware.bench.turns import Bench, OutOfTime, Side
from courseware.bench.usual import Pictures, resident_epoch, usual_epoch, usual_loader, usual_transform

BATCH = 128
WORKERS = (0, 2)  # what the usual loader is tried with; the better one counts


def usual_side(bench: Bench, model: nn.Module, pictures: Pictures, workers: int, batch_size: int) -> Side:
    """The usual loop as a side: seconds an image."""
    pin = bench.device == "cuda"
    loader = usual_loader(pictures, batch_size, workers, pin=pin)
    optimizer = usual_optimizer(model)
    images = len(loader) * batch_size
    return per_image(bench, lambda: usual_epoch(model, loader, optimizer, bench.device), images)


def better_of(sides: Mapping[int, Side]) -> tuple[int, Side]:
    """Of sides by their number of workers, the one that is faster once each is warm, with that number."""
    seconds = {workers: warm(side)() for workers, side in sides.items()}
    workers = min(seconds, key=lambda each: seconds[each])
    return workers, sides[workers]


def go_through(batches: Iterable[Any]) -> None:
    """Ask for every batch."""
    for _ in batches:
        pass


class Loading(Case):
    """Batches of augmented, normalised images, and nothing trained on them."""

    name, device, by_best = "loading", "cpu", True
    title = "Loading and augmentation alone: random crop and flip of 32×32 colour images"
    against = "DataLoader and torchvision's transforms on PIL images"
    targets = MappingProxyType({"batch 128": at_least(9)})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Go once through the images."""
        data = noise(bench.size(10_000, 512), 3, 32, bench.device)
        images = len(data) // BATCH * BATCH
        pictures = Pictures(data, usual_transform(data, pad=4, flip=True))
        loaders = {f"{n} workers": usual_loader(pictures, BATCH, n) for n in WORKERS}
        generator = torch.Generator(bench.device).manual_seed(0)

        def ours() -> None:
            augment = crop_flip(4)
            go_through(
                data.batches(BATCH, shuffle=True, generator=generator, augment=augment, drop_last=True)
            )

        sides = {"ours": warm(per_image(bench, ours, images))}
        for name, loader in loaders.items():
            sides[name] = warm(per_image(bench, partial(go_through, loader), images))
        found = bench.turns(sides)
        better = min(loaders, key=lambda name: min(found[name]))
        yield self.figure("batch 128", found["ours"], found[better], note=f"the loader with {better}")


class Throughput(Case):
    """Training steps, loading and augmentation included."""

    device, by_best = "cpu", True
    against = "the usual loop in float32"
    network: str
    channels: int
    images: int  # a pass
    flip: bool

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Train in float32 and, where the processor has the instructions, in bf16."""
        data = noise(bench.size(self.images, 256), self.channels, 32, bench.device)
        pad, augment = (4, crop_flip(4)) if self.flip else (2, shift(2))
        pictures = Pictures(data, usual_transform(data, pad=pad, flip=self.flip))
        workers, usual = better_of(
            {n: usual_side(bench, network(self.network, data), pictures, n, BATCH) for n in WORKERS}
        )
        precisions = ["float32"]
        if cpu_has_bf16():
            precisions.append("bf16")
        sides: dict[str, Side] = {"usual": usual}
        for precision in precisions:
            model = network(self.network, data)
            side = FitSide(bench, model, data, batch_size=BATCH, augment=augment, precision=precision)
            sides[precision] = side.warm_up()
        found = bench.turns(sides)
        for precision in self.targets:
            if precision in found:
                note = f"the usual loader with {workers} workers"
                yield self.figure(precision, found[precision], found["usual"], note=note)
            else:
                capability = torch.backends.cpu.get_cpu_capability()
                yield self.missing(precision, f"not here: no {precision} instructions in use ({capability})")


class LeNet5(Throughput):
    """A small network: the loader decides."""

    name, network, channels, images, flip = "lenet5", "lenet5_modern", 1, 12_800, False
    title = "Training LeNet-5 on 32×32 grey images, shifted by up to two pixels, batch 128"
    targets = MappingProxyType({"float32": at_least(2.4), "bf16": at_least(2.8)})


class ResNet20(Throughput):
    """A larger one: the network decides."""

    name, network, channels, images, flip = "resnet20", "resnet20_cifar", 3, 1_280, True
    title = "Training ResNet-20 on 32×32 colour images, cropped and flipped, batch 128"
    targets = MappingProxyType({"float32": at_least(1.4), "bf16": at_least(2.1)})


class Automatic(Case):
    """What `fit` chooses by itself must not cost anything."""

    name, device, by_best = "automatic", "cpu", True
    title = "Automatic settings"
    against = "a plain loop over the same resident images: float32, contiguous, eager"
    NETWORKS: Mapping[str, tuple[str, int, int, dict[str, Any]]] = MappingProxyType(
        {  # network, channels, images, options
            "LeNet-5": ("lenet5_modern", 1, 12_800, {}),
            "ResNet-20": ("resnet20_cifar", 3, 640, {}),
            "MobileNet ×0.5": ("mobilenet_v1", 3, 640, {"width_mult": 0.5, "stem_stride": 1}),
            "SE-ResNet-20": ("se_resnet20_cifar", 3, 640, {}),
        }
    )
    targets = MappingProxyType({part: at_least(0.95) for part in NETWORKS})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Train each network both ways, without augmentation."""
        for part, (name, channels, images, options) in self.NETWORKS.items():
            data = noise(bench.size(images, 256), channels, 32, bench.device)
            ours = FitSide(bench, network(name, data, **options), data, batch_size=BATCH).warm_up()
            sides: dict[str, Side] = {
                "ours": ours,
                "plain": warm(plain_side(bench, network(name, data, **options), data)),
            }
            found = bench.turns(sides)
            yield self.figure(part, found["ours"], found["plain"], note=ours.settings)


def plain_side(bench: Bench, model: nn.Module, data: ImageSet, batch_size: int = BATCH, **how: bool) -> Side:
    """The loop over resident images as a side; ``how`` is for :func:`resident_epoch`."""
    model.to(bench.device)
    optimizer = usual_optimizer(model)
    form = torch.channels_last if how.get("channels_last") else torch.contiguous_format
    images = data.images.contiguous(memory_format=form)

    def epoch() -> None:
        resident_epoch(model, images, data.labels, optimizer, batch_size, **how)

    return per_image(bench, epoch, len(data))


class AutomaticAVX2(Automatic):
    """The same on a processor of ten years ago, as far as oneDNN can pretend to be on one."""

    name = "automatic-avx2"
    title = "Automatic settings with ONEDNN_MAX_CPU_ISA=AVX2"

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Measure in a process of its own: oneDNN reads the variable when it starts."""
        bench.check_time()
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "avx2.json")
            command = [sys.executable, "-m", "courseware.cli", "bench", "training", "--only", Automatic.name]
            command += ["--repeats", str(bench.repeats), "--output", str(output)]
            command += ["--quick"] if bench.quick else []
            command += ["--budget", f"{bench.left():.0f}"] if bench.budget is not None else []
            environ = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
            subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=False)
            if not output.exists():
                raise OutOfTime
            for figure in load_result(output).figures:
                yield self.figure(
                    figure.part, figure.ours, figure.theirs, note=figure.note, missing=figure.missing
                )

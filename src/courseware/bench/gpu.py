"""Cases on one GPU: 224 pixels against timm, 32 against the usual loop, and what lies around a step."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from convbook.training import Recipe, crop_flip, fit, shift
from courseware.bench.case import Case
from courseware.bench.cpu import BATCH, plain_side, usual_side
from courseware.bench.figure import Figure, at_least, at_most
from courseware.bench.ours import RATE, FitSide, finished, network, noise, warm
from courseware.bench.turns import Bench, Side, held_to
from courseware.bench.usual import Pictures, usual_transform

RESNET18: dict[str, Any] = {"stem": "cifar"}  # ResNet-18 with the first layer that 32 pixels want
MINUTE = 60.0
JOBS = 3  # repeats of a pair of one-minute jobs


class AgainstTimm(Case):
    """Training at 224 pixels; images, rates and optimiser are the same, only networks and step differ."""

    device = "cuda"
    against = "timm's network on the same resident images"
    BATCH, IMAGES, CLASSES = 256, 4096, 1000

    def __init__(self, name: str, timm_name: str, title: str, eager: float) -> None:
        self.name, self.timm_name = name, timm_name
        self.title = f"Training {title} at 224 pixels, batch {self.BATCH}, random resident images"
        self.targets = {
            "timm in bf16, channels-last": at_least(eager),
            "timm compiled": at_least(0.98),
            "timm in plain float32": at_least(2.5),
        }

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Train the course's network by `fit` and timm's by a loop in three ways."""
        import timm

        side, batch = bench.size(224, 64), bench.size(self.BATCH, 4)
        data = noise(bench.size(self.IMAGES, 8), 3, side, bench.device, classes=self.CLASSES)

        def theirs() -> nn.Module:
            return timm.create_model(self.timm_name, num_classes=self.CLASSES).to(bench.device)

        fast = {"bf16": True, "channels_last": True}
        fused = theirs().to(memory_format=torch.channels_last)
        fused.compile(backend="eager" if bench.quick else "inductor")  # a quick run only traces
        ours = FitSide(bench, network(self.name, data), data, batch_size=batch, compile=not bench.quick)
        eager, compiled, plain = self.targets
        sides: dict[str, Side] = {
            "ours": ours.warm_up(),
            eager: plain_side(bench, theirs().to(memory_format=torch.channels_last), data, batch, **fast),
            compiled: plain_side(bench, fused, data, batch, **fast),
            plain: plain_side(bench, theirs(), data, batch),
        }
        first = {part: len(data) * sides[part]() for part in self.targets}  # warms up as well
        found = bench.turns(sides)
        for part in self.targets:
            note = f"{ours.settings}; start-up {ours.start_up:.0f} s"
            if part == compiled:
                later = len(data) * min(found[compiled])
                note += f", timm's {max(0.0, first[compiled] - later):.0f} s"
            yield self.figure(part, found["ours"], found[part], note=note)


class SmallImages(Case):
    """Training at 32 pixels, where the loader and the launches decide; both sides have two cores."""

    device = "cuda"
    against = "the usual loop with two workers, held to two cores"
    IMAGES, USUAL_IMAGES = 51_200, 12_800

    def __init__(self, name: str, model: str, title: str, least: float, **options: Any) -> None:
        self.name, self.model, self.options = name, model, options
        self.title = f"Training {title} at 32 pixels, batch {BATCH}, augmentation included"
        self.targets = {f"batch {BATCH}": at_least(least)}
        self.grey = model.startswith("lenet")

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Train by `fit` and by the usual loop."""
        with held_to():
            data = noise(bench.size(self.IMAGES, 256), 1 if self.grey else 3, 32, bench.device)
            augment = shift(2) if self.grey else crop_flip(4)
            pad, flip = (2, False) if self.grey else (4, True)
            few = data.subset(bench.size(self.USUAL_IMAGES, 256))
            pictures = Pictures(few, usual_transform(few, pad=pad, flip=flip))
            model = network(self.model, data, **self.options).to(bench.device)
            ours = FitSide(
                bench, network(self.model, data, **self.options), data, batch_size=BATCH, augment=augment
            )
            sides: dict[str, Side] = {
                "ours": ours.warm_up(),
                "usual": warm(usual_side(bench, model, pictures, 2, BATCH)),
            }
            found = bench.turns(sides)
        note = f"{ours.settings}; start-up {ours.start_up:.0f} s"
        yield self.figure(f"batch {BATCH}", found["ours"], found["usual"], note=note)


class AugmentationShare(Case):
    """A step with the crop and flip of every image for itself, and one without."""

    name, device, kind = "augmentation", "cuda", "share"
    title = f"What cropping and flipping each image takes of a ResNet-18 step at 32 pixels, batch {BATCH}"
    against = "the same without augmentation"
    targets = MappingProxyType({"share of a step": at_most(0.05)})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Train with and without."""
        data = noise(bench.size(25_600, 32), 3, 32, bench.device)
        sides = {
            part: FitSide(
                bench, network("resnet18", data, **RESNET18), data, batch_size=BATCH, augment=augment
            )
            for part, augment in (("with", crop_flip(4)), ("without", None))
        }
        for side in sides.values():
            side.warm_up()
        found = bench.turns(sides)
        yield self.figure("share of a step", found["with"], found["without"])


class HostOverhead(Case):
    """How long a step takes beyond the time in which the GPU computes."""

    name, device, kind = "host", "cuda", "share"
    title = "Host overhead a step: ResNet-18 at 32 pixels, batch 512"
    against = "the time in which the GPU computes"
    targets = MappingProxyType({"share of a step": at_most(0.03)})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Take the wall clock without a profiler, and the sum of all kernels with one."""
        data = noise(bench.size(25_600, 32), 3, 32, bench.device)
        batch = bench.size(512, 16)
        model = network("resnet18", data, **RESNET18)
        settings = dict(batch_size=batch, augment=crop_flip(4))
        wall = FitSide(bench, model, data, **settings).warm_up()
        runs = [FitSide(bench, model, data, epochs=passes, **settings) for passes in (2, 4)]
        # Two passes more: what compiling and the first steps computed is in both and falls out.
        found = bench.turns(
            {"wall": wall, "busy": lambda: (busy(runs[1]) - busy(runs[0])) / (2 * wall.history.images)}
        )
        yield self.figure("share of a step", found["wall"], found["busy"], note=wall.settings)


def busy(side: FitSide) -> float:
    """Seconds for which the device computes in a whole call of `fit`."""
    on_gpu = side.bench.device == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as trace:
        side()
    column = "self_device_time_total" if on_gpu else "self_cpu_time_total"  # microseconds
    return sum(getattr(event, column) for event in trace.key_averages()) / 1e6


class OneMinute(Case):
    """A job so short that compiling may not pay: automatic settings must find out."""

    name, device, kind = "one-minute", "cuda", "duration"
    title = "A job of one minute with automatic settings, compilation from a cold cache included"
    against = "the same job uncompiled"
    targets = MappingProxyType({"ResNet-18 at 32 pixels": at_most(1.05)})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Run whole jobs, each in a fresh process with an empty cache of compiled code."""
        n = bench.size(51_200, 32)
        data = noise(n, 3, 32, bench.device)
        model = network("resnet18", data, **RESNET18)
        pace = FitSide(bench, model, data, batch_size=BATCH, augment=crop_flip(4), compile=False)
        pass_seconds = n * warm(pace)()
        epochs = 1 if bench.quick else max(1, round(MINUTE / pass_seconds))
        repeats = min(bench.repeats, JOBS)
        found = bench.turns(
            {
                "auto": lambda: in_fresh_process(bench.device, n, epochs, None),
                "eager": lambda: in_fresh_process(bench.device, n, epochs, False),
            },
            repeats,
        )
        note = f"{epochs} passes over {n:,} images"
        (part,) = self.targets
        yield self.figure(part, found["auto"], found["eager"], unit="s", needed=JOBS, note=note)


def in_fresh_process(device: str, images: int, epochs: int, compiled: bool | None) -> float:
    """Seconds of :func:`job` where nothing has been compiled before."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
        before = {name: os.environ.get(name) for name in names}
        os.environ.update({name: os.path.join(folder, name) for name in names})  # noqa: PTH118
        try:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                return pool.submit(job, device, images, epochs, compiled, torch.get_num_threads()).result()
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def job(device: str, images: int, epochs: int, compiled: bool | None, threads: int) -> float:
    """Seconds of one whole call of `fit`; importing and starting the device are not counted."""
    torch.set_num_threads(threads)
    data = noise(images, 3, 32, device)
    model = network("resnet18", data, **RESNET18).to(device)
    recipe = Recipe(epochs=epochs, batch_size=BATCH, lr=RATE, augment=crop_flip(4), compile=compiled)
    start = time.perf_counter()
    finished(fit(model, data, data.subset(min(images, 64)), recipe, device=device, progress=False))
    return time.perf_counter() - start


CASES: tuple[Case, ...] = (
    AgainstTimm("resnet50", "resnet50", "ResNet-50", 1.15),
    AgainstTimm("resnext50_32x4d", "resnext50_32x4d", "ResNeXt-50", 1.15),
    AgainstTimm("mobilenet_v2", "mobilenetv2_100", "MobileNetV2", 1.20),
    AgainstTimm("se_resnet50", "seresnet50", "SE-ResNet-50", 1.20),
    SmallImages("lenet5", "lenet5_modern", "LeNet-5", 20),
    SmallImages("resnet20", "resnet20_cifar", "ResNet-20", 8),
    SmallImages("resnet18", "resnet18", "ResNet-18", 3, **RESNET18),
    AugmentationShare(),
    HostOverhead(),
    OneMinute(),
)

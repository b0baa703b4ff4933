"""Fewer orders to a GPU: recorded steps and fused kernels.

A GPU finishes the kernels of a small network faster than Python can order them: there a step is recorded
once as a CUDA graph and then replayed as one order. Long runs pay for ``torch.compile``, which fuses kernels:
it is switched on when the rest of the run, as timed, is long against the minute that compiling takes.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from convbook.training.step import Stepper

SETTLE = 10  # steps before anything is timed or recorded: the first ones choose algorithms
TIMED = 20  # steps that the compile decision looks at
PAYS_AFTER = 600.0  # seconds of remaining work from which it compiles


class Accelerator:
    """Watches a run's first steps and changes how the stepper runs them, as recipe and device allow.

    Args:
        stepper: what is watched.
        steps: how many the whole run has.
        compile: True, False, or None: when it pays.
        cuda_graphs: True, False, or None: where nothing stands against it.
    """

    def __init__(
        self, stepper: Stepper, steps: int, *, compile: bool | None = None, cuda_graphs: bool | None = None
    ) -> None:
        self.stepper, self.steps = stepper, steps
        self.compile, self.cuda_graphs = compile, cuda_graphs
        self.on_gpu = stepper.group.device.type == "cuda"
        if cuda_graphs and not self.on_gpu:
            raise ValueError("cuda_graphs=True needs a CUDA GPU: leave it at None here")
        self.compiled = self.graphed = False
        self.seen = self.since = 0  # steps in all, and since the last change
        self.clock = 0.0
        if compile:
            self.fuse()

    def adapt(self, images: Tensor, targets: Tensor) -> None:
        """Called before each step, with its batch."""
        if not self.on_gpu:
            return
        self.seen += 1
        self.since += 1
        if self.compile is None and not self.compiled and self.compiling_pays():
            self.fuse()
        if self.since == SETTLE and self.may_record():
            self.record(images, targets)

    def compiling_pays(self) -> bool:
        """Time some steps; true once, when the rest of the run is long against compiling."""
        if self.seen == 2 * SETTLE:  # after recording, if that was done
            torch.cuda.synchronize()
            self.clock = time.perf_counter()
        if self.seen != 2 * SETTLE + TIMED:
            return False
        torch.cuda.synchronize()
        seconds_a_step = (time.perf_counter() - self.clock) / TIMED
        return seconds_a_step * (self.steps - self.seen) > PAYS_AFTER

    def fuse(self) -> None:
        """Run a compiled network from the next step on."""
        self.stepper.replay = None
        self.stepper.runs = torch.compile(self.stepper.runs)  # type: ignore[assignment]
        self.compiled, self.graphed, self.since = True, False, 0

    def may_record(self) -> bool:
        """Whether every step is the same sequence of kernels: one piece, one process."""
        alone = self.stepper.group.world == 1 and self.stepper.pieces == 1
        if self.cuda_graphs and not alone:
            raise ValueError("cuda_graphs=True goes with one process and accumulate=1")
        return self.cuda_graphs is not False and alone

    def record(self, images: Tensor, targets: Tensor) -> None:
        """Replay from the next step on; what cannot be recorded goes on as before, unless it must."""
        try:
            self.stepper.replay = Graph(self.stepper, images, targets)
            self.graphed = True
        except RuntimeError:  # memory for the record, or an operation that waits for the CPU
            if self.cuda_graphs:
                raise
            torch.cuda.synchronize()
            self.stepper.optimizer.zero_grad(set_to_none=True)


class Graph:
    """Forward and backward pass for one shape of batch, recorded on a GPU and replayed.

    What is recorded reads and writes fixed places in memory: a batch is copied to where the recorded one lay,
    and gradients appear where the recorded ones did. (PyTorch's notes on CUDA semantics, "CUDA graphs".)
    """

    def __init__(self, stepper: Stepper, images: Tensor, targets: Tensor) -> None:
        self.images, self.targets = images.clone(), targets.clone()
        before = [buffer.clone() for buffer in stepper.model.buffers()]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # off the record: libraries choose their algorithms and workspaces
            for _ in range(3):
                stepper.optimizer.zero_grad(set_to_none=True)
                stepper.forward_backward(self.images, self.targets)
        torch.cuda.current_stream().wait_stream(side)
        stepper.optimizer.zero_grad(set_to_none=True)  # so that gradients are laid where replays write them
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss, self.right = stepper.forward_backward(self.images, self.targets)
        with torch.no_grad():  # the rounds off the record moved running averages
            for buffer, value in zip(stepper.model.buffers(), before, strict=True):
                buffer.copy_(value)

    def __call__(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Replay on another batch; the results are copied, as the next replay overwrites them."""
        self.images.copy_(images)
        self.targets.copy_(targets)
        self.graph.replay()
        return self.loss.clone(), self.right.clone()

"""Several processes, one training run.

``torchrun`` starts the same script once for each GPU (or CPU process) and tells each its rank. Every process
holds the whole model, scores its own part of each batch, and averages its gradient with the others': all take
the same step. Without ``torchrun`` nothing of this is touched.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from convbook.training.devices import DeviceError, pick_device
from convbook.training.synced_norm import SyncedBatchNorm, restore, synchronise

TIMEOUT = timedelta(minutes=10)  # longest wait for another process, which may be compiling or saving
LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK")  # what torchrun sets
_meetings = count()


@dataclass(frozen=True)
class Group:
    """The processes that train together, seen from one of them.

    Every process must call these methods in the same order and seed its generators alike: a coin that decides
    for a whole batch, such as stochastic depth's, must fall alike on all.

    Attributes:
        rank: this process's number, from 0.
        world: how many there are.
        device: where this one computes.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def writes(self) -> bool:
        """Whether this process writes checkpoints, records and progress: only one does."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """``model``, ready to be trained by all: same weights, norms over whole batches, shared gradients.

        The model stays the one that is saved and evaluated; what is returned is called in training.
        """
        if self.world == 1:
            return model
        synchronise(model, nn.SyncBatchNorm if self.device.type == "cuda" else SyncedBatchNorm)
        wrapped = DistributedDataParallel(  # sends rank 0's weights and buffers to all
            model,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            find_unused_parameters=may_skip_parts(model),
        )
        # Synced norms keep their running statistics alike: sending rank 0's before every step is idle.
        wrapped.broadcast_buffers = wrapped.forward_sync_buffers = False
        return wrapped

    def unwrap(self, model: nn.Module) -> nn.Module:
        """The model that :meth:`wrap` was given, its batch norms as they were."""
        if isinstance(model, DistributedDataParallel):
            model = model.module
            restore(model)
        return model

    def apart(self, model: nn.Module) -> AbstractContextManager[None]:
        """Where gradients stay with this process: around all pieces of a batch but the last."""
        return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()

    def part(self, batch_size: int, pieces: int = 1) -> int:
        """How many images of a batch each process gets at once.

        Args:
            batch_size: images a step, over all processes.
            pieces: how many pieces each process cuts its part into.

        Raises:
            ValueError: the batch cannot be dealt out evenly.
        """
        size, left = divmod(batch_size, self.world * pieces)
        if left:
            cut = f" in {pieces} pieces each" if pieces > 1 else ""
            raise ValueError(
                f"a batch of {batch_size} cannot be dealt out evenly to {self.world} processes{cut}: "
                f"choose a batch_size that {self.world * pieces} divides"
            )
        return size

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of all processes' tensors, on each of them."""
        if self.world == 1:
            return tensor
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    def share(self, value: Any) -> Any:
        """What rank 0 gives, on every process: such as a checkpoint that it alone has read."""
        if self.world == 1:
            return value
        file = io.BytesIO()
        if self.rank == 0:
            torch.save(value, file)
        box = [file.getvalue()]
        distributed.broadcast_object_list(box, src=0)
        if self.rank == 0:
            return value
        return torch.load(io.BytesIO(box[0]), map_location="cpu", weights_only=False)  # our own rank 0's

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def process_group(device: str | torch.device = "auto") -> Iterator[Group]:
    """Join the processes that ``torchrun`` started, for as long as the context lasts.

    They talk by NCCL, each on the GPU of its local rank, or by gloo on CPUs. In a process that was started
    alone, the group is that process. Inside another group's context, it is that group.

    Args:
        device: "auto", "cpu" or "cuda".

    Raises:
        DeviceError: the device is not there, or there are fewer GPUs than processes.
    """
    if not (all(name in os.environ for name in LAUNCHED) and int(os.environ["WORLD_SIZE"]) > 1):
        yield Group(device=pick_device(device))
        return
    chosen = own_device(device, int(os.environ["LOCAL_RANK"]))
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if distributed.is_initialized():
        yield Group(rank, world, chosen)
        return
    on_gpu = chosen.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(chosen)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        # A prefix of its own for each group: a second one must not find the first one's addresses.
        store=distributed.PrefixStore(f"group{next(_meetings)}", meeting_point()),
        rank=rank,
        world_size=world,
        timeout=TIMEOUT,
        device_id=chosen if on_gpu else None,
    )
    try:
        yield Group(rank, world, chosen)
    finally:
        distributed.destroy_process_group()


def own_device(device: str | torch.device, local_rank: int) -> torch.device:
    """The device of the process with this number on its machine."""
    chosen = pick_device(device)
    if chosen.type != "cuda":
        return chosen
    gpus = torch.cuda.device_count()
    if local_rank >= gpus:
        raise DeviceError(
            f"process {local_rank + 1} on this machine has no GPU of its own, PyTorch sees {gpus}: "
            f"start with --nproc-per-node {gpus}, or use device='cpu'"
        )
    if chosen.index not in (None, local_rank):
        raise DeviceError(f"process {local_rank} computes on cuda:{local_rank}: ask for 'cuda', not {chosen}")
    return torch.device("cuda", local_rank)


def may_skip_parts(model: nn.Module) -> bool:
    """Whether some step may leave a parameter without a gradient, which must then be looked for.

    PyTorch's layers and the course's run in every step, but for the early exits of a net whose ``forward`` is
    the last one. Another class may leave blocks out by chance.
    """
    known = {type(module).__module__.split(".")[0] for module in model.modules()} <= {"torch", "convbook"}
    return not known or hasattr(model, "exits")


@cache
def meeting_point() -> distributed.Store:
    """Where the processes of this launch find each other; opened once, as its address can be taken once."""
    store, _, _ = next(distributed.rendezvous("env://", timeout=TIMEOUT))
    return store

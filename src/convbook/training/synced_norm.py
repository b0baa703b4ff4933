"""Batch norm whose batch is spread over several processes.

Each process sees a part of the batch. A norm that measured this part alone would train another network than
one process does. Here sums over all parts are exchanged, so that every process divides by the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


class GlobalSum(torch.autograd.Function):
    """Sum a tensor over all processes, differentiably.

    Each process's output is the sum of all inputs, so that each input's gradient is the sum of all gradients.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        """The sum, on every process."""
        total = part.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The gradients' sum."""
        return GlobalSum.apply(gradients[0])


class SyncedBatchNorm(_BatchNorm):
    """Batch norm over the images of all processes: (N, C, ...) -> the same shape, on any device.

    What ``torch.nn.SyncBatchNorm`` does on a GPU, in plain operations. Parts may differ in size.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the whole batch in training, by the running statistics afterwards."""
        if not (self.training and distributed.is_initialized()):
            return super().forward(x)
        others = [0, *range(2, x.ndim)]  # all dimensions but the channels
        wide = x if x.dtype == torch.float64 else x.float()  # 16 bits are too few for sums
        here = wide.new_tensor([x.numel() // x.shape[1]])
        total, count = GlobalSum.apply(torch.cat([wide.sum(others), here])).split([x.shape[1], 1])
        mean = total / count
        centred = wide - _along_channels(mean, x)
        variance = GlobalSum.apply(centred.square().sum(others)) / count
        if self.track_running_stats:
            self.remember(mean, variance * count / (count - 1))
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        y = centred * _along_channels(scale, x)
        if self.affine:
            y = y + _along_channels(self.bias, x)
        return y.to(x.dtype)

    @torch.no_grad()
    def remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards a batch's mean (C,) and unbiased variance (C,)."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions will do: the layer stands for all of ``nn.BatchNorm1d`` to ``3d``."""


def synchronise(model: nn.Module, synced: type[_BatchNorm]) -> None:
    """Give every batch norm of ``model`` the class ``synced``, in place.

    Only the class changes: tensors, their names in the ``state_dict`` and all references to the layer stay.
    """
    for norm in _norms(model):
        norm.plain_class = type(norm)
        norm.process_group = None  # which nn.SyncBatchNorm reads as: all processes
        norm.__class__ = synced


def restore(model: nn.Module) -> None:
    """Take :func:`synchronise` back."""
    for norm in _norms(model):
        if hasattr(norm, "plain_class"):
            norm.__class__ = norm.plain_class
            del norm.plain_class, norm.process_group


def _norms(model: nn.Module) -> Iterator[Any]:
    return (module for module in model.modules() if isinstance(module, _BatchNorm))


def _along_channels(values: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (C, 1, ...), which broadcasts against ``x`` (N, C, ...)."""
    return values.view(-1, *[1] * (x.ndim - 2))

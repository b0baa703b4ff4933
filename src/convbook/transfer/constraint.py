"""A bound on the length of a unit's weights, the constraint that goes with dropout (Hinton et al. 2012)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class MaxNorm(nn.Module):
    """Shorten each unit's incoming weights to a largest length: (out, in, ...) -> the same shape.

    Args:
        limit: the largest length.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        if not limit > 0:
            raise ValueError(f"limit must be above 0; got {limit}")
        self.limit = limit

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, shortened where it is too long."""
        return torch.renorm(weight, p=2, dim=0, maxnorm=self.limit)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Where to start from so that ``weight`` comes out, if it is short enough."""
        return weight

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{self.limit:g}"


def max_norm(model: nn.Module, limit: float) -> nn.Module:
    """Bound the incoming weights of every unit in the model's linear and convolutional layers, in place.

    The bound is part of the network's code (a parametrization), so that no training loop needs to know of
    it. ``torch.nn.utils.parametrize.remove_parametrizations`` turns a layer's weight into a plain one again.

    Returns:
        The model.

    >>> net = max_norm(nn.Linear(2, 1, bias=False), 5.0)
    >>> net.weight = torch.tensor([[6.0, 8.0]])  # length 10
    >>> [round(w, 3) for w in net.weight[0].tolist()]
    [3.0, 4.0]
    """
    for module in list(model.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d):
            parametrize.register_parametrization(module, "weight", MaxNorm(limit))
    return model

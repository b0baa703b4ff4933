"""Spending computation where it is needed: early exits under a budget (Huang et al. 2018, section 3).

*Anytime*: an image may be cut short at every exit; the last exit that was reached answers. *Budgeted batch
classification*: many images share a budget; an image leaves at the first exit that is sure enough, and
thresholds learnt on a validation set see to it that the budget holds.

Confidences are (exits, images), the largest softmax of each: ``confidence(model.exits(images))``.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from convbook.profile import profile

__all__ = [
    "accuracy_under",
    "anytime_accuracy",
    "choose_exits",
    "confidence",
    "exit_macs",
    "learn_thresholds",
    "mean_macs",
    "share_for_budget",
    "shares",
]


class HasExits(Protocol):
    """A network with classifiers on the way: logits of each, the earliest first."""

    def exits(self, x: Tensor) -> list[Tensor]:
        """Logits of every classifier."""
        ...


class _All(nn.Module):
    """A forward pass through every exit, for the profile."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack(self.network.exits(x))  # type: ignore[operator]


def exit_macs(network: nn.Module, input_size: Sequence[int]) -> list[int]:
    """MACs of one image up to each exit, with the classifiers that it has asked in vain.

    Args:
        network: has ``blocks`` and as many ``classifiers``, as :class:`convbook.models.msdnet.MSDNet` does.
        input_size: (C, H, W) of one image.
    """
    costs = profile(_All(network), input_size).rows
    exits = len(list(network.get_submodule("blocks").children()))

    def macs(*parts: str) -> int:
        return sum(row.macs for row in costs if row.name.startswith(tuple(f"network.{p}." for p in parts)))

    so_far, totals = macs("stem"), []
    for i in range(exits):
        so_far += macs(f"blocks.{i}", f"classifiers.{i}")
        totals.append(so_far)
    return totals


def confidence(logits: Sequence[Tensor]) -> Tensor:
    """The largest softmax of every image at every exit: K times (N, classes) -> (K, N)."""
    return torch.stack([x.softmax(dim=1).amax(dim=1) for x in logits])


def anytime_accuracy(logits: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Share of images that each exit gets right, (K,)."""
    return torch.stack([(x.argmax(dim=1) == labels).double().mean() for x in logits])


def shares(keep: float, exits: int) -> Tensor:
    """Share of the images that is to leave at each exit, if ``keep`` of them stayed on at every one.

    The paper's ``q_k = z (1 - q)**(k - 1) q``: a geometric series, made to add up to 1. Its ``1 - q`` is
    ``keep``; above 1, later exits get more, which budgets beyond the mean cost ask for.
    """
    if keep < 0:
        raise ValueError(f"keep={keep} is negative: take 0 or more")
    series = torch.tensor(float(keep), dtype=torch.float64) ** torch.arange(exits)
    return series / series.sum()


def share_for_budget(costs: Sequence[float], budget: float) -> Tensor:
    """The shares of the geometric family whose mean cost is the budget, by bisection.

    Args:
        costs: MACs up to each exit, rising.
        budget: MACs an image on average.

    Raises:
        ValueError: if the budget is below the first exit's cost or above the last one's.
    """
    if not costs[0] <= budget <= costs[-1]:
        raise ValueError(f"budget={budget:,.0f} is out of reach: take {costs[0]:,.0f} to {costs[-1]:,.0f}")
    prices = torch.tensor(costs, dtype=torch.float64)
    low, high = -60.0, 60.0  # powers of two
    for _ in range(200):
        middle = (low + high) / 2
        too_dear = float(shares(2.0**middle, len(costs)) @ prices) > budget
        low, high = (low, middle) if too_dear else (middle, high)
    return shares(2.0**low, len(costs))


def learn_thresholds(confidences: Tensor, share: Tensor) -> Tensor:
    """Thresholds that let at least their shares of a validation set out at each exit, (K,).

    Exit by exit, the surest of the images still there leave. Numbers are rounded up exit by exit, so a set
    costs no more than its shares do; images that are equally sure leave together. The last threshold is 0.
    """
    exits, images = confidences.shape
    staying = torch.ones(images, dtype=torch.bool)
    thresholds = torch.zeros(exits, dtype=confidences.dtype)
    out_by_now = (share.cumsum(0) * images - 1e-9).ceil().clamp(0, images)
    for k in range(exits - 1):
        leave = int(out_by_now[k]) - int((~staying).sum())
        if leave <= 0:  # ties have let out enough already
            thresholds[k] = float("inf")
            continue
        surest = confidences[k][staying].sort(descending=True).values
        thresholds[k] = surest[leave - 1]
        staying &= confidences[k] < thresholds[k]
    return thresholds


def choose_exits(confidences: Tensor, thresholds: Tensor) -> Tensor:
    """The first exit that is sure enough of each image, (N,)."""
    sure = confidences >= thresholds.unsqueeze(1)
    sure[-1] = True
    return sure.int().argmax(dim=0)


def mean_macs(chosen: Tensor, costs: Sequence[float]) -> float:
    """What an image costs on average."""
    return float(torch.tensor(costs, dtype=torch.float64)[chosen].mean())


def accuracy_under(logits: Sequence[Tensor], labels: Tensor, chosen: Tensor) -> float:
    """Share of images that are right at the exit where each leaves."""
    answers = torch.stack([x.argmax(dim=1) for x in logits])  # (K, N)
    return float((answers.gather(0, chosen.unsqueeze(0))[0] == labels).double().mean())

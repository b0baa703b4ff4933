"""What a step makes small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]
Objective = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Supervised:
    """The loss of the scores; auxiliary heads count less (Szegedy et al. 2015, section 5, has 0.3).

    A network with auxiliary heads gives, in training, its scores and then those of the heads.
    """

    loss: Loss
    auxiliary: float = 0.3

    def __call__(self, model: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W), targets (B,) or (B, K) -> the loss and the scores (B, K), both float32."""
        outputs = model(images)
        scores, *heads = outputs if isinstance(outputs, tuple) else (outputs,)
        scores = scores.float()
        loss = self.loss(scores, targets)
        for head in heads:
            loss = loss + self.auxiliary * self.loss(head.float(), targets)
        return loss, scores


def cross_entropy(label_smoothing: float = 0.0) -> Loss:
    """The mean cross-entropy in nats between scores (B, K) and labels (B,) or soft targets (B, K)."""
    return partial(F.cross_entropy, label_smoothing=label_smoothing)


def name_of(objective: Objective) -> str:
    """What a record calls it: the name of the loss or objective, or what it prints as."""
    named = objective.loss if isinstance(objective, Supervised) else objective
    named = named.func if isinstance(named, partial) else named
    return str(getattr(named, "__name__", repr(named)))

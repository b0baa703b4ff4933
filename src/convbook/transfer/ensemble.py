"""Several networks that score as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEANS = ("geometric", "arithmetic")


class Ensemble(nn.Module):
    """The mean of several networks' probabilities: (N, C, H, W) -> logarithms of probabilities (N, K).

    The softmax of what comes out is that mean, so that an ensemble serves wherever a network's scores do.
    Hinton et al. 2015 (section 1) allow either mean:

    * "geometric" multiplies: the scores are averaged and normalised. It commutes with a temperature (the
      mean of softened distributions is the softened mean), which makes it the natural teacher; but a class
      that one member thinks impossible is out, whatever the others say.
    * "arithmetic" adds, as if one member were drawn by lot: no member has a veto, and the mean is as
      calibrated as a mixture of its members is. Softening it is not the same as mixing softened members.

    Args:
        models: networks with the same classes.
        mean: "geometric" or "arithmetic".

    Raises:
        ValueError: if there is no model or the mean is unknown.

    >>> sure, unsure = nn.Linear(1, 2), nn.Linear(1, 2)
    >>> for model, odds in ((sure, 9.0), (unsure, 1.0)):
    ...     _ = nn.init.zeros_(model.weight)
    ...     model.bias.data = torch.tensor([odds, 1.0]).log()
    >>> for mean in MEANS:
    ...     probabilities = Ensemble([sure, unsure], mean)(torch.zeros(1, 1)).exp()
    ...     print(mean, [round(p, 2) for p in probabilities[0].tolist()])
    geometric [0.75, 0.25]
    arithmetic [0.7, 0.3]
    """

    def __init__(self, models: Sequence[nn.Module], mean: str = "geometric") -> None:
        super().__init__()
        if not models:
            raise ValueError("an ensemble needs at least one model")
        if mean not in MEANS:
            raise ValueError(f"mean must be one of {', '.join(MEANS)}; got {mean!r}")
        self.models, self.mean = nn.ModuleList(models), mean

    def forward(self, images: Tensor) -> Tensor:
        """Logarithms of the mean probabilities, float32 or wider."""
        scores = torch.stack([F.log_softmax(_wide(model(images)), dim=1) for model in self.models])
        if self.mean == "arithmetic":
            return scores.logsumexp(dim=0) - math.log(len(scores))
        return F.log_softmax(scores.mean(dim=0), dim=1)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"mean={self.mean!r}"


def _wide(scores: Tensor) -> Tensor:
    return scores if scores.dtype == torch.float64 else scores.float()

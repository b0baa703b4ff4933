"""Whole branches left out at random while a network learns (Huang et al. 2016, section 3)."""

from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """Keep a residual branch with probability ``1 - rate`` in training; scale it by that afterwards.

    (N, C, H, W) -> the same shape. As in the paper one coin decides for the whole mini-batch, and the
    evaluated branch is multiplied by its probability of survival, which is its expected value in training.
    ``torchvision.ops.stochastic_depth(..., mode="batch")`` divides by that probability in training instead.
    The branch is computed even where it is dropped: the paper's saving in time is not had.

    Args:
        rate: probability that the branch is dropped.

    Raises:
        ValueError: if the rate is not in [0, 1).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        check_rate("rate", rate)
        self.survival = 1.0 - rate

    def forward(self, x: Tensor) -> Tensor:
        """The branch, nothing, or in evaluation their mean."""
        if self.training:
            return x * x.new_empty(x.ndim * [1]).bernoulli_(self.survival)
        return x * self.survival

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"survival={self.survival:.4g}"


def make_drop(rate: float) -> StochasticDepth | None:
    """The layer; None where nothing is ever dropped."""
    return StochasticDepth(rate) if rate else None


def linear_decay(final: float, blocks: int) -> list[float]:
    """Death rate of each block: it grows linearly to ``final`` in the last (equation 4 of the paper).

    Raises:
        ValueError: if ``final`` is not in [0, 1).
    """
    check_rate("stochastic_depth", final)
    return [final * i / blocks for i in range(1, blocks + 1)]


def check_rate(name: str, value: float) -> None:
    """Refuse a probability of dropping that leaves nothing to learn.

    Raises:
        ValueError: naming the argument.
    """
    if not 0 <= value < 1:
        raise ValueError(
            f"{name}={value} is no probability of dropping: take one from 0 up to, not including, 1"
        )

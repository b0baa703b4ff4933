"""Pooling beyond the plain maximum."""

import torch.nn.functional as F
from torch import Tensor, nn


class SAFPool2d(nn.Module):
    """Simple adaptive feature composition pooling: maximum, then dropout (Hasanpour et al. 2018).

    (N, C, H, W) -> (N, C, H // k, W // k), or (N, C, 1, 1) where ``kernel_size`` is None. No parameters.

    Max pooling keeps the strongest response of each window and so decides which features the next layer
    composes. Dropping some of these winners in training makes the next layer compose others, so that no
    feature counts on the company of another. Dropped before the pooling, a winner would only be replaced by
    its runner-up; dropped after it, the window is silent. Evaluation is plain max pooling: where ``dropout``
    is p, training scales what it keeps by 1 / (1 - p).

    Args:
        kernel_size: side of the windows, which do not overlap; None takes the whole map as one window.
        dropout: share of the winners that training drops.

    Raises:
        ValueError: if ``dropout`` is no probability below 1.

    >>> import torch
    >>> x = torch.tensor([[[[1.0, 2.0, 0.0, 1.0], [3.0, 4.0, 1.0, 5.0]]]])
    >>> SAFPool2d(2, dropout=0.2).eval()(x)
    tensor([[[[4., 5.]]]])
    >>> SAFPool2d(None).eval()(x)
    tensor([[[[5.]]]])
    """

    def __init__(self, kernel_size: int | None = 2, dropout: float = 0.0) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout} is no share to drop: take one from 0 to below 1")
        self.kernel_size = kernel_size
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """The winners of all windows, some of them dropped in training."""
        if self.kernel_size is None:
            return self.dropout(F.adaptive_max_pool2d(x, 1))
        return self.dropout(F.max_pool2d(x, self.kernel_size))

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{self.kernel_size}"

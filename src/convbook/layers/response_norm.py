"""Local response normalisation as Krizhevsky et al. 2012 use it (section 3.3)."""

from torch import nn


def response_norm() -> nn.LocalResponseNorm:
    """Divide by (2 + 1e-4 * sum of squares)**0.75 over five neighbouring maps at the same place.

    PyTorch shares its alpha out over the neighbours, hence the factor 5.
    """
    return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)

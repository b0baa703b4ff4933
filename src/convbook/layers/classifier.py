"""How networks end: the three linear layers of the early ones, the pooled single one of the later."""

from torch import nn


def three_linear(
    features: int, hidden: int, num_classes: int, dropout: float, *, dropout_first: bool = False
) -> nn.Sequential:
    """Two hidden linear layers with ReLU and dropout, then one to the classes.

    (N, features) -> (N, num_classes). In training, dropout zeroes each hidden unit with that probability.

    Args:
        features: scalars that come in.
        hidden: units of each hidden layer.
        num_classes: classes to tell apart.
        dropout: probability, from 0 to 1.
        dropout_first: drop what comes into the first two layers, not what comes out of them.
    """
    layers: list[nn.Module] = []
    for width in (features, hidden):
        layer = [nn.Linear(width, hidden), nn.ReLU(inplace=True)]
        layers += [nn.Dropout(dropout), *layer] if dropout_first else [*layer, nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(hidden, num_classes))


def pooled_linear(channels: int, num_classes: int) -> nn.Sequential:
    """Global average pooling and one linear layer, whose bias starts at 0 (Lin et al. 2014, section 3.2).

    (N, channels, H, W) -> (N, num_classes).
    """
    linear = nn.Linear(channels, num_classes)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)

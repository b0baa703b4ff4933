"""The three linear layers at the end of AlexNet, ZFNet and VGG, where most of their parameters are."""

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

"""How the papers start their weights."""

from torch import nn

Weighted = nn.Conv2d | nn.Linear


def he_normal(network: nn.Module) -> None:
    """Convolutions from N(0, 2 / fan-out): gradients keep their size on the way back (He et al. 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.ConvTranspose2d):  # PyTorch takes its outputs for inputs
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")


def fan_in_uniform(layer: Weighted) -> None:
    """Weights from U(-2.4 / fan-in, 2.4 / fan-in), biases 0 (LeCun et al. 1998, appendix A)."""
    bound = 2.4 / layer.weight[0].numel()
    nn.init.uniform_(layer.weight, -bound, bound)
    fill_bias(layer, 0.0)


def small_normal(layer: Weighted, bias: float = 0.0, std: float = 0.01) -> None:
    """Weights from N(0, std**2), biases constant (Krizhevsky et al. 2012, section 5)."""
    nn.init.normal_(layer.weight, 0, std)
    fill_bias(layer, bias)


def fill_bias(layer: Weighted, value: float) -> None:
    """Set a bias, if there is one."""
    if layer.bias is not None:
        nn.init.constant_(layer.bias, value)


def glorot_uniform(network: nn.Module) -> None:
    """Weights uniform with variance 2 / (fan-in + fan-out), biases 0 (Glorot & Bengio 2010, equation 16)."""
    for module in network.modules():
        if isinstance(module, Weighted):
            nn.init.xavier_uniform_(module.weight)
            fill_bias(module, 0.0)


def fan_in_variance(network: nn.Module) -> None:
    """Weights uniform with variance 1 / fan-in, biases 0: what Caffe calls xavier."""
    for module in network.modules():
        if isinstance(module, Weighted):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
            fill_bias(module, 0.0)

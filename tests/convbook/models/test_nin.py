"""Network in network against layer lists written down from the author's Caffe files."""

import pytest
import torch
import torch.nn.functional as F
from proof import parameters
from torch import nn

from convbook import create_model

# (in, out, kernel) of each convolution
CIFAR = [(3, 192, 5), (192, 160, 1), (160, 96, 1), (96, 192, 5), (192, 192, 1), (192, 192, 1)]
CIFAR += [(192, 192, 3), (192, 192, 1), (192, 10, 1)]
IMAGENET = [(3, 96, 11), (96, 96, 1), (96, 96, 1), (96, 256, 5), (256, 256, 1), (256, 256, 1)]
IMAGENET += [(256, 384, 3), (384, 384, 1), (384, 384, 1), (384, 1024, 3), (1024, 1024, 1), (1024, 1000, 1)]


@pytest.mark.parametrize(
    ("name", "layers", "total"), [("nin_cifar", CIFAR, 966_986), ("nin_imagenet", IMAGENET, 7_595_176)]
)
def test_convolutions_and_parameters_are_the_authors(name, layers, total):
    with torch.device("meta"):
        net = create_model(name)
    found = [
        (m.in_channels, m.out_channels, m.kernel_size[0]) for m in net.modules() if isinstance(m, nn.Conv2d)
    ]
    assert found == layers
    assert parameters(net) == sum(out * (into * k * k + 1) for into, out, k in layers) == total


@pytest.mark.parametrize(
    ("name", "sides"), [("nin_cifar", [32, 16, 16, 8, 8]), ("nin_imagenet", [54, 27, 27, 13, 13, 6, 6])]
)
def test_maps_have_the_authors_sides(name, sides):
    with torch.device("meta"):
        net = create_model(name)
        x = torch.empty(1, 3, *([32, 32] if name == "nin_cifar" else [224, 224]))
    found = []
    for layer in net.features:
        x = layer(x)
        found += [] if isinstance(layer, nn.Dropout) else [x.shape[-1]]
    assert found == sides


def caffes(x: torch.Tensor, net: nn.Module, pools: list[str]) -> torch.Tensor:
    """The author's CIFAR network one call after the other, pooling as Caffe does at the edge."""
    weights = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    for i, layer in enumerate(weights):
        x = F.conv2d(x, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2).clamp(min=0)
        if i in (2, 5):
            over = -x.shape[-1] % 2  # a column that hangs over the edge where the side is even
            edge = (0, 1 - over, 0, 1 - over)
            if pools[i // 3] == "max":
                x = F.max_pool2d(F.pad(x, edge, value=-torch.inf), 3, 2)
            else:
                inside = F.avg_pool2d(F.pad(torch.ones_like(x), edge), 3, 2)
                x = F.avg_pool2d(F.pad(x, edge), 3, 2) / inside
    return x.mean(dim=(2, 3))


@pytest.mark.parametrize("side", [18, 32])
def test_the_cifar_network_computes_what_the_authors_file_says(side):
    torch.manual_seed(0)
    net = create_model("nin_cifar").double().eval()
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    torch.testing.assert_close(net(x), caffes(x, net, ["max", "avg"]), rtol=1e-10, atol=1e-10)


def test_a_sliding_perceptron_is_the_same_linear_layers_at_every_place():
    torch.manual_seed(0)
    block = create_model("nin_cifar").features[0].double()
    x = torch.randn(1, 3, 9, 9, dtype=torch.float64)
    patch = x[0, :, 2:7, 3:8].flatten()
    for layer in block:
        if isinstance(layer, nn.Conv2d):
            patch = F.linear(patch, layer.weight.flatten(1), layer.bias)
        else:
            patch = layer(patch)
    torch.testing.assert_close(block(x)[0, :, 4, 5], patch)


def test_dropout_stands_where_the_paper_and_the_authors_model_have_it():
    with torch.device("meta"):
        kinds = {
            name: "".join(type(m).__name__[0] for m in create_model(name).features)
            for name in ("nin_cifar", "nin_imagenet")
        }
    assert kinds == {"nin_cifar": "MMDMADM", "nin_imagenet": "MMMMMMDM"}


def test_wrong_pools_are_refused():
    for pools in (("max",), ("max", "median")):
        with torch.device("meta"), pytest.raises(ValueError, match="must be max or avg for each mlpconv"):
            create_model("nin_cifar", pools=pools)

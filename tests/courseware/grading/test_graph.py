"""A network as data: rebuilt it computes the same, and nothing gets out that is not on the list."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models

from courseware.grading.inside import wire
from courseware.grading.inside.graph import GraphError, Rebuilt, rebuild, trace


class Small(nn.Module):
    """Uses slices, methods, functions, a shared layer and the shape of its input."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.deep = nn.Conv2d(4, 4, 3, padding="same", groups=4)
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        left, right = x[:, :4], x.chunk(2, dim=1)[1]
        left = self.deep(self.deep(left)) + left * 0.5
        x = torch.cat([left, right, F.max_pool2d(right, 3, stride=1, padding=1)], dim=1)
        return self.head(x.mean((2, 3)).view(x.shape[0], -1))


def copy_numbers(source, target):
    for one, other in zip(source.state_dict().values(), target.state_dict().values(), strict=True):
        other.copy_(one)


@pytest.mark.parametrize(
    ("make", "image"),
    [
        (Small, (1, 28, 28)),
        (models.resnet18, (3, 64, 64)),
        (models.shufflenet_v2_x0_5, (3, 64, 64)),
        (models.mobilenet_v3_small, (3, 64, 64)),
    ],
    ids=["small", "resnet", "shufflenet", "mobilenet with gates"],
)
def test_the_rebuilt_network_computes_what_the_traced_one_does(make, image):
    network = make().eval()
    data = wire.decode(wire.encode(trace(network)))
    again = rebuild(data, image, max_params=40_000_000).eval()
    count = sum(each.numel() for each in network.parameters())
    assert sum(each.numel() for each in again.parameters()) == count
    for name, layer in network.named_modules():
        if name in again.places:
            copy_numbers(layer, again.parts[again.places[name]])
    x = torch.randn(2, *image)
    torch.testing.assert_close(again(x), network(x))


def test_the_budget_is_counted_on_the_rebuilt_network():
    data = trace(Small())
    with pytest.raises(GraphError, match=r"258 parameters; 257 are allowed"):
        rebuild(data, (1, 28, 28), max_params=257)


class Hidden(nn.Module):
    """Keeps a layer where nobody counts it."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(784, 10)]

    def forward(self, x):
        return self.layers[0](x.flatten(1))


class Branches(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * self.scale


class Elsewhere(nn.Module):
    def forward(self, x):
        return torch.fft.fft(x).abs()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Hidden(), "cannot be traced"),
        (Branches(), "cannot be traced"),
        (Own(), "parameter outside a layer"),
        (Elsewhere(), "not on the list of operations"),
        (nn.Sequential(nn.Bilinear(2, 2, 2)), "cannot be traced|not on the list of layers"),
        (nn.Sequential(nn.LSTM(28, 10)), "not on the list of layers"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_cannot_be_told_as_data_is_refused_with_the_reason(network, message):
    with pytest.raises(GraphError, match=message):
        trace(network)


def data_with(*steps, layers=()):
    nodes = [["placeholder", "x", [], {"named": {}}], *steps]
    return {
        "layers": dict(layers),
        "nodes": [*nodes, ["output", "out", [{"node": len(nodes) - 1}], {"named": {}}]],
    }


EMPTY = {"named": {}}
X = {"node": 0}


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"layers": {}, "nodes": []},
        data_with(["call_function", "os.system", ["true"], EMPTY]),
        data_with(["call_method", "__class__", [X], EMPTY]),
        data_with(["call_method", "mean", [{"node": 7}], EMPTY]),
        data_with(["call_module", "missing", [X], EMPTY]),
        data_with(["call_module", "a", [X], EMPTY], layers=[("a", ["Module", {}])]),
        data_with(["call_module", "a", [X], EMPTY], layers=[("a", ["Linear", {"in_features": 10**9}])]),
        data_with(["call_function", "F.pad", [X, [4000] * 4], EMPTY]),
        data_with(
            *(["call_function", "torch.cat", [[{"node": n}, {"node": n}], 1], EMPTY] for n in range(40))
        ),
        data_with(["call_method", "view", [X, 10**12], EMPTY]),
    ],
    ids=range(12),
)
def test_forged_data_is_refused_before_it_costs_anything(data):
    with pytest.raises(GraphError):
        rebuild(data, (1, 28, 28), max_params=10_000)


def test_layers_start_fresh_so_that_weights_cannot_be_smuggled():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    nn.init.constant_(network[1].weight, 5.0)
    assert Rebuilt(trace(network)).parts[1].weight.abs().max() < 1

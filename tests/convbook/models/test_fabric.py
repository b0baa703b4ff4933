"""Convolutional neural fabrics by hand: edges and nodes counted from the paper's figure 1."""

import pytest
import torch
from proof import parameters
from torch import nn
from torch.nn.functional import conv2d

from convbook import create_model
from convbook.layers.scales import enlarge, spread
from convbook.models.fabric import Edge
from convbook.shapes import ShapesOnly

SMALL = {"layers": 3, "scales": 3, "channels": 4}


def count(layers: int, scales: int, channels: int, an_edge: int, in_channels: int = 3) -> int:
    """Edges along a layer, up and down between layers, down in the first and in the last layer."""
    between = (layers - 1) * (scales + (scales - 1) + (scales - 1))
    within = 2 * (scales - 1)
    nodes = layers * scales  # each normalises: two a channel
    return (
        (between + within) * an_edge + nodes * 2 * channels + 9 * in_channels * channels + 10 * channels + 10
    )


def test_a_dense_fabric_has_nine_weights_a_pair_of_channels_and_edge():
    with torch.device("meta"), ShapesOnly():
        ours = create_model("fabric_cifar")
    assert sum(isinstance(m, Edge) for m in ours.modules()) == 7 * 16 + 10
    assert parameters(ours) == count(8, 6, 128, an_edge=9 * 128**2)


def test_a_sparse_fabric_has_three_kernels_a_channel_and_edge():
    with torch.device("meta"), ShapesOnly():
        ours = create_model("fabric_cifar", layers=16, channels=32, wiring="sparse", in_channels=1)
    assert parameters(ours) == count(16, 6, 32, an_edge=3 * 9 * 32, in_channels=1)


def test_sparse_channels_read_their_neighbours_and_zeros_beyond_the_ends():
    torch.manual_seed(0)
    edge = Edge(5, "sparse", 0).double()
    x = torch.randn(1, 5, 6, 6, dtype=torch.float64)
    dense = torch.zeros(5, 5, 3, 3, dtype=torch.float64)
    for out in range(5):
        for tap in range(3):
            if 0 <= out + tap - 1 < 5:
                dense[out, out + tap - 1] = edge.conv.weight[out, tap]
    torch.testing.assert_close(edge(x, x), conv2d(x, dense, padding=1))


def test_an_edge_to_a_finer_scale_is_a_transposed_convolution():
    torch.manual_seed(0)
    edge = Edge(3, "dense", -1).double()
    x, like = torch.randn(1, 3, 4, 4, dtype=torch.float64), torch.empty(1, 3, 8, 8)
    flipped = edge.conv.weight.flip(2, 3).transpose(0, 1)
    expected = nn.functional.conv_transpose2d(x, flipped, stride=2, padding=1, output_padding=1)
    torch.testing.assert_close(edge(x, like), expected)


def test_spreading_can_interpolate_bilinearly():
    x = torch.tensor([[1.0, 3.0], [5.0, 7.0]]).view(1, 1, 2, 2)
    tent = torch.tensor([0.5, 1.0, 0.5])
    between = conv2d(spread(x, torch.empty(1, 1, 4, 4)), torch.outer(tent, tent).view(1, 1, 3, 3), padding=1)
    assert torch.equal(between[0, 0, :3, :3], torch.tensor([[1.0, 2, 3], [3, 4, 5], [5, 6, 7]]))


@pytest.mark.parametrize("carry", [enlarge, spread])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (6, 7)])
def test_carried_maps_have_the_size_asked_for(carry, size):
    small = torch.ones(2, 3, -(-size[0] // 2), -(-size[1] // 2))
    assert carry(small, torch.empty(2, 3, *size)).shape == (2, 3, *size)


def test_every_chain_from_first_to_last_layer_reaches_the_output():
    """With all weights positive, more light at the input must show at the output through each single node."""
    torch.manual_seed(0)
    model = create_model("fabric_cifar", **SMALL).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.abs_()
    outputs = {}
    for layer, nodes in enumerate(model.nodes):
        for scale, node in enumerate(nodes):
            node.register_forward_hook(lambda _m, _i, out, key=(layer, scale): outputs.update({key: out}))
    logits = model(torch.rand(1, 3, 8, 8))
    for key, out in outputs.items():
        (gradient,) = torch.autograd.grad(logits.sum(), out, retain_graph=True)
        assert (gradient > 0).any(), key


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"wiring": "ring"}, "wiring='ring'"), ({"layers": 1}, "2 layers or more")],
)
def test_wrong_arguments_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        create_model("fabric_cifar", **wrong)

"""LeNet-1 and LeNet-4 against the totals that the papers print, summed up by hand from their layers."""

import pytest
import torch
from proof import parameters
from torch import nn

from convbook import create_model
from convbook.models.lenet import H3_TABLE, connections

# LeCun et al. 1990, table 1, column by column: which of H2's maps 1 to 4 each map of H3 reads.
COLUMNS = ["1", "12", "12", "2", "12", "12", "3", "34", "34", "4", "34", "34"]


def test_lenet1_is_wired_as_table_1_of_1990():
    assert ["".join(str(i + 1) for i in reads) for reads in H3_TABLE] == COLUMNS


def test_lenet1_has_the_2578_parameters_and_98442_connections_of_1990():
    net = create_model("lenet1")
    kernels = sum(map(len, COLUMNS))
    by_hand = {
        "C1": (4 * (25 + 1), 4 * 26 * 24**2),
        "S2": (4 * 2, 4 * 5 * 12**2),
        "C3": (25 * kernels + 12, (25 * kernels + 12) * 8**2),
        "S4": (12 * 2, 12 * 5 * 4**2),
        "OUTPUT": (10 * (12 * 4**2 + 1), 10 * (12 * 4**2 + 1)),
    }
    assert {name.upper(): parameters(m) for name, m in net.named_children()} == {
        name: count for name, (count, _) in by_hand.items()
    }
    assert connections(net) == {name: count for name, (_, count) in by_hand.items()}
    assert parameters(net) == 2578
    assert sum(connections(net).values()) == 98_442


def test_lenet4_has_the_maps_of_section_iii_c_and_so_its_connections_but_not_its_parameters():
    net = create_model("lenet4")
    assert (net.c1.out_channels, net.s2.channels, net.s4.channels, net.f5.out_features) == (4, 8, 16, 120)
    total = sum(connections(net).values())
    assert round(total, -4) == 260_000
    assert parameters(net) == 104 + 16 + (16 * 3 * 25 + 16) + 32 + 120 * (400 + 1) + 10 * 121


def test_two_subsampled_maps_start_from_each_map_of_lenet4():
    net = create_model("lenet4").eval()
    seen = {}
    net.s2.register_forward_hook(lambda _, given, __: seen.update(maps=given[0]))
    net(torch.randn(1, 1, 32, 32))
    maps = seen["maps"]
    assert maps.shape == (1, 8, 28, 28)
    assert torch.equal(maps[:, ::2], maps[:, 1::2])
    assert not torch.equal(maps[:, 0], maps[:, 2])


@pytest.mark.parametrize("name", ["lenet1", "lenet4"])
def test_early_lenets_learn_a_handful_of_images(name):
    torch.manual_seed(0)
    net = create_model(name)
    images = torch.randn(20, 1, net.image_size, net.image_size)
    labels = torch.arange(20) % 10
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(60):
        loss = nn.functional.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (net(images).argmax(dim=1) == labels).float().mean() >= 0.9


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="image_size=12 is too small: a LeNet needs at least 16"):
        create_model("lenet1", image_size=12)
    with pytest.raises(ValueError, match=r"table names an input map outside 0\.\.3"):
        create_model("lenet1", table=[[0, 4]])
    with pytest.raises(ValueError, match="image_size=28"):
        create_model("lenet4")(torch.zeros(1, 1, 28, 28))

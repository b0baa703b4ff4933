import pytest
import torch
from torch import nn

from convbook import create_model
from convbook.models.lenet import connections, map_loss

CONNECTIONS = {  # LeCun et al. 1998, section II.B; 84 x 10 for the output
    "C1": 122_304,
    "S2": 5_880,
    "C3": 151_600,
    "S4": 2_000,
    "C5": 48_120,
    "F6": 10_164,
    "RBF": 840,
}


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_lenet5_has_the_papers_parameters_in_each_layer():
    net = create_model("lenet5")
    counts = {name: size(module) for name, module in net.named_children()}
    assert counts == {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 0}


def test_lenet5_has_the_papers_connections():
    counts = connections(create_model("lenet5"))
    assert counts == CONNECTIONS
    assert sum(counts.values()) == 340_908


def test_lenet5_learns_a_handful_of_images_by_cross_entropy_and_by_the_papers_loss():
    images = torch.randn(20, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 10
    for loss_function in (nn.functional.cross_entropy, map_loss):
        torch.manual_seed(0)
        net = create_model("lenet5")
        optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
        for _ in range(40):
            loss = loss_function(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert (net(images).argmax(dim=1) == labels).float().mean() >= 0.9


def test_map_loss_is_equation_9_written_out():
    distances = torch.tensor([[3.0, 1.0, 5.0]])
    by_hand = 1.0 + torch.log(torch.exp(torch.tensor(-2.0)) + torch.exp(-distances).sum())
    torch.testing.assert_close(map_loss(-distances, torch.tensor([1]), rubbish=2.0), by_hand)


@pytest.mark.parametrize("name", ["lenet5", "lenet5_modern"])
def test_lenets_say_which_image_size_they_were_built_for(name):
    with pytest.raises(ValueError, match="image_size=32"):
        create_model(name)(torch.zeros(1, 1, 40, 40))
    with pytest.raises(ValueError, match="image_size=28"):
        create_model(name)(torch.zeros(1, 1, 28, 28))
    with pytest.raises(ValueError, match="at least 16"):
        create_model(name, image_size=15)
    assert create_model(name, image_size=16)(torch.zeros(1, 1, 16, 16)).shape == (1, 10)


def test_modern_lenet_takes_the_activation_and_the_pool_that_are_named():
    old = create_model("lenet5_modern", activation="tanh", pool="avg")
    kinds = {type(module) for module in old.modules()}
    assert {nn.Tanh, nn.AvgPool2d} <= kinds
    assert not {nn.ReLU, nn.MaxPool2d} & kinds
    with pytest.raises(ValueError, match="take relu or tanh"):
        create_model("lenet5_modern", activation="gelu")


def test_alexnet_normalises_as_the_papers_formula_says():
    lrn = next(m for m in create_model("alexnet").features if isinstance(m, nn.LocalResponseNorm))
    x = torch.randn(1, 96, 2, 2, dtype=torch.float64) * 50
    expected = torch.empty_like(x)
    for i in range(96):
        neighbours = x[:, max(0, i - 2) : i + 3]  # n = 5 maps, k = 2, alpha = 1e-4, beta = 0.75
        expected[:, i] = x[:, i] / (2 + 1e-4 * neighbours.square().sum(dim=1)) ** 0.75
    torch.testing.assert_close(lrn(x), expected)


def test_alexnet_starts_as_section_5_says():
    torch.manual_seed(0)
    layers = [m for m in create_model("alexnet").modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [layer.bias.unique().tolist() for layer in layers] == [[0], [1], [0], [1], [1], [1], [1], [0]]
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)


def test_alexnets_towers_meet_in_conv3_only():
    net = create_model("alexnet", widths=(4, 4, 4, 4, 4))
    assert [m.groups for m in net.features if isinstance(m, nn.Conv2d)] == [1, 2, 1, 2, 2]
    with pytest.raises(ValueError, match="groups=5 does not divide"):
        create_model("alexnet", groups=5)


@pytest.mark.parametrize("side", [224, 227])
def test_alexnets_last_map_is_6x6_at_both_sizes_in_use(side):
    with torch.device("meta"):
        assert create_model("alexnet").features(torch.empty(1, 3, side, side)).shape == (1, 256, 6, 6)


def test_mobilenet_v1_ends_in_the_7x7_maps_that_table_1_pools():
    with torch.device("meta"):
        net = create_model("mobilenet_v1")
        assert net.blocks(net.stem(torch.empty(1, 3, 224, 224))).shape == (1, 1024, 7, 7)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(convolutions) == 28  # Howard et al. 2017, section 3.2


def test_mobilenets_shrink_for_small_images():
    net = create_model(
        "mobilenet_v1", stem_stride=1, stem_channels=16, config=((32, 1), (64, 2)), width_mult=0.5
    )
    assert net.blocks(net.stem(torch.zeros(1, 3, 32, 32))).shape == (1, 32, 16, 16)
    for name in ("mobilenet_v1", "mobilenet_v2"):
        with pytest.raises(ValueError, match="width_mult"):
            create_model(name, width_mult=0)

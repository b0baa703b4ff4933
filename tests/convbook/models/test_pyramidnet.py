"""PyramidNet: sizes counted by hand from the paper's table 1, and its function written out anew."""

import pytest
import torch
import torch.nn.functional as F
from proof import parameters, run
from torch import Tensor, nn

from convbook import create_model
from convbook.models.pyramidnet import pyramid_widths

COUNTS = {  # depth, alpha, parameters, features before the last layer as table 4 prints them
    "pyramidnet110_a48_cifar": (110, 48, 1_772_706, 64),
    "pyramidnet110_a84_cifar": (110, 84, 3_904_446, 100),
    "pyramidnet110_a270_cifar": (110, 270, 28_485_477, 286),
    "pyramidnet164_a270_cifar": (164, 270, 27_216_021, 1144),
}


def by_hand(depth: int, alpha: int, bottleneck: bool, classes: int = 10) -> int:
    """Weights and batch normalisations of equation 2, table 1 and figure 6d, without any of our code."""
    blocks = (depth - 2) // (9 if bottleneck else 6) * 3
    total = 3 * 3 * 3 * 16 + 2 * 16
    wide = 16
    for k in range(1, blocks + 1):
        d = round(16 + k * alpha / blocks)
        total += 2 * wide
        if bottleneck:
            total += (wide * d + 2 * d) + (9 * d * d + 2 * d) + (d * 4 * d + 2 * 4 * d)
        else:
            total += (9 * wide * d + 2 * d) + (9 * d * d + 2 * d)
        wide = 4 * d if bottleneck else d
    return total + 2 * wide + wide * classes + classes


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_those_of_a_hand_count(name):
    with torch.device("meta"):
        model = create_model(name)
    depth, alpha, count, features = COUNTS[name]
    assert parameters(model) == count == by_hand(depth, alpha, bottleneck=depth == 164)
    assert model.fc.in_features == features


def function(model: nn.Module, images: Tensor, bottleneck: bool) -> Tensor:
    """The network from its tensors in their order, as figures 1 and 6d describe it, in training."""
    state = model.parameters()

    def norm(x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, next(state), next(state), training=True)

    def conv(x: Tensor, stride: int = 1) -> Tensor:
        weight = next(state)
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    x = norm(conv(images))
    for stage in range(3):
        stride = 2 if stage else 1
        out = conv(norm(x), 1 if bottleneck else stride)
        out = conv(F.relu(norm(out)), stride if bottleneck else 1)
        if bottleneck:
            out = conv(F.relu(norm(out)))
        out = norm(out)
        if stage:  # the mean of each 2x2 square; a last odd row or column is averaged with itself alone
            height, width = (-(-side // 2) for side in x.shape[2:])
            pad = (0, 2 * width - x.shape[3], 0, 2 * height - x.shape[2])
            both = torch.stack([x, torch.ones_like(x)])  # sums, and of how many values they are
            total, count = F.pad(both, pad).unfold(3, 2, 2).unfold(4, 2, 2).sum((-1, -2))
            x = total / count
        zeros = out.new_zeros(x.shape[0], out.shape[1] - x.shape[1], *x.shape[2:])
        x = out + torch.cat([x, zeros], 1)
    x = F.relu(norm(x)).mean((2, 3))
    return F.linear(x, next(state), next(state))


@pytest.mark.parametrize("name", ["pyramidnet110_a48_cifar", "pyramidnet164_a270_cifar"])
@pytest.mark.parametrize("side", [12, 15])
def test_the_network_is_the_function_that_the_paper_describes(name, side):
    torch.manual_seed(0)
    model = create_model(name, depths=(1, 1, 1), alpha=20).double()
    images = torch.randn(2, 3, side, side, dtype=torch.float64)
    logits, gradient, _ = run(model, images)
    images.requires_grad_()
    expected = function(model, images, bottleneck="164" in name)
    expected.square().sum().backward()
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient, images.grad, rtol=1e-9, atol=1e-9)


def test_a_running_sum_without_floors_reaches_what_the_table_prints():
    assert pyramid_widths(54, 48)[-1] == 64
    assert pyramid_widths(54, 84)[-1] == 100
    assert sorted(set(pyramid_widths(54, 48))) == list(range(17, 65))  # each width from the stem's to 64


def test_multiplicative_widening_multiplies_by_alpha_in_all():
    widths = pyramid_widths(6, 4, "multiplicative")
    assert widths == [20, 25, 32, 40, 51, 64]  # 16 * 4 ** (k / 6) by hand: 20.2, 25.4, 32, 40.3, 50.8, 64


def test_shortcuts_have_no_parameters():
    with torch.device("meta"):
        model = create_model("pyramidnet110_a48_cifar")
    assert [key for key, _ in model.named_parameters() if "shortcut" in key] == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"widening": "fast"}, "additive, multiplicative"),
        ({"alpha": -1}, "alpha=-1 narrows"),
        ({"alpha": 0.5, "widening": "multiplicative"}, "alpha=0.5 narrows"),
        ({"depths": ()}, "depths"),
        ({"depths": (1, 0, 1)}, "depths"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model("pyramidnet110_a48_cifar", **overrides)
    assert "\n" not in str(caught.value)

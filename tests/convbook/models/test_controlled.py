"""The controlled networks differ in one thing only, and the perceptrons have the paper's shapes."""

import pytest
import torch
from proof import parameters
from torch import nn

from convbook import create_model, list_models
from convbook.models.controlled import BUDGET, equal_widths
from convbook.profile import count_params, profile

NAMES = list_models("controlled*")


@pytest.mark.parametrize("name", NAMES)
def test_all_spend_the_same_parameters_within_one_per_cent(name):
    assert count_params(name) == pytest.approx(BUDGET, rel=0.01)


@pytest.mark.parametrize("name", ["controlled_cifar", "controlled_kernel7_cifar"])
def test_parameters_are_those_of_the_hand_count(name):
    model = create_model(name)
    k = 7 if "7" in name else 3
    inputs = [3, *model.widths[:-1]]
    convolutions = sum(k * k * a * b for a, b in zip(inputs, model.widths, strict=True))
    assert parameters(model) == convolutions + 2 * sum(model.widths) + 10 * model.widths[-1] + 10


@pytest.mark.parametrize("budget", [500, 2_000, 31_000, 1_000_000])
def test_no_neighbouring_factor_comes_nearer_to_the_budget(budget):
    shares = (1, 1, 2)
    chosen = equal_widths(shares, 3, budget, 3, 10)

    def distance(widths):
        inputs = [3, *widths[:-1]]
        total = sum(9 * a * b + 2 * b for a, b in zip(inputs, widths, strict=True))
        return abs(total + 10 * widths[-1] + 10 - budget)

    for factor in torch.arange(0.5, 300, 0.1).tolist():  # every list of widths in these proportions
        assert distance(chosen) <= distance([max(1, round(factor * share)) for share in shares])


def test_strides_replace_pooling_layer_by_layer():
    pooled, strided = (create_model(f"controlled{name}_cifar") for name in ("", "_stride"))
    assert pooled.widths == strided.widths
    assert sum(isinstance(m, nn.MaxPool2d) for m in pooled.modules()) == 2
    assert [m.stride[0] for m in strided.modules() if isinstance(m, nn.Conv2d)] == [1, 2, 1, 2, 1, 1]
    assert not any(isinstance(m, nn.MaxPool2d) for m in strided.modules())
    images = torch.randn(1, 3, 32, 32)
    assert pooled.features(images).shape == strided.features(images).shape


def test_early_and_late_pooling_share_weights_and_not_cost():
    early, late = (create_model(f"controlled_{name}_pool_cifar") for name in ("early", "late"))
    # Sizes by parameters, in order: pooling has none, so that one network's weights fit the other.
    assert [p.shape for p in early.parameters()] == [p.shape for p in late.parameters()]
    costs = [profile(f"controlled_{name}_pool_cifar").macs for name in ("early", "late")]
    assert costs[1] > 3 * costs[0]


def test_balanced_layers_are_equal_to_a_channel_and_the_wide_end_holds_most_weights():
    balanced, wide = (create_model(f"controlled_{name}_cifar") for name in ("balanced", "wide_end"))
    assert max(balanced.widths) - min(balanced.widths) <= 1
    last = [m for m in wide.modules() if isinstance(m, nn.Conv2d)][-1]
    assert last.weight.numel() > 0.6 * parameters(wide)


def test_tanh_differs_from_relu_in_activation_alone():
    relu, tanh = (create_model(f"controlled_{name}_cifar") for name in ("relu", "tanh"))
    kinds = [[type(m) for m in net.features if not isinstance(m, nn.ReLU | nn.Tanh)] for net in (relu, tanh)]
    assert kinds[0] == kinds[1] and nn.BatchNorm2d not in kinds[0]
    assert [p.shape for p in relu.parameters()] == [p.shape for p in tanh.parameters()]


def test_attention_on_mobilenet_adds_a_gate_to_each_block():
    channels = [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    added = count_params("mobilenet_v1", attention="se") - count_params("mobilenet_v1")
    assert added == sum(2 * c * (c // 16) + c // 16 + c for c in channels)
    with pytest.raises(ValueError, match="take one of None, se, cbam"):
        create_model("mobilenet_v1", attention="gate")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"reduction": "mean"}, "take one of max, stride"),
        ({"activation": "gelu"}, "take one of relu, tanh"),
        ({"kernel_size": 4}, "take an odd one"),
        ({"halve_after": (7,)}, "layers run from 1 to 6"),
        ({"budget": 50}, "too small: 6 layers of one channel take"),
    ],
)
def test_wrong_arguments_are_named(overrides, message):
    with pytest.raises(ValueError, match=message):
        create_model("controlled_cifar", **overrides)


def test_teacher_and_student_have_the_papers_layers():
    assert count_params("mlp1200") == 785 * 1200 + 1201 * 1200 + 1201 * 10
    assert count_params("mlp800") == 785 * 800 + 801 * 800 + 801 * 10


def test_the_background_around_a_digit_is_not_seen():
    model = create_model("mlp800").eval()
    images = torch.randn(2, 1, 32, 32)
    framed = images.clone()
    framed[:, :, :2] = framed[..., -2:] = 9.0
    torch.testing.assert_close(model(framed), model(images), rtol=0, atol=0)
    torch.testing.assert_close(model(images[:, :, 2:30, 2:30]), model(images))

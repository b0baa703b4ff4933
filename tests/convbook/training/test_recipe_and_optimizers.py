"""Recipes, schedules, and which parameters decay."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from convbook.training import Recipe, learning_rate, make_optimizer, parameter_groups, shift


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"optimizer": "adam"}, "optimizer must be one of sgd, adamw, rmsprop; got 'adam'"),
        ({"schedule": "linear"}, "schedule must be one of"),
        ({"precision": "half"}, "precision must be one of"),
        ({"epochs": 0}, "epochs must be 1 or more"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"lr": float("nan")}, "lr must be above 0"),
        ({"warmup": 1.0}, "warmup is a share"),
    ],
)
def test_impossible_settings_are_refused(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**setting)


def test_a_recipe_becomes_plain_data() -> None:
    settings = Recipe(epochs=2, augment=shift(3)).to_dict()
    assert settings["augment"] == "shift(3)" and settings["epochs"] == 2
    assert set(settings) == set(Recipe.__dataclass_fields__)


def rates(steps: int = 100, **settings: object) -> list[float]:
    recipe = Recipe(lr=1.0, **settings)  # type: ignore[arg-type]
    return [learning_rate(step, steps, recipe) for step in range(steps)]


def test_one_cycle_climbs_for_a_fifth_and_falls_to_nothing() -> None:
    values = rates(schedule="one_cycle")
    assert max(values) == values[20] == 1.0
    assert all(a < b for a, b in pairwise(values[:21]))
    assert all(a > b for a, b in pairwise(values[20:]))
    assert 0 < values[-1] <= 1 / 80


def test_cosine_equals_pytorchs() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    expected = []
    for _ in range(100):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates(schedule="cosine") == pytest.approx(expected)


def test_step_takes_a_tenth_at_the_half_and_at_three_quarters() -> None:
    values = rates(schedule="step")
    assert values == pytest.approx([1.0] * 50 + [0.1] * 25 + [0.01] * 25)


def test_constant_stays_and_any_schedule_can_warm_up() -> None:
    assert rates(schedule="constant") == [1.0] * 100
    values = rates(schedule="constant", warmup=0.1)
    assert values[:10] == pytest.approx([k / 11 for k in range(1, 11)]) and values[10:] == [1.0] * 90


def test_one_step_runs_have_a_rate() -> None:
    for schedule in ("one_cycle", "cosine", "step", "constant"):
        assert rates(1, schedule=schedule) == [1.0]


def test_norms_biases_and_depthwise_kernels_are_spared() -> None:
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3),  # decays, its bias not
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, groups=8, bias=False),  # depthwise
        nn.Conv2d(8, 16, 3, groups=8, bias=False),  # depthwise with two kernels a channel
        nn.Conv2d(16, 16, 3, groups=4, bias=False),  # grouped: decays
        nn.Conv2d(16, 16, 1, bias=False),  # pointwise: decays
        nn.Conv2d(1, 2, 3, bias=False),  # one channel, one group: an ordinary convolution
        nn.Linear(16, 2),
    )
    decayed, spared = parameter_groups(model, 0.1)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert {names[id(p)] for p in decayed["params"]} == {
        "0.weight",
        "4.weight",
        "5.weight",
        "6.weight",
        "7.weight",
    }
    assert {names[id(p)] for p in spared["params"]} == {
        *("0.bias", "1.weight", "1.bias", "2.weight", "3.weight", "7.bias")
    }
    assert decayed["weight_decay"] == 0.1 and spared["weight_decay"] == 0.0


def test_optimizers_follow_the_recipe() -> None:
    model = nn.Linear(2, 2)
    sgd = make_optimizer(model, Recipe(momentum=0.8, nesterov=True, lr=0.3))
    assert isinstance(sgd, torch.optim.SGD)
    assert all(g["momentum"] == 0.8 and g["nesterov"] and g["lr"] == 0.3 for g in sgd.param_groups)
    plain = make_optimizer(model, Recipe(momentum=0.0))
    assert not plain.param_groups[0]["nesterov"], "PyTorch refuses to look ahead without momentum"
    assert isinstance(make_optimizer(model, Recipe(optimizer="adamw")), torch.optim.AdamW)


def test_a_frozen_model_is_refused() -> None:
    with pytest.raises(ValueError, match="no trainable parameter"):
        make_optimizer(nn.Linear(2, 2).requires_grad_(False), Recipe())

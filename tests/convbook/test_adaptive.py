"""Early exits: what each costs, and budgets that hold."""

from itertools import pairwise

import pytest
import torch

from convbook import create_model
from convbook.adaptive import (
    accuracy_under,
    anytime_accuracy,
    choose_exits,
    confidence,
    exit_macs,
    learn_thresholds,
    mean_macs,
    share_for_budget,
    shares,
)
from convbook.profile import count_macs

COSTS = [10.0, 25.0, 45.0, 100.0]


def validation_set(images: int = 500) -> torch.Tensor:
    """Confidences that rise from exit to exit, as those of a trained network do."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(4, images, generator=generator).cumsum(0) / 4


def test_each_exit_costs_more_and_the_last_one_all():
    costs = exit_macs(create_model("msdnet_cifar"), (3, 32, 32))
    assert len(costs) == 11
    assert all(later > earlier for earlier, later in pairwise(costs))
    model = create_model("msdnet_cifar")
    stem = 32 * 32 * 9 * 3 * 16 + 16 * 16 * 9 * 16 * 32 + 8 * 8 * 9 * 32 * 64
    first_layer = 32 * 32 * (16 * 6 + 9 * 6 * 6)
    assert costs[0] > stem + first_layer
    alone = count_macs(model, (3, 32, 32))  # the last classifier only
    earlier = [
        4 * 4 * 9 * conv[0][0].in_channels * 128 + 2 * 2 * 9 * 128 * 128 + 1280 for conv in model.classifiers
    ]
    assert costs[-1] == alone + sum(earlier[:-1])


def test_shares_are_a_geometric_series():
    assert shares(0.5, 3).tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert shares(1.0, 4).tolist() == [0.25] * 4
    assert shares(0.0, 3).tolist() == [1.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="keep=-1"):
        shares(-1, 3)


@pytest.mark.parametrize("budget", [10, 12.5, 30, 45, 80, 99.9, 100])
def test_shares_for_a_budget_cost_just_that(budget):
    share = share_for_budget(COSTS, budget)
    assert float(share @ torch.tensor(COSTS, dtype=torch.float64)) == pytest.approx(budget)
    ratios = share[1:] / share[:-1]
    if 10 < budget < 100:
        assert ratios.tolist() == pytest.approx([ratios[0].item()] * 3)


@pytest.mark.parametrize("budget", [9.9, 100.1])
def test_a_budget_out_of_reach_is_refused(budget):
    with pytest.raises(ValueError, match="out of reach: take 10 to 100"):
        share_for_budget(COSTS, budget)


@pytest.mark.parametrize("budget", [10, 11, 20, 35, 60, 90, 100])
@pytest.mark.parametrize("images", [7, 500])
def test_thresholds_meet_the_budget_on_the_set_they_were_learnt_on(budget, images):
    sure = validation_set(images)
    chosen = choose_exits(sure, learn_thresholds(sure, share_for_budget(COSTS, budget)))
    assert mean_macs(chosen, COSTS) <= budget + 1e-6
    assert mean_macs(chosen, COSTS) > budget - 100 * 3 / images  # less than an image an exit is lost


def test_budgets_hold_where_images_are_equally_sure():
    sure = (validation_set() * 5).round() / 5
    for budget in (15, 50, 90):
        chosen = choose_exits(sure, learn_thresholds(sure, share_for_budget(COSTS, budget)))
        assert mean_macs(chosen, COSTS) <= budget + 1e-6


def test_a_larger_budget_asks_for_more_at_the_first_exit_and_costs_more():
    sure = validation_set()
    first, costs = [], []
    for budget in (12, 20, 40, 60, 80):
        thresholds = learn_thresholds(sure, share_for_budget(COSTS, budget))
        first.append(float(thresholds[0]))
        costs.append(mean_macs(choose_exits(sure, thresholds), COSTS))
        assert thresholds[-1] == 0
    assert first == sorted(first) and len(set(first)) == 5
    assert costs == sorted(costs)


def test_an_image_leaves_at_the_first_exit_that_is_sure_enough():
    sure = torch.tensor([[0.9, 0.2, 0.2], [0.9, 0.6, 0.3], [0.1, 0.9, 0.4]])
    assert choose_exits(sure, torch.tensor([0.8, 0.5, 0.0])).tolist() == [0, 1, 2]
    assert choose_exits(sure, torch.tensor([0.95, 0.95, 0.95])).tolist() == [2, 2, 2]


def test_accuracies_by_hand():
    labels = torch.tensor([0, 1, 1, 0])
    early = torch.tensor([[2.0, 0], [2, 0], [0, 2], [0, 2]])  # right, wrong, right, wrong
    late = torch.tensor([[2.0, 0], [0, 2], [0, 2], [0, 2]])  # only the last one wrong
    assert anytime_accuracy([early, late], labels).tolist() == [0.5, 0.75]
    assert accuracy_under([early, late], labels, torch.tensor([0, 0, 0, 0])) == 0.5
    assert accuracy_under([early, late], labels, torch.tensor([0, 1, 0, 1])) == 0.75
    assert confidence([early])[0].tolist() == pytest.approx([torch.tensor(2.0).sigmoid().item()] * 4)


def test_a_network_gives_what_the_functions_take():
    torch.manual_seed(0)
    model = create_model("msdnet_cifar", depths=(2, 2, 2), stem_channels=4, classifier_channels=8).eval()
    with torch.no_grad():
        logits = model.exits(torch.randn(20, 3, 32, 32))
    costs = exit_macs(model, (3, 32, 32))
    sure = confidence(logits)
    budget = sum(costs) / 3
    chosen = choose_exits(sure, learn_thresholds(sure, share_for_budget(costs, budget)))
    assert mean_macs(chosen, costs) <= budget
    assert 0 <= accuracy_under(logits, torch.zeros(20, dtype=torch.long), chosen) <= 1

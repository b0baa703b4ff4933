import pytest
import torch
from proof import parameters
from torchvision.ops import stochastic_depth

from convbook import create_model
from convbook.layers.drop import StochasticDepth, linear_decay
from convbook.models.preactivation import PreActBlock
from convbook.models.resnet_blocks import BasicBlock


def test_training_is_torchvisions_times_the_survival_for_either_fall_of_the_coin():
    layer, x = StochasticDepth(0.3).train(), torch.randn(3, 2, 4, 4)
    dropped = 0
    for seed in range(20):
        torch.manual_seed(seed)
        ours = layer(x)
        torch.manual_seed(seed)
        torch.testing.assert_close(ours, 0.7 * stochastic_depth(x, 0.3, mode="batch"))
        dropped += ours.count_nonzero().item() == 0
    assert 0 < dropped < 20


def test_evaluation_gives_the_mean_of_what_training_gives():
    torch.manual_seed(0)
    layer, x = StochasticDepth(0.3), torch.ones(1)
    runs = torch.stack([layer.train()(x) for _ in range(4000)])
    assert set(runs.flatten().tolist()) == {0.0, 1.0}
    assert runs.mean().item() == pytest.approx(layer.eval()(x).item(), abs=0.03)
    assert layer.eval()(x).item() == pytest.approx(0.7)


def test_one_coin_decides_for_the_whole_mini_batch():
    layer, x = StochasticDepth(0.5).train(), torch.ones(64, 1, 1, 1)
    assert all(layer(x).unique().numel() == 1 for _ in range(10))


def test_a_rate_of_a_half_keeps_about_40_of_the_54_blocks():
    """Huang et al. 2016, section 3: (3 L - 1) / 4 blocks on average."""
    rates = linear_decay(0.5, 54)
    assert rates[-1] == 0.5 and rates == sorted(rates)
    assert sum(1 - rate for rate in rates) == pytest.approx((3 * 54 - 1) / 4)


@pytest.mark.parametrize("name", ["resnet20_cifar", "preact_resnet110_cifar"])
def test_rates_grow_through_all_stages_and_cost_no_parameters(name):
    model = create_model(name, depths=(2, 2, 2), stochastic_depth=0.6)
    drops = [m for m in model.modules() if isinstance(m, StochasticDepth)]
    assert [1 - drop.survival for drop in drops] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert parameters(model) == parameters(create_model(name, depths=(2, 2, 2)))


@pytest.mark.parametrize("block", [BasicBlock, PreActBlock])
def test_a_dropped_block_is_its_shortcut_and_learns_nothing(block):
    torch.manual_seed(0)
    layer = block(4, 4, drop_rate=0.5).train()
    x = torch.rand(2, 4, 5, 5)
    layer.drop.survival = 0.0
    torch.testing.assert_close(layer(x), x)
    layer(x).sum().backward()
    assert all(p.grad.count_nonzero() == 0 for p in layer.parameters())


def test_an_evaluated_block_scales_its_branch_by_the_survival():
    torch.manual_seed(0)
    block, x = BasicBlock(4, 4, drop_rate=0.2).eval(), torch.rand(2, 4, 5, 5)
    torch.testing.assert_close(block(x), torch.relu(x + 0.8 * block.branch(x)))


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("resnet20_cifar", {"stochastic_depth": 1.0}, "stochastic_depth=1.0 is no probability"),
        ("preact_resnet164_cifar", {"stochastic_depth": 1.5}, "stochastic_depth=1.5 is no probability"),
        ("plain20_cifar", {"stochastic_depth": 0.5}, "residual=True"),
    ],
)
def test_an_impossible_rate_is_refused_in_one_line(name, overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model(name, **overrides)
    assert "\n" not in str(caught.value)

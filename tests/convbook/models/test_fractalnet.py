import pytest
import torch
from proof import parameters
from torch import Tensor, nn

from convbook import create_model
from convbook.models.fractalnet import Fractal, Joins, join


def small(**overrides: object) -> nn.Module:
    torch.manual_seed(0)
    return create_model("fractalnet20_cifar", **{"widths": (4, 8), "dropout": 0.0, **overrides})


def convolve(fractal: Fractal, column: int, x: Tensor) -> Tensor:
    """One column by itself: 2**column convolutions in a row."""
    for half in fractal.twice if column else []:
        x = convolve(half, column - 1, x)
    return x if column else fractal.conv(x)


def longest(fractal: Fractal) -> int:
    """Convolutions on the deepest path."""
    return max(1, sum(longest(half) for half in fractal.twice))


def test_the_rule_of_expansion_is_equation_2():
    fractal, x = Fractal(3, 4, 2, 0.0).eval(), torch.randn(2, 3, 6, 6)
    first, second = (half.conv for half in fractal.twice)
    expected = (second(first(x)) + fractal.conv(x)) / 2
    torch.testing.assert_close(join(fractal(x, None), None), expected)


def test_a_join_averages_all_columns_that_end_there_at_once():
    fractal, x = Fractal(3, 4, 3, 0.0).eval(), torch.randn(2, 3, 6, 6)
    a, b = fractal.twice  # two columns each, joined between them
    middle = (a.conv(x) + a.twice[1].conv(a.twice[0].conv(x))) / 2
    ends = [b.twice[1].conv(b.twice[0].conv(middle)), b.conv(middle), fractal.conv(x)]
    torch.testing.assert_close(join(fractal(x, None), None), sum(ends) / 3)


def block(channels: int, width: int) -> int:
    """Three columns of 1, 2 and 4 convolutions with norms; the first of each column reads the input."""
    return 3 * (9 * channels * width) + 4 * (9 * width**2) + 7 * 2 * width


def test_parameters_and_depth_are_those_counted_by_hand():
    widths = (64, 128, 256, 512, 512)
    count = sum(block(c, w) for c, w in zip((3, *widths), widths, strict=False)) + 512 * 10 + 10
    with torch.device("meta"):
        model = create_model("fractalnet20_cifar")
    assert parameters(model) == count == 33_724_618  # Huang et al. 2017 print 38.6 M
    assert sum(longest(each) for each in model.blocks) == 20


@pytest.mark.parametrize(
    ("columns", "million"), [(1, 0.3), (2, 0.8), (3, 2.1), (4, 4.8), (5, 10.2), (6, 21.1)]
)
def test_the_rule_of_expansion_gives_the_published_counts_of_thin_networks(columns, million):
    """Larsson et al. 2017, table 3: CIFAR-100."""
    with torch.device("meta"):
        model = create_model(
            "fractalnet20_cifar", widths=(16, 32, 64, 128, 128), columns=columns, num_classes=100
        )
    assert round(parameters(model) / 1e6, 1) == million
    assert sum(longest(each) for each in model.blocks) == 5 * 2 ** (columns - 1)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_one_column_alone_is_a_plain_network(index):
    model, images = small().eval(), torch.randn(2, 3, 8, 8)
    x = images
    for each in model.blocks:
        x = model.pool(convolve(each, index, x))
    torch.testing.assert_close(model.column(images, index), model.classifier(x.mean(dim=(2, 3))))


def test_global_drop_path_trains_one_column_through_the_whole_network():
    model, images = small(global_share=1.0), torch.randn(4, 3, 8, 8)
    columns = [model.column(images, i) for i in range(3)]
    met = set()
    for seed in range(12):
        torch.manual_seed(seed)
        out = model.train()(images)
        met |= {i for i, column in enumerate(columns) if torch.allclose(out, column)}
        assert any(torch.allclose(out, column) for column in columns)
    assert met == {0, 1, 2}


def test_local_drop_path_keeps_at_least_one_input_and_averages_the_kept():
    torch.manual_seed(0)
    joins = Joins(3, 0.7, 0.0, torch.zeros(1))
    drawn = torch.stack([joins.weights(3) for _ in range(1000)])
    torch.testing.assert_close(drawn.sum(dim=1), torch.ones(1000))
    alone = 3 * 0.3 * 0.7**2 + 0.7**3  # one kept by chance or by force
    assert (drawn == 1).any(dim=1).float().mean().item() == pytest.approx(alone, abs=0.05)
    assert (drawn > 0).float().mean().item() == pytest.approx(0.3 + 0.7**3 / 3, abs=0.03)


def test_half_of_the_mini_batches_are_global():
    torch.manual_seed(0)
    share = sum(Joins(3, 0.15, 0.5, torch.zeros(1)).all_global.item() for _ in range(1000)) / 1000
    assert share == pytest.approx(0.5, abs=0.05)


def test_without_chance_training_joins_everything():
    model, images = small(drop_path=0.0, global_share=0.0), torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(model.train()(images), model.train()(images))


def test_dropout_grows_from_none_in_the_first_block_to_its_rate_in_the_last():
    with torch.device("meta"):
        model = create_model("fractalnet20_cifar")
    assert [each.drop.p for each in model.blocks] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"columns": 0}, "columns=0"),
        ({"drop_path": 1.0}, "drop_path=1.0 is no probability"),
        ({"global_share": 1.5}, "global_share=1.5 is no share"),
        ({"dropout": 2.0}, "dropout=2.0 is no probability"),
    ],
)
def test_an_impossible_network_is_refused_at_once_in_one_line(overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        small(**overrides)
    assert "\n" not in str(caught.value)


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="index=3 is no column"):
        small().column(torch.randn(1, 3, 8, 8), 3)

import pytest
import torch
from torch import nn

from convbook.layers import RBFOutput, Subsample, TableConv2d, scaled_tanh
from convbook.layers.rbf import bitmap_codes
from convbook.models.lenet import C3_TABLE


def test_scaled_tanh_maps_one_to_one_and_saturates_at_1_7159():
    x = torch.tensor([-1.0, 0.0, 1.0, 100.0])
    torch.testing.assert_close(scaled_tanh(x), torch.tensor([-1.0, 0.0, 1.0, 1.7159]), rtol=0, atol=1e-4)


def test_subsample_adds_each_square_and_scales_each_map():
    layer = Subsample(2)
    with torch.no_grad():
        layer.coefficient.copy_(torch.tensor([0.5, -1.0]))
        layer.bias.copy_(torch.tensor([1.0, 2.0]))
    x = torch.arange(32.0).view(1, 2, 4, 4)
    for c, (coefficient, bias) in enumerate([(0.5, 1.0), (-1.0, 2.0)]):
        for i, j in [(0, 0), (0, 1), (1, 0), (1, 1)]:
            total = x[0, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].sum()
            assert layer(x)[0, c, i, j] == coefficient * total + bias


def test_table_is_the_papers_table_1():
    reads = ["".join("X" if i in maps else "." for maps in C3_TABLE) for i in range(6)]
    assert reads == [
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    ]
    assert sum(map(len, C3_TABLE)) == 60


def test_each_map_is_the_sum_over_the_maps_that_its_row_names():
    torch.manual_seed(0)
    layer = TableConv2d(6, C3_TABLE, 5)
    nn.init.uniform_(layer.bias)
    x = torch.randn(2, 6, 9, 8)
    wire = 0
    for out, reads in enumerate(C3_TABLE):
        expected = torch.zeros(2, 5, 4) + layer.bias[out]
        for read in reads:
            kernel = layer.weight[wire].view(1, 1, 5, 5)
            expected = expected + nn.functional.conv2d(x[:, read : read + 1], kernel)[:, 0]
            wire += 1
        torch.testing.assert_close(layer(x)[:, out], expected, rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in layer.parameters()) == 60 * 25 + 16


def test_table_conv_starts_within_its_units_own_fan_in():
    layer = TableConv2d(6, C3_TABLE, 5)
    largest = layer.weight.abs().amax(dim=(1, 2))
    fan_in = torch.tensor([25.0 * len(reads) for reads in C3_TABLE for _ in reads])
    assert (largest <= 2.4 / fan_in).all()
    assert (largest > 1.2 / fan_in).all()


def test_a_table_that_names_a_missing_map_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.5"):
        TableConv2d(6, [[0, 6]], 5)


def test_rbf_gives_the_squared_distance_to_each_code_and_trains_nothing():
    layer = RBFOutput()
    x = torch.randn(3, 84)
    torch.testing.assert_close(layer(x), torch.cdist(x, layer.codes).square(), rtol=1e-4, atol=1e-3)
    assert list(layer.parameters()) == []
    assert layer(layer.codes).argmin(dim=1).tolist() == list(range(10))
    assert layer(layer.codes).diagonal().count_nonzero() == 0


def test_codes_are_signs_far_apart_and_the_same_every_time():
    codes = bitmap_codes(40)
    assert codes.shape == (40, 84)
    assert codes.abs().unique().tolist() == [1.0]
    apart = (84 - codes @ codes.T) / 2 + 84 * torch.eye(40)
    assert apart.min() >= 4  # dots in which any two differ
    torch.testing.assert_close(codes, bitmap_codes(40))
    torch.testing.assert_close(codes[:10], bitmap_codes(10))


def test_rbf_distances_are_not_rounded_to_half_precision():
    layer = RBFOutput()
    x = torch.randn(4, 84)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x.bfloat16()).dtype == torch.float32
    torch.testing.assert_close(layer(x.bfloat16()), layer(x.bfloat16().float()))

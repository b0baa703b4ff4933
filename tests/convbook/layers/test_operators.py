"""Each operator against another way to compute it."""

import doctest
from importlib import import_module

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convbook.layers.asymmetric import AsymmetricConv2d
from convbook.layers.convolution import DepthwiseSeparable
from convbook.layers.deformable import DeformableConv2d
from convbook.layers.dilated import DilatedConv2d
from convbook.layers.grouped import GroupedConv2d
from convbook.layers.pooling import SAFPool2d
from convbook.layers.transposed import TransposedConv2d
from convbook.profile import profile

DOCUMENTED = ["asymmetric", "convolution", "deformable", "dilated", "grouped", "pooling", "transposed"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def image(channels: int = 4, height: int = 11, width: int = 9) -> torch.Tensor:
    return torch.randn(2, channels, height, width, dtype=torch.float64)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_examples_in_the_docstrings_hold(name):
    result = doctest.testmod(import_module(f"convbook.layers.{name}"))
    assert result.attempted > 2
    assert result.failed == 0


@pytest.mark.parametrize(("kernel_size", "dilation", "stride"), [(3, 1, 1), (3, 2, 1), (3, 3, 2), (5, 2, 1)])
def test_dilation_is_a_larger_kernel_with_zeros_between_the_taps(kernel_size, dilation, stride):
    layer = DilatedConv2d(4, 6, kernel_size, dilation, stride, bias=True).double()
    side = dilation * (kernel_size - 1) + 1
    stuffed = torch.zeros(6, 4, side, side, dtype=torch.float64)
    stuffed[:, :, ::dilation, ::dilation] = layer.weight
    expected = F.conv2d(image_ := image(), stuffed, layer.bias, stride, padding=side // 2)
    torch.testing.assert_close(layer(image_), expected)
    assert expected.shape[2:] == (-(-11 // stride), -(-9 // stride))


def test_dilations_in_powers_of_two_see_exponentially_far_and_the_context_module_67_pixels():
    for depth in range(1, 6):
        powers = nn.Sequential(*(DilatedConv2d(2, 2, dilation=2**i) for i in range(depth)))
        assert profile(powers, (2, 40, 40)).receptive_field == 2 ** (depth + 1) - 1
        assert profile(powers, (2, 40, 40)).params == depth * 2 * 2 * 9
    context = nn.Sequential(*(DilatedConv2d(2, 2, dilation=d) for d in (1, 1, 2, 4, 8, 16, 1)))
    fields = [row.receptive_field for row in profile(context, (2, 64, 64)).rows]
    assert fields == [3, 5, 9, 17, 33, 65, 67]  # Yu and Koltun 2016, table 1


def test_equal_dilations_leave_holes():
    layers = nn.Sequential(*(DilatedConv2d(1, 1, dilation=2) for _ in range(3)))
    x = torch.zeros(1, 1, 15, 15, requires_grad=True)
    layers(x)[0, 0, 7, 7].backward()
    seen = x.grad[0, 0] != 0
    assert int(seen.sum()) == 49  # of the 13 x 13 that the field spans
    assert not seen[0::2].any()
    assert not seen[:, 0::2].any()


@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 2), (2, 2), (4, 2), (3, 1), (5, 3)])
def test_transposed_is_the_gradient_of_the_strided_convolution(kernel_size, stride):
    layer = TransposedConv2d(4, 6, kernel_size, stride).double()
    small = image()
    large = torch.zeros(2, 6, 11 * stride, 9 * stride, dtype=torch.float64, requires_grad=True)
    down = F.conv2d(large, layer.weight, stride=stride, padding=layer.padding)  # of the same weights
    fits = down[:, :, :11, :9]
    torch.testing.assert_close(fits.shape, small.shape)
    padded = F.pad(small, (0, down.shape[3] - 9, 0, down.shape[2] - 11))
    (gradient,) = torch.autograd.grad(down, large, padded)
    torch.testing.assert_close(layer(small), gradient)


def test_transposed_is_a_convolution_over_an_input_with_zeros_put_between():
    layer = TransposedConv2d(4, 6, 3, stride=2).double()
    small = image()
    spread = torch.zeros(2, 4, 22, 18, dtype=torch.float64)
    spread[:, :, ::2, ::2] = small
    turned = layer.weight.flip(2, 3).transpose(0, 1)
    torch.testing.assert_close(layer(small), F.conv2d(spread, turned, padding=1))


def test_transposed_takes_the_size_that_it_is_asked_for_and_its_macs_are_counted_at_the_input():
    layer = TransposedConv2d(4, 6)
    for size in ((21, 17), (22, 18), (21, 18)):
        assert layer(torch.zeros(1, 4, 11, 9), output_size=size).shape == (1, 6, *size)
    table = profile(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), layer, nn.ReLU()), (4, 11, 9))
    assert table.layer("1").macs == 4 * 6 * 9 * 11 * 9
    assert [row.receptive_field for row in table.rows] == [3, None, None]


def test_a_sum_with_something_of_unknown_field_has_no_field_either():
    class Shortcut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.Conv2d(4, 4, 3, stride=2, padding=1)
            self.up = TransposedConv2d(4, 4)
            self.last = nn.Conv2d(4, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(x + self.up(self.down(x)))

    fields = {row.name: row.receptive_field for row in profile(Shortcut(), (4, 8, 8)).rows}
    assert fields == {"down": 3, "up": None, "last": None}


@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 1), (3, 2), (5, 1)])
def test_deformable_starts_as_the_ordinary_convolution(kernel_size, stride):
    layer = DeformableConv2d(4, 6, kernel_size, stride, bias=True).double()
    layer.bias.data.normal_()
    x = image()
    expected = F.conv2d(x, layer.weight, layer.bias, stride, kernel_size // 2)
    torch.testing.assert_close(layer(x), expected)


def test_deformable_with_one_offset_everywhere_convolves_the_shifted_image():
    layer = DeformableConv2d(4, 6).double()
    layer.offset.bias.data.copy_(torch.tensor([2.0, -1.0]).repeat(9))  # 2 down, 1 to the left
    x = image()
    read = F.pad(x, (2, 0, 0, 3))[:, :, 1:]  # rows 1 to 13 and columns -2 to 8, zero outside the image
    torch.testing.assert_close(layer(x), F.conv2d(read, layer.weight))


def test_deformable_reads_between_pixels_by_bilinear_interpolation():
    layer = DeformableConv2d(1, 1).double()
    layer.weight.data.zero_()
    layer.weight.data[..., 1, 1] = 1
    layer.offset.bias.data[8:10] = torch.tensor([0.25, 0.5])
    x = image(1)
    corners = [x[..., i : 10 + i, j : 8 + j] for i in (0, 1) for j in (0, 1)]
    shares = [0.75 * 0.5, 0.75 * 0.5, 0.25 * 0.5, 0.25 * 0.5]
    between = sum(share * corner for share, corner in zip(shares, corners, strict=True))
    torch.testing.assert_close(layer(x)[..., :10, :8], between)


def test_deformable_learns_its_offsets_and_bears_autocast():
    layer = DeformableConv2d(4, 6)
    layer(image().float()).square().sum().backward()
    assert layer.offset.weight.grad.abs().sum() > 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = layer(image().float())
    assert rounded.dtype == torch.float32


def test_deformable_is_counted_and_its_field_is_not_told():
    layer = DeformableConv2d(256, 256)
    table = profile(nn.Sequential(layer), (256, 7, 7))
    assert table.layer("0.offset").params == 41_490
    assert table.params == 41_490 + 589_824
    assert table.macs == (18 * 256 * 9 + 256 * 256 * 9) * 49
    assert table.layer("0").macs == table.macs
    assert table.layer("0").receptive_field is None


@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_asymmetric_is_a_square_kernel_of_rank_one_a_middle_channel(kernel_size):
    layer = AsymmetricConv2d(4, 6, kernel_size, bias=True).double()
    row, column = layer[0].weight[:, :, 0], layer[1].weight[..., 0]
    square = torch.einsum("oma,mib->oiab", column, row)
    x = image()
    torch.testing.assert_close(layer(x), F.conv2d(x, square, layer[1].bias, padding=kernel_size // 2))
    single = AsymmetricConv2d(1, 1, kernel_size)
    outer = single[1].weight[0, 0] @ single[0].weight[0, 0]
    assert torch.linalg.matrix_rank(outer.detach()) == 1
    assert profile(layer, (4, 20, 20)).receptive_field == kernel_size
    assert profile(layer, (4, 20, 20)).params == 6 * kernel_size * (4 + 6) + 6


def test_asymmetric_takes_a_layer_between_its_strokes():
    assert [type(m) for m in AsymmetricConv2d(4, 6, between=nn.ReLU())] == [nn.Conv2d, nn.ReLU, nn.Conv2d]


@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (2, 1), (4, 2)])
def test_grouped_is_a_block_diagonal_convolution(groups, stride):
    layer = GroupedConv2d(4, 8, groups=groups, stride=stride, bias=True).double()
    dense = torch.zeros(8, 4, 3, 3, dtype=torch.float64)
    for g in range(groups):
        outputs = slice(g * 8 // groups, (g + 1) * 8 // groups)
        inputs = slice(g * 4 // groups, (g + 1) * 4 // groups)
        dense[outputs, inputs] = layer.weight[outputs]
    x = image()
    torch.testing.assert_close(layer(x), F.conv2d(x, dense, layer.bias, stride, 1))
    assert profile(layer, (4, 8, 8)).macs == 4 * 8 * 9 // groups * (8 // stride) ** 2


def test_a_separable_pair_without_norms_is_a_convolution_with_one_filter_an_input_channel():
    layer = DepthwiseSeparable(4, 6).double()
    depthwise, pointwise = layer.depthwise[0], layer.pointwise[0]
    dense = pointwise.weight * depthwise.weight.transpose(0, 1)  # (6, 4, 1, 1) * (1, 4, 3, 3)
    x = image()
    torch.testing.assert_close(pointwise(depthwise(x)), F.conv2d(x, dense, padding=1))


def test_saf_pooling_is_max_pooling_in_evaluation_and_drops_winners_in_training():
    x = image(8, 40, 40).abs()
    pool = SAFPool2d(2, dropout=0.25)
    best = F.max_pool2d(x, 2)
    torch.testing.assert_close(pool.eval()(x), best, rtol=0, atol=0)
    dropped = pool.train()(x)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], best[kept] / 0.75)
    assert 0.72 < kept.double().mean() < 0.78
    torch.testing.assert_close(SAFPool2d(None).train()(x), x.amax((2, 3), keepdim=True), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DilatedConv2d(4, 4, 2), "kernel_size=2"),
        (lambda: DilatedConv2d(4, 4, dilation=0), "dilation=0"),
        (lambda: TransposedConv2d(4, 4, 2, stride=3), "kernel_size=2"),
        (lambda: TransposedConv2d(4, 4, 4, stride=1), "kernel_size=4"),
        (lambda: DeformableConv2d(4, 4, 4), "kernel_size=4"),
        (lambda: AsymmetricConv2d(4, 4, 4), "kernel_size=4"),
        (lambda: GroupedConv2d(4, 6, groups=4), "groups=4"),
        (lambda: GroupedConv2d(4, 4, 2), "kernel_size=2"),
        (lambda: SAFPool2d(2, dropout=1.0), "dropout=1.0"),
    ],
)
def test_wrong_arguments_are_named_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "take" in str(caught.value)
    assert "\n" not in str(caught.value)

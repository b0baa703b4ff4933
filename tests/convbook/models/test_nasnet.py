"""NASNet-A against timm's large network, and the paper's counts."""

import re

import pytest
import timm
import torch
from proof import assert_same_function, parameters, shapes
from timm.models.nasnet import NASNetALarge
from torch import nn

from convbook import create_model
from convbook.layers.same import AvgPoolSame, MaxPoolSame, pad_same
from convbook.models.nasnet import REDUCTION, Cell
from convbook.profile import profile
from convbook.shapes import ShapesOnly

NAMES = {  # timm's names of a cell's layers -> ours
    r"conv_1x1\.conv": "squeeze.1",
    r"conv_1x1\.bn": "squeeze.2",
    r"conv_prev_1x1\.conv": "squeeze_previous.1",
    r"conv_prev_1x1\.bn": "squeeze_previous.2",
    r"path_1\.conv": "squeeze_previous.even",
    r"path_2\.conv": "squeeze_previous.odd",
    r"final_path_bn": "squeeze_previous.norm",
    r"comb_iter_(\d)_(left|right)": r"\2.\1",
    r"separable_1\.depthwise_conv2d": "2",
    r"separable_1\.pointwise_conv2d": "3",
    r"bn_sep_1": "4",
    r"separable_2\.depthwise_conv2d": "7",
    r"separable_2\.pointwise_conv2d": "8",
    r"bn_sep_2": "9",
    r"^conv0\.conv": "stem.0",
    r"^conv0\.bn": "stem.1",
    r"^last_linear": "classifier",
}
CELLS = [
    *("cell_stem_0", "cell_stem_1"),
    *(f"cell_{i}" for i in range(6)),
    "reduction_cell_0",
    *(f"cell_{i}" for i in range(6, 12)),
    "reduction_cell_1",
    *(f"cell_{i}" for i in range(12, 18)),
]


def our_name(key: str) -> str:
    cell, _, rest = key.partition(".")
    if cell in CELLS:
        key = f"cells.{CELLS.index(cell)}.{rest}"
    for theirs, ours in NAMES.items():
        key = re.sub(theirs, ours, key)
    return key


def cell_outputs(model: nn.Module, side: int) -> list[tuple[int, ...]]:
    sizes = []
    for cell in model.cells:
        cell.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[1:])))
    model(torch.empty(1, 3, side, side, device="meta"))
    return sizes


@pytest.mark.parametrize("side", [35, 64])
def test_timms_large_network_at_a_tenth_of_its_width_computes_the_same(side):
    torch.manual_seed(0)
    theirs = NASNetALarge(num_classes=5, stem_size=6, num_features=96).double()
    small = {"filters": 96, "stem_channels": 6, "dropout": 0.0}
    ours = create_model("nasnet_a_large", num_classes=5, count_padding=True, **small).double()
    ours.load_state_dict({our_name(key): value for key, value in theirs.state_dict().items()})
    assert_same_function(ours, theirs, side)


def test_every_tensor_of_the_large_network_has_timms_shape():
    with torch.device("meta"), ShapesOnly():
        ours, theirs = create_model("nasnet_a_large"), timm.create_model("nasnetalarge")
    assert shapes(ours) == {our_name(key): shape for key, shape in shapes(theirs).items()}
    assert parameters(ours) == 88_753_150


@pytest.mark.parametrize(
    ("name", "params", "macs"), [("nasnet_a_mobile", 5.3e6, 564e6), ("nasnet_a_large", 88.9e6, 23.8e9)]
)
def test_counts_are_the_papers(name, params, macs):
    counted = profile(name)
    assert counted.params == pytest.approx(params, rel=0.003)
    assert counted.macs == pytest.approx(macs, rel=0.001)


def test_cells_halve_and_widen_as_the_papers_figure_2_says():
    with torch.device("meta"), ShapesOnly():
        sizes = cell_outputs(create_model("nasnet_a_mobile"), 224)
    assert sizes[:2] == [(44, 56, 56), (88, 28, 28)]
    assert sizes[2:6] == [(264, 28, 28)] * 4
    assert sizes[6:11] == [(352, 14, 14)] + [(528, 14, 14)] * 4
    assert sizes[11:] == [(704, 7, 7)] + [(1056, 7, 7)] * 4


def test_behind_a_reduction_the_large_network_reads_one_cell_further_back():
    with torch.device("meta"), ShapesOnly():
        large, mobile = create_model("nasnet_a_large", repeats=2), create_model("nasnet_a_mobile", repeats=2)
    assert large.back == [1, 2, 2, 2, 2, 3, 2, 2, 3, 2]
    assert mobile.back == [1, 2, 2, 2, 2, 2, 2, 2, 2, 2]


def test_the_cifar_stem_keeps_the_size_and_skips_too():
    with torch.device("meta"), ShapesOnly():
        model = create_model("nasnet_a_large", stem="cifar", filters=48, repeats=1)
        assert model.back == [1, 2, 3, 2, 3]
        assert [size[1] for size in cell_outputs(model, 32)] == [32, 16, 16, 8, 8]


def test_a_reduction_cell_puts_out_what_figure_4_names():
    torch.manual_seed(0)
    cell = Cell(REDUCTION, 3, 5, 4, "squeeze", count_padding=False).eval()
    current, previous = torch.randn(1, 3, 9, 9), torch.randn(1, 5, 9, 9)
    with torch.no_grad():
        out = cell(current, previous)
        h, p = cell.squeeze(current), cell.squeeze_previous(previous)
        blocks = [left(h) + right(p) for left, right in zip(cell.left[:3], cell.right[:3], strict=True)]
        fourth = blocks[1] + nn.functional.avg_pool2d(blocks[0], 3, 1, 1, count_include_pad=False)
        fifth = cell.left[4](blocks[0]) + nn.functional.max_pool2d(h, 3, 2, 1)
    torch.testing.assert_close(out, torch.cat([blocks[1], blocks[2], fourth, fifth], dim=1))


def test_same_padding_puts_the_odd_zero_behind():
    x = torch.ones(1, 1, 4, 5)
    assert torch.equal(pad_same(x, 3, 2)[0, 0, :, 2], torch.tensor([1.0, 1, 1, 1, 0]))
    assert torch.equal(pad_same(x, 3, 2)[0, 0, 2], torch.tensor([0.0, 1, 1, 1, 1, 1, 0]))


def test_pooling_leaves_padding_out_unless_told_to_count_it():
    x = torch.randn(1, 2, 7, 9).abs() + 1
    mean = nn.functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(AvgPoolSame(3, 2)(x), mean)
    torch.testing.assert_close(AvgPoolSame(3, 2, count_padding=True)(x), nn.functional.avg_pool2d(x, 3, 2, 1))
    assert torch.equal(MaxPoolSame(3, 2)(-x), nn.functional.max_pool2d(-x, 3, 2, 1))
    assert torch.equal(AvgPoolSame(3, 2)(torch.ones(1, 1, 6, 6)), torch.ones(1, 1, 3, 3))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"filters": 1538}, "multiple of 96"),
        ({"filters": 40, "stem": "cifar"}, "multiple of 24"),
        ({"repeats": 0}, "repeats=0"),
        ({"stem": "mnist"}, "stem='mnist'"),
    ],
)
def test_wrong_arguments_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        create_model("nasnet_a_large", **wrong)

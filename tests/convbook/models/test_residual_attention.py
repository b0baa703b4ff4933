"""Wang et al. 2017: counts by hand from table 2 and figure 2, and what attention residual learning is for."""

import pytest
import torch
from proof import parameters
from torch import nn

from convbook import create_model
from convbook.models.residual_attention import AttentionModule, Hourglass, SoftMask, Unit, chain
from convbook.profile import profile
from convbook.shapes import ShapesOnly


def conv(kernel: int, channels: int, filters: int) -> int:
    return kernel**2 * channels * filters


def norm(channels: int) -> int:
    return 2 * channels


def unit(channels: int, width: int) -> int:
    """BN-ReLU-1x1, BN-ReLU-3x3, BN-ReLU-1x1; a bare projection where the channels change."""
    inner = conv(1, channels, width) + conv(3, width, width) + conv(1, width, 4 * width)
    projection = conv(1, channels, 4 * width) if channels != 4 * width else 0
    return norm(channels) + norm(width) + norm(width) + inner + projection


def module(width: int, poolings: int) -> int:
    """p = 1 unit before and behind, t = 2 in the trunk; the mask, and two 1x1 that end it."""
    channels = 4 * width
    mask = 2 * poolings + (poolings - 1)  # r = 1 on the way down and up, one unit a skip
    head = 2 * norm(channels) + 2 * conv(1, channels, channels)
    return (1 + 2 + 1 + mask) * unit(channels, width) + head


def by_hand(modules: tuple[int, int, int]) -> int:
    total = conv(7, 3, 64) + norm(64)
    for count, channels, width, poolings in zip(
        modules, (64, 256, 512), (64, 128, 256), (3, 2, 1), strict=True
    ):
        total += unit(channels, width) + count * module(width, poolings)
    total += unit(1024, 512) + 2 * unit(2048, 512) + norm(2048)
    return total + 2048 * 1000 + 1000


@pytest.mark.parametrize(
    ("name", "modules", "printed"),
    [("residual_attention56", (1, 1, 1), 31.9e6), ("residual_attention92", (1, 2, 3), 51.3e6)],
)
def test_counts_are_those_of_table_2_by_hand_and_near_the_printed_ones(name, modules, printed):
    with torch.device("meta"):
        count = parameters(create_model(name))
    assert count == by_hand(modules)
    assert count == pytest.approx(printed, rel=0.024)  # 0.3 % below and 2.3 % above what is printed


def test_the_statistics_of_batch_normalisation_bring_attention_56_to_the_printed_count():
    model = create_model("residual_attention56")
    statistics = sum(b.numel() for key, b in model.named_buffers() if "running" in key)
    assert round((parameters(model) + statistics) / 1e6, 1) == 31.9


@pytest.mark.parametrize(
    ("modules", "ptr", "depth"),
    [
        ((1, 1, 1), (1, 2, 1), 56),
        ((1, 2, 3), (1, 2, 1), 92),
        ((6, 6, 6), (1, 2, 1), 236),  # section 4.1: 36 m + 20 with m modules in every stage
        ((6, 6, 6), (2, 4, 3), 452),  # table 6's footnote
    ],
)
def test_the_trunk_is_as_deep_as_the_name_says(modules, ptr, depth):
    with torch.device("meta"), ShapesOnly():
        model = create_model("residual_attention56", modules=modules, ptr=ptr, widths=(4, 8, 16, 16))
    trunk = [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear) and ".attention" not in name and "downsample" not in name
    ]
    assert len(trunk) == depth


def test_stages_have_the_sizes_of_table_2_and_masks_reach_down_to_7x7():
    seen = profile("residual_attention92").modules
    assert seen["stem"].output_shape == (64, 112, 112)
    sizes = [(256, 56, 56)] * 2 + [(512, 28, 28)] * 3 + [(1024, 14, 14)] * 4
    assert [seen[f"stages.{i}"].output_shape for i in range(9)] == sizes
    assert seen["last"].output_shape == (2048, 7, 7)
    for i, depth in ((1, 2), (3, 1), (6, 0)):
        bottom = f"stages.{i}.attention.hourglass" + ".inner" * depth + ".pool"
        assert seen[bottom].output_shape[1:] == (7, 7)


def test_a_unit_is_the_authors_pre_activated_one():
    torch.manual_seed(0)
    block = Unit(8, 4, 2).eval()
    x = torch.randn(2, 8, 6, 6)
    active = torch.relu(block.act[0](x))
    first, second, third = block.branch
    expected = third(second(first(active))) + nn.functional.conv2d(active, block.downsample.weight, stride=2)
    torch.testing.assert_close(block(x), expected)
    same = Unit(16, 4).eval()
    nn.init.zeros_(same.branch[2].weight)
    y = torch.randn(2, 16, 5, 5)
    torch.testing.assert_close(same(y), y, rtol=0, atol=0)  # the raw input, not the activated one


@pytest.mark.parametrize(("part", "first", "last"), [(chain(4, 2), 10, 14), (Hourglass(4, 3, 1), 0, 23)])
def test_a_trunk_sees_a_window_where_its_mask_sees_the_whole(part, first, last):
    torch.manual_seed(0)
    x = torch.randn(1, 16, 24, 24, requires_grad=True)
    part.eval()(x)[0, :, 12, 12].sum().backward()
    seen = x.grad.abs().sum(dim=(0, 1)).nonzero()
    assert seen.min() == first and seen.max() == last


def fill_mask(module: AttentionModule, value: float) -> None:
    module.attention.forward = lambda x: torch.full_like(x, value)


@pytest.mark.parametrize(("residual", "mask", "factor"), [(True, 0.0, 1), (True, 1.0, 2), (False, 0.5, 0.5)])
def test_a_mask_multiplies_the_trunk_and_residual_learning_adds_it(residual, mask, factor):
    torch.manual_seed(0)
    module = AttentionModule(4, 1, (1, 2, 1), "mixed", residual).eval()
    fill_mask(module, mask)
    x = torch.randn(1, 16, 8, 8)
    expected = module.after(factor * module.trunk(module.before(x)))
    torch.testing.assert_close(module(x), expected)


def test_the_three_masks_are_the_papers_f1_f2_and_f3():
    torch.manual_seed(0)
    x = torch.randn(2, 16, 8, 8)
    masks = {kind: SoftMask(4, 1, 1, kind).eval() for kind in ("mixed", "channel", "spatial")}
    raw = {kind: mask.head(mask.hourglass(x)) for kind, mask in masks.items()}
    torch.testing.assert_close(masks["mixed"](x), 1 / (1 + (-raw["mixed"]).exp()))
    length = raw["channel"].square().sum(dim=1, keepdim=True).sqrt()
    torch.testing.assert_close(masks["channel"](x), raw["channel"] / length)
    mean = raw["spatial"].mean(dim=(2, 3), keepdim=True)
    std = (raw["spatial"].var(dim=(2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(masks["spatial"](x), torch.sigmoid((raw["spatial"] - mean) / std))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"mask": "both"}, "mask='both' is unknown"),
        ({"modules": (1, 1)}, "as many halvings and one more of widths"),
        ({"ptr": (1, 2)}, "must be three numbers"),
        ({"halvings": (3, 2, 0)}, "take 1 or more"),
    ],
)
def test_an_impossible_network_is_refused_at_once_in_one_line(overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model("residual_attention56", **overrides)
    assert "\n" not in str(caught.value)

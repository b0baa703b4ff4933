import re

import pytest
import torch
from proof import assert_same_function, parameters
from timm.layers import BatchNormAct2d, create_conv2d
from timm.models.resnetv2 import ResNetV2
from torch import nn

from convbook import create_model
from convbook.models.preactivation import PreActBlock


def test_timms_preactivated_bottlenecks_compute_the_same():
    torch.manual_seed(0)
    theirs = ResNetV2(
        (2, 2, 1),
        channels=(32, 64, 128),
        stem_chs=8,
        num_classes=10,
        conv_layer=create_conv2d,
        norm_layer=BatchNormAct2d,
    )
    theirs.stem = nn.Sequential()
    theirs.stem.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)  # timm's own is made for larger images
    ours = create_model("preact_resnet164_cifar", depths=(2, 2, 1), widths=(8, 16, 32), stride_in="3x3")
    numbers = {"0.0": 0, "0.1": 1, "1.0": 2, "1.1": 3, "2.0": 4}
    inside = {"norm1": "activation.0", "conv1": "branch.0", "norm2": "branch.1.0", "conv2": "branch.2"}
    inside |= {"norm3": "branch.3.0", "conv3": "branch.4", "downsample.conv": "downsample"}
    state = {}
    for key, value in theirs.state_dict().items():
        found = re.fullmatch(r"stages\.(\d)\.blocks\.(\d)\.(.*)\.(\w+)", key)
        if found:
            stage, block, part, what = found.groups()
            key = f"blocks.{numbers[f'{stage}.{block}']}.{inside[part]}.{what}"
        key = key.replace("stem.conv", "conv").replace("head.fc", "classifier.2")
        key = re.sub(r"^norm\.", "activation.0.", key)
        state[key] = value.view(10, -1) if key == "classifier.2.weight" else value
    ours.load_state_dict(state)
    assert_same_function(ours.double(), theirs.double(), 16)


def test_the_first_block_activates_its_shortcut_and_later_ones_do_not():
    """He et al. 2016, appendix: the first activation stands before the paths part."""
    x = -torch.rand(2, 4, 5, 5)
    first, later = PreActBlock(4, 4, first=True).eval(), PreActBlock(4, 4).eval()
    for block in (first, later):
        nn.init.zeros_(block.branch[2].weight)
    torch.testing.assert_close(first(x), first.activation(x))
    torch.testing.assert_close(later(x), x)


def test_only_the_first_of_the_blocks_that_keep_their_shape_is_shared():
    model = create_model("preact_resnet110_cifar", depths=(2, 2, 2))
    assert [block.shared for block in model.blocks] == [True, False, True, False, True, False]


def test_a_signal_passes_any_number_of_blocks_unchanged():
    """Equation 4: x_L = x_l + the sum of all branches between."""
    torch.manual_seed(0)
    x, total = torch.randn(1, 4, 6, 6), torch.zeros(1, 4, 6, 6)
    blocks = [PreActBlock(4, 4).eval() for _ in range(3)]
    out = x
    for block in blocks:
        total = total + block.branch(block.activation(out))
        out = block(out)
    torch.testing.assert_close(out, x + total)


def bottlenecks(n: int) -> int:
    """Parameters of 9 n + 2 layers by the paper's recipe: 1x1, 3x3, 1x1, a norm before each."""
    count, channels = 3 * 16 * 9, 16
    for width in (16, 32, 64):
        out = 4 * width
        count += channels * out  # projection
        for i in range(n):
            wide = channels if i == 0 else out
            count += 2 * wide + wide * width + 2 * width + 9 * width**2 + 2 * width + width * out
        channels = out
    return count + 2 * channels + 10 * channels + 10


def basic_blocks(n: int) -> int:
    """Parameters of 6 n + 2 layers with padding shortcuts: a norm a convolution, before or behind it."""
    count = 3 * 16 * 9 + 2 * 16
    for channels, width in ((16, 16), (16, 32), (32, 64)):
        count += 9 * channels * width + 9 * width**2 * (2 * n - 1) + 2 * width * 2 * n
    return count + 10 * 64 + 10


@pytest.mark.parametrize(
    ("name", "by_hand", "million"),
    [
        ("resnet1202_cifar", basic_blocks(200), 19.4),
        ("preact_resnet110_cifar", basic_blocks(18), 1.7),
        ("preact_resnet164_cifar", bottlenecks(18), 1.7),
        ("preact_resnet1001_cifar", bottlenecks(111), 10.3),
    ],
)
def test_parameters_are_those_counted_by_hand(name, by_hand, million):
    with torch.device("meta"):
        model = create_model(name)
    assert parameters(model) == by_hand
    assert round(by_hand / 1e6, 1) == million


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"depths": (1, 1)}, "one width each"),
        ({"shortcut": "C"}, "shortcut='C' is unknown"),
        ({"stride_in": "7x7"}, "stride_in='7x7' is unknown"),
        ({"shortcut": "A", "widths": (64, 8, 4)}, "cannot narrow"),
    ],
)
def test_an_impossible_network_is_refused_at_once_in_one_line(overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model("preact_resnet164_cifar", **overrides)
    assert "\n" not in str(caught.value)

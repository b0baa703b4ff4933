import math

import pytest
import torch
from torch import nn

from convbook import create_model
from convbook.layers import PadShortcut
from convbook.models.resnet_blocks import BasicBlock, Bottleneck


def test_a_residual_block_with_a_silent_branch_passes_its_input_on():
    block = BasicBlock(8, 8).eval()
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(1, 8, 5, 5)
    torch.testing.assert_close(block(x), x)


def test_a_plain_block_with_a_silent_branch_passes_nothing_on():
    block = BasicBlock(8, 8, residual=False).eval()
    nn.init.zeros_(block.bn2.weight)
    assert block(torch.rand(1, 8, 5, 5)).count_nonzero() == 0


@pytest.mark.parametrize("side", [7, 8])
def test_option_a_pads_a_subsampled_input_with_zeros(side):
    x = torch.rand(1, 4, side, side)
    block = BasicBlock(4, 8, stride=2, shortcut="A").eval()
    assert isinstance(block.downsample, PadShortcut)
    nn.init.zeros_(block.bn2.weight)
    out = block(x)
    torch.testing.assert_close(out[:, :4], x[:, :, ::2, ::2])
    assert out[:, 4:].count_nonzero() == 0


def test_option_c_projects_where_option_b_does_not():
    assert Bottleneck(256, 64, shortcut="B").downsample is None
    assert Bottleneck(256, 64, shortcut="C").downsample is not None
    assert create_model("resnet18", shortcut="C").layer1[0].downsample is not None


def test_resnext_block_has_more_weights_than_the_bottleneck_it_replaces():
    def weights(block: nn.Module) -> int:
        return sum(p.numel() for p in block.parameters() if p.ndim == 4)

    assert weights(Bottleneck(256, 64)) == 69_632  # Xie et al. 2017, section 3.3: about 70k both
    assert weights(Bottleneck(256, 64, cardinality=32, base_width=4)) == 70_144


@pytest.mark.parametrize("stride_in", ["1x1", "3x3"])
def test_stride_in_names_the_layer_that_strides(stride_in):
    block = Bottleneck(64, 16, stride=2, stride_in=stride_in)
    assert (block.conv1.stride, block.conv2.stride) == (
        ((2, 2), (1, 1)) if stride_in == "1x1" else ((1, 1), (2, 2))
    )
    assert block(torch.rand(2, 64, 8, 8)).shape == (2, 64, 4, 4)


def test_convolutions_start_with_variance_two_over_fan_out():
    torch.manual_seed(0)
    conv = create_model("resnet18").layer4[1].conv2
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)


@pytest.mark.parametrize("attention", ["se", "cmpe", "cbam", "scse"])
def test_an_attention_gate_sits_on_the_branch_before_the_sum(attention):
    torch.manual_seed(0)
    block = BasicBlock(16, 16, attention=attention).eval()
    x = torch.rand(1, 16, 6, 6)
    branch = block.branch(x)
    gated = block.attention(branch, x) if attention == "cmpe" else block.attention(branch)
    assert not torch.allclose(gated, branch)
    torch.testing.assert_close(block(x), torch.relu(gated + x))


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("resnet18", {"attention": "eca"}, "attention='eca' is unknown"),
        ("resnet18", {"shortcut": "D"}, "shortcut='D' is unknown"),
        ("resnet18", {"stem": "tiny"}, "stem='tiny' is unknown"),
        ("resnet50", {"stride_in": "7x7"}, "stride_in='7x7' is unknown"),
        ("resnet18", {"cardinality": 32}, "block=Bottleneck"),
        ("resnet18", {"depths": (1,) * 5}, "as many widths"),
        ("resnet50", {"base_width": 4, "widths": (8, 16, 32, 64)}, "base_width=4 leaves no channel"),
        ("se_resnet20_cifar", {"widths": (8, 16, 32)}, "reduction <= 8"),
        ("plain20_cifar", {"attention": "cmpe"}, "residual=True"),
        ("resnet20_cifar", {"widths": (16, 8, 4)}, "cannot narrow"),
    ],
)
def test_an_impossible_network_is_refused_at_once_in_one_line(name, overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model(name, **overrides)
    assert "\n" not in str(caught.value)

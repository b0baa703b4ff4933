"""SE-ResNets against timm's, and competitive ResNets counted by hand."""

import pytest
import timm
import torch
from proof import assert_same_function, copy_in_order, parameters, tensors

from convbook import create_model
from convbook.models.resnet_blocks import BasicBlock


def test_timms_weights_of_se_resnext50_in_their_order_compute_the_same():
    torch.manual_seed(0)
    other = timm.create_model("seresnext50_32x4d", num_classes=10).double()
    mine = create_model("se_resnext50_32x4d", num_classes=10).double()
    copy_in_order(other, mine)
    assert_same_function(mine, other, 64)


@pytest.mark.parametrize("name", ["se_resnet101", "se_resnet152"])
def test_deep_se_resnets_have_timms_tensors_in_its_order(name):
    with torch.device("meta"):
        ours, theirs = (tensors(m) for m in (create_model(name), timm.create_model(name.replace("_", ""))))
    assert [x.shape for x in ours] == [x.shape for x in theirs]


def gates(view: str) -> int:
    """Weights of 18 gates at each of 16, 32 and 64 channels, reduction 16."""
    total = 0
    for channels in (16, 32, 64):
        hidden = channels // 16
        if view == "":  # double FC: two squeezing layers, one exciting layer, all with biases
            each = 2 * (channels * hidden + hidden) + 2 * hidden * channels + channels
        else:
            kernel = {"_2x1": 2, "_1x1": 1, "_folded": 9}[view]
            left = {"_2x1": channels, "_1x1": 2 * channels, "_folded": 6 * (channels // 4 - 2)}[view]
            each = hidden * kernel + 2 * hidden + left * hidden + hidden * channels
        total += 18 * each
    return total


@pytest.mark.parametrize("view", ["", "_2x1", "_1x1", "_folded"])
def test_competitive_resnet110_is_resnet110_and_its_gates_counted_by_hand(view):
    with torch.device("meta"):
        model = create_model("cmpe_se_resnet110_cifar", attention=f"cmpe{view}")
    assert parameters(model) == 1_727_962 + gates(view)


@pytest.mark.parametrize("view", ["2x1", "1x1", "folded"])
def test_a_pair_view_reads_the_shortcut_that_the_sum_takes(view):
    torch.manual_seed(0)
    block = BasicBlock(16, 32, 2, attention=f"cmpe_{view}").eval()
    x = torch.rand(2, 16, 6, 6)
    identity = block.downsample(x)
    expected = torch.relu(block.attention(block.branch(x), identity) + identity)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("view", ["2x1", "1x1", "folded"])
def test_a_plain_network_has_nothing_to_compete_with(view):
    with pytest.raises(ValueError, match="residual=True"):
        create_model("plain20_cifar", attention=f"cmpe_{view}")

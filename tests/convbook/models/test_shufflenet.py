"""ShuffleNet against a hand count of its table 1, ShuffleNetV2 against torchvision; shuffle and split."""

import pytest
import torch
import torchvision
from proof import assert_same_function, parameters, shapes
from torch import nn

from convbook import create_model
from convbook.layers.shuffle import ChannelShuffle, ChannelSplit
from convbook.models import load_torchvision_weights
from convbook.profile import profile

V2 = [f"shufflenet_v2_x{width}" for width in ("0_5", "1_0", "1_5", "2_0")]
TABLE_1 = {  # groups: channels of stages 2 to 4, and the complexity in millions
    1: ((144, 288, 576), 143),
    2: ((200, 400, 800), 140),
    3: ((240, 480, 960), 137),
    4: ((272, 544, 1088), 133),
    8: ((384, 768, 1536), 137),
}


def count_by_hand(groups: int) -> tuple[int, int, int]:
    """Parameters, MACs without and MACs of the classifier, from table 1 and figure 2."""
    widths, _ = TABLE_1[groups]
    params, macs = 27 * 24 + 2 * 24, 27 * 24 * 112**2
    channels = 24
    for side, width, repeats in zip((28, 14, 7), widths, (4, 8, 4), strict=True):
        inner = width // 4
        for unit in range(repeats):
            first = unit == 0
            dense_first = first and side == 28
            out = width - channels if first else width
            reduce = channels * inner // (1 if dense_first else groups)
            expand = inner * out // groups
            params += reduce + 9 * inner + expand + 2 * (inner + inner + out)
            macs += reduce * (4 if first else 1) * side**2 + (9 * inner + expand) * side**2
            channels = width
    return params + channels * 1000 + 1000, macs, channels * 1000


@pytest.mark.parametrize("groups", TABLE_1)
def test_parameters_and_macs_are_what_table_1_gives_by_hand(groups):
    with torch.device("meta"):
        counted = profile(create_model(f"shufflenet_v1_g{groups}"), (3, 224, 224))
    params, macs, classifier = count_by_hand(groups)
    assert (counted.params, counted.macs) == (params, macs + classifier)


@pytest.mark.parametrize("groups", TABLE_1)
def test_complexity_is_the_printed_one_once_the_classifier_is_left_out(groups):
    _, macs, _ = count_by_hand(groups)
    assert round(macs / 1e6) == TABLE_1[groups][1]


@pytest.mark.parametrize("groups", TABLE_1)
def test_stages_put_out_table_1s_maps(groups):
    with torch.device("meta"):
        table = profile(create_model(f"shufflenet_v1_g{groups}"), (3, 224, 224))
    maps = [table.layer(f"stages.{i}").output_shape for i in range(3)]
    assert maps == [(width, side, side) for width, side in zip(TABLE_1[groups][0], (28, 14, 7), strict=True)]


def test_scale_factors_keep_widths_divisible():
    for groups in TABLE_1:
        for width_mult in (0.25, 1.5):
            with torch.device("meta"):
                net = create_model(f"shufflenet_v1_g{groups}", width_mult=width_mult)
            wanted = TABLE_1[groups][0][2] * width_mult
            assert abs(net.classifier.in_features - wanted) <= 2 * groups


def test_without_shuffle_groups_never_meet_and_with_it_they_do():
    torch.manual_seed(0)
    for shuffle in (True, False):
        net = create_model("shufflenet_v1_g2", widths=(48,), depths=(3,), shuffle=shuffle).eval()
        unit = net.stages[0][1]
        x = torch.rand(1, 48, 4, 4, requires_grad=True)
        unit(x)[:, :24].sum().backward()  # the first group's outputs
        assert bool((x.grad[:, 24:] != 0).any()) is shuffle


def test_shuffle_deals_each_group_out_to_all_and_its_partner_undoes_it():
    x = torch.arange(6.0).view(1, 6, 1, 1)
    assert ChannelShuffle(2)(x).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert ChannelShuffle(3)(ChannelShuffle(2)(x)).flatten().tolist() == x.flatten().tolist()
    big = torch.randn(2, 12, 3, 3)
    torch.testing.assert_close(ChannelShuffle(4)(big), nn.functional.channel_shuffle(big, 4))


def test_split_cuts_channels_without_a_copy():
    x = torch.randn(2, 5, 3, 3)
    left, right = ChannelSplit(2)(x)
    torch.testing.assert_close(torch.cat([left, right], dim=1), x)
    assert left.shape[1] == 2
    assert left.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


@pytest.mark.parametrize("name", V2)
def test_torchvisions_weights_load_and_compute_the_same(name):
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name, weights=None, num_classes=10).double()
    ours = create_model(name, num_classes=10).double()
    load_torchvision_weights(ours, theirs.state_dict())
    assert_same_function(ours, theirs, 64)


@pytest.mark.parametrize("name", V2)
def test_every_tensor_has_torchvisions_name_and_shape(name):
    with torch.device("meta"):
        assert shapes(create_model(name)) == shapes(torchvision.models.get_model(name))


def test_v2_splits_shuffles_and_puts_out_table_5s_maps():
    with torch.device("meta"):
        table = profile(create_model("shufflenet_v2_x1_0"), (3, 224, 224))
    maps = [
        table.layer(name).output_shape for name in ("conv1", "maxpool", "stage2", "stage3", "stage4", "conv5")
    ]
    assert maps == [(24, 112, 112), (24, 56, 56), (116, 28, 28), (232, 14, 14), (464, 7, 7), (1024, 7, 7)]
    assert parameters(create_model("shufflenet_v2_x1_0")) == table.params == 2_278_604


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="groups=5 has no widths in table 1: take 1, 2, 3, 4 or 8"):
        create_model("shufflenet_v1_g3", groups=5)
    with pytest.raises(ValueError, match="width_mult=-1 is not possible: take 0 or more"):
        create_model("shufflenet_v1_g3", width_mult=-1)
    with pytest.raises(ValueError, match="has 15, which does not split: take even"):
        create_model("shufflenet_v2_x0_5", widths=(15, 30, 60))
    with pytest.raises(ValueError, match="groups=0 shuffles nothing"):
        ChannelShuffle(0)
    with pytest.raises(ValueError, match="groups=4 does not divide 6 channels"):
        ChannelShuffle(4)(torch.empty(1, 6, 2, 2))
    with pytest.raises(ValueError, match="left=0 leaves that side empty"):
        ChannelSplit(0)
    with pytest.raises(ValueError, match="left=3 leaves nothing of 3 channels"):
        ChannelSplit(3)(torch.empty(1, 3, 2, 2))

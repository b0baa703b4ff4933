"""HRNet against timm's, whose code is the authors'."""

import pytest
import timm
import torch
from proof import assert_same_function, parameters, shapes
from timm.models.hrnet import HighResolutionNet

from convbook import create_model
from convbook.profile import count_macs
from convbook.shapes import ShapesOnly

SMALL = {"width": 4, "modules": (1, 2, 1), "depth": 1, "stem_depth": 2}


def timms(num_classes: int) -> HighResolutionNet:
    """The same small network from timm's parts."""
    stage = {"block_type": "BASIC", "fuse_method": "SUM"}
    cfg = {"stem_width": 64}
    cfg["stage1"] = {
        "num_modules": 1,
        "num_branches": 1,
        "block_type": "BOTTLENECK",
        "num_blocks": (2,),
        "num_channels": (64,),
        "fuse_method": "SUM",
    }
    for branches, modules in ((2, 1), (3, 2), (4, 1)):
        widths = tuple(4 * 2**i for i in range(branches))
        cfg[f"stage{branches}"] = stage | {
            "num_modules": modules,
            "num_branches": branches,
            "num_blocks": (1,) * branches,
            "num_channels": widths,
        }
    return HighResolutionNet(cfg, num_classes=num_classes)


def test_timms_weights_load_by_name_and_compute_the_same():
    torch.manual_seed(0)
    theirs = timms(num_classes=5).double()
    ours = create_model("hrnet_w18", num_classes=5, **SMALL).double()
    ours.load_state_dict(theirs.state_dict())
    assert_same_function(ours, theirs, 64)


@pytest.mark.parametrize(("name", "count"), [("hrnet_w18", 21_299_004), ("hrnet_w32", 41_232_680)])
def test_every_tensor_has_timms_name_and_shape(name, count):
    with torch.device("meta"), ShapesOnly():
        ours, theirs = create_model(name), timm.create_model(name)
    assert shapes(ours) == shapes(theirs)
    assert parameters(ours) == parameters(theirs) == count


def test_the_finest_branch_keeps_a_quarter_of_the_sides_to_the_end():
    with torch.device("meta"), ShapesOnly():
        maps = create_model("hrnet_w32").features(torch.empty(1, 3, 224, 224))
    assert [tuple(x.shape[1:]) for x in maps] == [(32, 56, 56), (64, 28, 28), (128, 14, 14), (256, 7, 7)]


def test_odd_sides_are_rounded_up_at_each_halving():
    model = create_model("hrnet_w18", **SMALL).eval()
    with torch.no_grad():
        maps = model.features(torch.randn(1, 3, 37, 21))
    assert [tuple(x.shape[2:]) for x in maps] == [(10, 6), (5, 3), (3, 2), (2, 1)]


def test_every_branch_hears_of_every_other():
    torch.manual_seed(0)
    module = create_model("hrnet_w18", **SMALL).stage4[0].eval()
    for source in range(4):
        maps = [torch.randn(1, 4 * 2**i, 8 // 2**i, 8 // 2**i) for i in range(4)]
        before = module([x.clone() for x in maps])
        maps[source] = maps[source] + 1
        after = module([x.clone() for x in maps])
        assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_printed_flops_are_macs_in_units_of_two_to_the_thirty():
    assert round(count_macs("hrnet_w18") / 2**30, 2) == 3.99
    assert round(count_macs("hrnet_w32") / 2**30, 2) == 8.31


@pytest.mark.parametrize("wrong", [{"modules": (1, 1)}, {"head_widths": (8, 8)}, {"modules": (1, 1, 1, 1)}])
def test_branches_and_heads_must_match(wrong):
    with pytest.raises(ValueError, match="head_widths"):
        create_model("hrnet_w18", **wrong)

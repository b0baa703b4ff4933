"""Xception against timm's, whole, and its options."""

import pytest
import timm
import torch
from proof import assert_same_function, copy_in_order, parameters, tensors
from torch import nn

from convbook import create_model
from convbook.models.xception import SeparableConv, XceptionBlock

SLIM = {"stem": (4, 8), "entry": (16, 24), "middle": 1, "exit": (24, 32, 32), "num_classes": 5}


def test_timms_weights_in_their_order_compute_the_same():
    """With one of its eight equal blocks in the middle, to be quick."""
    torch.manual_seed(0)
    theirs = timm.create_model("legacy_xception", num_classes=10)
    for i in range(5, 12):
        theirs.add_module(f"block{i}", nn.Identity())
    ours = create_model("xception", num_classes=10, middle=1, dropout=0.0)
    copy_in_order(theirs, ours)
    assert_same_function(ours.double(), theirs.double(), 43)


def test_every_tensor_has_timms_shape_at_the_papers_size():
    with torch.device("meta"):
        ours, theirs = create_model("xception"), timm.create_model("legacy_xception")
        maps = ours.blocks(ours.stem(torch.empty(1, 3, 299, 299)))
    assert [t.shape for t in tensors(ours)] == [t.shape for t in tensors(theirs)]
    assert maps.shape == (1, 1024, 10, 10)


def test_parameters_are_table_3s_to_the_unit():
    with torch.device("meta"):
        assert parameters(create_model("xception")) == 22_855_952


def test_there_are_36_convolutions_in_14_modules():
    """Section 3: twelve blocks with shortcuts between a first and a last module of two convolutions."""
    with torch.device("meta"):
        model = create_model("xception")
    separable = [m for m in model.modules() if isinstance(m, SeparableConv)]
    assert len(separable) + len(model.stem) == 36
    assert len(model.blocks) + 2 == 14


def test_without_shortcuts_only_the_four_projections_go():
    with torch.device("meta"):
        full, plain = create_model("xception"), create_model("xception", residual=False)
    projections = [(64, 128), (128, 256), (256, 728), (728, 1024)]
    assert parameters(full) - parameters(plain) == sum(a * b + 2 * b for a, b in projections)


def test_an_activation_between_stands_in_every_separable_convolution():
    model = create_model("xception", between=nn.ELU, **SLIM)
    pairs = [m for m in model.modules() if isinstance(m, SeparableConv)]
    assert all(isinstance(m[1], nn.ELU) for m in pairs)
    assert parameters(model) == parameters(create_model("xception", **SLIM))


def test_hidden_layers_stand_before_the_last_one():
    """Section 4.5.1: two layers of 4096 units."""
    with torch.device("meta"):
        plain, hidden = create_model("xception"), create_model("xception", hidden=(4096, 4096))
    more = (2048 + 1) * 4096 + (4096 + 1) * 4096 + (4096 - 2048) * 1000
    assert parameters(hidden) - parameters(plain) == more


def test_a_block_leaves_what_it_reads_as_it_was():
    torch.manual_seed(0)
    images = torch.randn(2, 4, 8, 8)
    before = images.clone()
    XceptionBlock(4, (4, 4, 4))(images)
    assert torch.equal(images, before)


def test_a_network_needs_an_entry_flow():
    with pytest.raises(ValueError, match="entry"):
        create_model("xception", entry=())
    with pytest.raises(ValueError, match="middle=-1"):
        create_model("xception", middle=-1)

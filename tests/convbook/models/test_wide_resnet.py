"""Wide ResNet against timm's pre-activation network, the paper's sizes and its block kinds."""

from functools import partial

import pytest
import timm.layers
import torch
from proof import assert_same_function, copy_in_order, parameters
from timm.models.resnetv2 import ResNetV2
from torch import nn

from convbook import create_model, describe, list_models
from convbook.models.wide_resnet import WideBlock

NAMES = list_models("wide_resnet*_cifar")


def timms(blocks: int, width_mult: int, in_channels: int = 3, num_classes: int = 10) -> nn.Module:
    """ResNetV2 of basic blocks in three stages, with the stem that CIFAR needs."""
    network = ResNetV2(
        [blocks] * 3,
        channels=tuple(w * width_mult for w in (16, 32, 64)),
        stem_chs=16,
        basic=True,
        bottle_ratio=1.0,
        conv_layer=timm.layers.create_conv2d,
        norm_layer=partial(timm.layers.BatchNormAct2d, eps=1e-5),
        in_chans=in_channels,
        num_classes=num_classes,
    )
    network.stem = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
    return network


def in_timms_order(model: nn.Module) -> nn.Module:
    """The same modules, each block's projection first, as timm keeps it."""
    blocks = [[b.downsample, b.activation, b.branch] for b in model.blocks]
    return nn.ModuleList(
        [
            model.conv1,
            *(nn.ModuleList([m for m in parts if m is not None]) for parts in blocks),
            model.activation,
            model.fc,
        ]
    )


@pytest.mark.parametrize(("blocks", "width_mult"), [(1, 1), (2, 2)])
def test_timms_weights_compute_the_same(blocks, width_mult):
    torch.manual_seed(0)
    theirs = timms(blocks, width_mult).double()
    ours = create_model("wide_resnet16_8_cifar", depths=(blocks,) * 3, width_mult=width_mult).double()
    copy_in_order(theirs, in_timms_order(ours))
    assert_same_function(ours, theirs, 16)


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_has_as_many_parameters_as_timms(name):
    n, k = (int(part) for part in name.removeprefix("wide_resnet").removesuffix("_cifar").split("_"))
    with torch.device("meta"):
        assert parameters(create_model(name)) == parameters(timms((n - 4) // 6, k))


@pytest.mark.parametrize("name", NAMES)
def test_the_first_number_of_a_name_counts_its_convolutions(name):
    """Zagoruyko and Komodakis 2016, section 2.3; k = 1 needs no projection in its first stage."""
    with torch.device("meta"):
        model = create_model(name)
    n, k = (int(part) for part in name.removeprefix("wide_resnet").removesuffix("_cifar").split("_"))
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == n - (k == 1)


def test_there_are_ten_as_in_table_4():
    assert len(NAMES) == 10
    assert all(describe(name).num_classes == 10 for name in NAMES)


@pytest.mark.parametrize(
    ("kernels", "per_pair"),  # weights of a block in units of width**2, from section 2.1
    [((3, 3), 18), ((3, 1), 10), ((1, 3), 10), ((1, 3, 1), 11), ((3, 1, 1), 11), ((3, 1, 3), 19), ((3,), 9)],
)
def test_a_block_has_the_kernels_it_is_named_after(kernels, per_pair):
    width = 8
    block = WideBlock(width, width, kernels=kernels)
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert tuple(c.kernel_size[0] for c in convolutions) == kernels
    assert sum(c.weight.numel() for c in convolutions) == per_pair * width**2
    assert parameters(block) == per_pair * width**2 + 2 * width * len(kernels)


@pytest.mark.parametrize("kernels", [(3, 3), (1, 3, 1), (3, 1, 3), (1, 1)])
def test_a_striding_block_strides_once_in_the_first_of_its_largest_kernels(kernels):
    strides = [m.stride[0] for m in WideBlock(4, 4, 2, kernels=kernels).branch if isinstance(m, nn.Conv2d)]
    assert sorted(strides) == [1] * (len(kernels) - 1) + [2]
    assert kernels[strides.index(2)] == max(kernels)


def test_dropout_stands_between_convolutions_after_the_relu():
    block = WideBlock(4, 4, kernels=(3, 1, 3), dropout=0.3)
    kinds = [type(m).__name__ for m in block.branch]
    between = ["BatchNorm2d", "ReLU", "Dropout", "Conv2d"]
    assert kinds == ["Conv2d", *between, *between]
    assert {m.p for m in block.branch if isinstance(m, nn.Dropout)} == {0.3}


def test_dropout_draws_in_training_only():
    torch.manual_seed(0)
    model = create_model("wide_resnet16_8_cifar", depths=(1, 1, 1), width_mult=1, dropout=0.5)
    images = torch.randn(2, 3, 8, 8)
    assert not torch.equal(model.train()(images), model(images))
    assert torch.equal(model.eval()(images), model(images))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"kernels": ()}, "kernels"),
        ({"kernels": (3, 2)}, "kernels"),
        ({"width_mult": 0}, "width_mult=0"),
        ({"depths": (1, 1)}, "widths"),
        ({"depths": ()}, "depths"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model("wide_resnet16_8_cifar", **overrides)
    assert "\n" not in str(caught.value)

"""GoogLeNet and the Inception networks against torchvision, timm, and counts made by hand from the papers."""

import pytest
import timm
import torch
import torchvision
from proof import assert_same_function, copy_in_order, parameters, shapes, tensors
from small_inception import GOOGLENET, ROWS, SMALL
from torch import Tensor, nn
from torchvision.models.inception import InceptionAux

from convbook import create_model
from convbook.models import load_torchvision_weights
from convbook.models.inception_resnet import PUBLISHED_V2, VARIANTS
from convbook.models.inception_v4 import MODULE_A, MODULE_B, MODULE_C


class Joined(nn.Module):
    """All outputs of a network as one tensor, in the given order."""

    def __init__(self, network: nn.Module, order: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.order = network, order

    def forward(self, x: Tensor) -> Tensor:
        out = self.network(x)
        return out if isinstance(out, Tensor) else torch.cat([out[i] for i in self.order], dim=1)


def theirs_and_ours(name: str, aux: bool, **options: object) -> tuple[nn.Module, nn.Module]:
    """torchvision's network with lively weights, and ours with the same."""
    torch.manual_seed(0)
    get = torchvision.models.get_model
    theirs = get(name, weights=None, aux_logits=aux, init_weights=False, num_classes=7).double()
    ours = load_torchvision_weights(
        create_model(name, num_classes=7, aux=aux, **options).double(), theirs.state_dict()
    )
    for module in [*theirs.modules(), *ours.modules()]:
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # the two would draw apart
    return theirs, ours


@pytest.mark.parametrize("aux", [False, True])
def test_googlenet_computes_what_torchvisions_does(aux):
    theirs, ours = theirs_and_ours("googlenet", aux, torchvision=True)
    assert_same_function(Joined(ours, (0, 1, 2)), Joined(theirs, (0, 2, 1)), 64)


def test_inception_v3_computes_what_torchvisions_does():
    assert_same_function(*theirs_and_ours("inception_v3", aux=False), side=75)


def test_inception_v3_with_its_auxiliary_head_computes_what_torchvisions_does():
    theirs, ours = theirs_and_ours("inception_v3", aux=True)
    images = torch.randn(1, 3, 75, 75, dtype=torch.float64)
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))  # the head stays out
    assert isinstance(theirs.AuxLogits, InceptionAux)
    assert_same_function(ours.aux, theirs.AuxLogits, 17, channels=768)


def test_weights_of_a_network_with_auxiliary_heads_load_without_them():
    for name, options in (("googlenet", {"torchvision": True}), ("inception_v3", {})):
        theirs = torchvision.models.get_model(name, weights=None, init_weights=False)
        ours = load_torchvision_weights(create_model(name, **options), theirs.state_dict())
        assert torch.equal(ours.fc.weight, theirs.fc.weight)


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [("googlenet", {"torchvision": True}, 6_624_904), ("inception_v3", {}, 23_834_568)],
)
def test_counts_are_torchvisions(name, options, count):
    with torch.device("meta"):
        assert parameters(create_model(name, **options)) == count
        for aux in (False, True):
            theirs = torchvision.models.get_model(name, weights=None, aux_logits=aux, init_weights=False)
            assert parameters(create_model(name, aux=aux, **options)) == parameters(theirs)


def test_a_shortened_inception_v4_computes_what_timms_does():
    torch.manual_seed(0)
    theirs = timm.create_model("inception_v4", num_classes=7).double()
    kept = [*range(7), 10, 11, 18, 19]  # the stem, and the first module and the reduction of each grid
    theirs.features = nn.Sequential(*(theirs.features[i] for i in kept))
    grids = ([MODULE_A], [MODULE_B], [MODULE_C])
    ours = create_model("inception_v4", grids=grids, num_classes=7, dropout=0.0).double()
    copy_in_order(theirs, ours)
    assert_same_function(ours, theirs, 75)


def test_a_shortened_inception_resnet_v2_computes_what_timms_does():
    torch.manual_seed(0)
    theirs = timm.create_model("inception_resnet_v2", num_classes=7).double()
    for name in ("repeat", "repeat_1", "repeat_2"):
        setattr(theirs, name, getattr(theirs, name)[:1])
    grids = tuple(modules[:1] for modules in VARIANTS["inception_resnet_v2"]["grids"])
    ours = create_model("inception_resnet_v2", grids=grids, num_classes=7, dropout=0.0).double()
    copy_in_order(theirs, ours)
    assert_same_function(ours, theirs, 75)


@pytest.mark.parametrize(
    ("name", "count"), [("inception_v4", 42_679_816), ("inception_resnet_v2", 55_843_464)]
)
def test_every_tensor_has_the_shape_it_has_in_timm(name, count):
    with torch.device("meta"):
        ours, theirs = create_model(name), timm.create_model(name)
    assert [t.shape for t in tensors(ours)] == [t.shape for t in tensors(theirs)]
    assert parameters(ours) == count


# Counts by hand. A normalised convolution has its weights and a scale and a shift a channel.


def normed(*widths_and_kernels: int) -> int:
    """Parameters of a chain: channels, then taps and channels of each convolution."""
    total, (channels, *rest) = 0, widths_and_kernels
    for taps, out in zip(rest[::2], rest[1::2], strict=True):
        total += channels * out * taps + 2 * out
        channels = out
    return total


def test_googlenet_is_the_sum_of_its_papers_table():
    rows = [  # Szegedy et al. 2015, table 1: channels in, then the columns from #1x1 to pool proj
        (192, 64, 96, 128, 16, 32, 32),
        (256, 128, 128, 192, 32, 96, 64),
        (480, 192, 96, 208, 16, 48, 64),
        (512, 160, 112, 224, 24, 64, 64),
        (512, 128, 128, 256, 24, 64, 64),
        (512, 112, 144, 288, 32, 64, 64),
        (528, 256, 160, 320, 32, 128, 128),
        (832, 256, 160, 320, 32, 128, 128),
        (832, 384, 192, 384, 48, 128, 128),
    ]
    weights = 3 * 64 * 49 + 64 * 64 + 64 * 192 * 9 + 1024 * 1000
    biases = 64 + 64 + 192 + 1000
    for k, one, r3, three, r5, five, proj in rows:
        weights += k * (one + r3 + r5 + proj) + 9 * r3 * three + 25 * r5 * five
        biases += one + r3 + three + r5 + five + proj
    with torch.device("meta"):
        network = create_model("googlenet")
        heads = parameters(create_model("googlenet", aux=True)) - parameters(network)
    assert parameters(network) == weights + biases == 6_998_552
    # Section 5: 128 filters of 1x1, 1024 units on 4x4 of them, a classifier; on 4a and on 4d.
    assert heads == sum(k * 128 + 128 + 2048 * 1024 + 1024 + 1024 * 1000 + 1000 for k in (512, 528))


def test_the_naive_modules_hand_on_all_that_they_pool():
    count = 3 * 64 * 49 + 64 + 64 * 64 + 64 + 64 * 192 * 9 + 192
    channels = 192
    for one, three, five in [
        (64, 128, 32),
        (128, 192, 96),
        (192, 208, 48),
        (160, 224, 64),
        (128, 256, 64),
        (112, 288, 64),
        (256, 320, 128),
        (256, 320, 128),
        (384, 384, 128),
    ]:
        count += channels * (one + 9 * three + 25 * five) + one + three + five
        channels += one + three + five
    with torch.device("meta"):
        network = create_model("inception_naive")
    assert parameters(network) == count + channels * 1000 + 1000


def test_bn_inception_is_the_sum_of_its_papers_table():
    keeping = [  # Ioffe and Szegedy 2015, figure 5: channels in, 1x1, 3x3 pair, double 3x3 pair, projection
        (192, 64, 64, 64, 64, 96, 32),
        (256, 64, 64, 96, 64, 96, 64),
        (576, 224, 64, 96, 96, 128, 128),
        (576, 192, 96, 128, 96, 128, 128),
        (576, 160, 128, 160, 128, 160, 128),
        (608, 96, 128, 192, 160, 192, 128),
        (1056, 352, 192, 320, 160, 224, 128),
        (1024, 352, 192, 320, 192, 224, 128),
    ]
    halving = [(320, 128, 160, 64, 96), (608, 128, 192, 192, 256)]
    separable = 3 * 8 * 49 + 24 * 64 + 2 * 64
    rest = normed(64, 1, 64, 9, 192) + 1024 * 1000 + 1000
    for k, one, r3, three, r33, double, proj in keeping:
        rest += normed(k, 1, one) + normed(k, 1, r3, 9, three)
        rest += normed(k, 1, r33, 9, double, 9, double) + normed(k, 1, proj)
    for k, r3, three, r33, double in halving:
        rest += normed(k, 1, r3, 9, three) + normed(k, 1, r33, 9, double, 9, double)
    with torch.device("meta"):
        assert parameters(create_model("bn_inception")) == separable + rest
        assert parameters(create_model("bn_inception", depth_multiplier=0)) == normed(3, 49, 64) + rest


def test_inception_v2_is_the_sum_of_its_papers_figures():
    count = normed(3, 9, 32, 9, 32, 9, 64, 9, 80, 9, 192, 9, 288)  # table 1, down to 35x35
    pooled = normed(288, 1, 64)
    count += 3 * (normed(288, 1, 64) + normed(288, 1, 48, 9, 64) + normed(288, 1, 64, 9, 96, 9, 96) + pooled)
    count += normed(288, 9, 384) + normed(288, 1, 64, 9, 96, 9, 96)
    for inner in (128, 160, 160, 160, 192):
        count += 2 * normed(768, 1, 192) + normed(768, 1, inner, 7, inner, 7, 192)
        count += normed(768, 1, inner, 7, inner, 7, inner, 7, inner, 7, 192)
    count += normed(768, 1, 192, 9, 320) + normed(768, 1, 192, 7, 192, 7, 192, 9, 192)
    for channels in (1280, 2048):
        count += normed(channels, 1, 320) + normed(channels, 1, 192)
        count += normed(channels, 1, 384) + 2 * normed(384, 3, 384)
        count += normed(channels, 1, 448, 9, 384) + 2 * normed(384, 3, 384)
    with torch.device("meta"):
        assert parameters(create_model("inception_v2")) == count + 2048 * 1000 + 1000


def residual_count(a: tuple[int, ...], b: tuple[int, ...], c: tuple[int, ...], sizes: tuple[int, ...]) -> int:
    """Five, ten and five residual blocks; a 3x3 A has three branches, 7-tap B and 3-tap C have two."""
    one, two, x, y, z = a
    k = sizes[0]
    block = normed(k, 1, one) + normed(k, 1, two, 9, two) + normed(k, 1, x, 9, y, 9, z)
    total = 5 * (block + (one + two + z) * k + k)
    for times, taps, (alone, first, middle, last), k in ((10, 7, b, sizes[1]), (5, 3, c, sizes[2])):
        block = normed(k, 1, alone) + normed(k, 1, first, taps, middle, taps, last)
        total += times * (block + (alone + last) * k + k)
    return total


def test_inception_resnet_v1_is_the_sum_of_its_papers_figures():
    count = normed(3, 9, 32, 9, 32, 9, 64) + normed(64, 1, 80, 9, 192, 9, 256)  # figure 14
    count += residual_count(
        (32, 32, 32, 32, 32), (128, 128, 128, 128), (192, 192, 192, 192), (256, 896, 1792)
    )
    count += normed(256, 9, 384) + normed(256, 1, 192, 9, 192, 9, 256)  # figure 7, table 1
    count += normed(896, 1, 256, 9, 384) + 2 * normed(896, 1, 256, 9, 256) + normed(256, 9, 256)  # figure 12
    with torch.device("meta"):
        assert parameters(create_model("inception_resnet_v1")) == count + 1792 * 1000 + 1000


def test_the_papers_inception_resnet_v2_differs_from_the_released_one():
    stem = normed(3, 9, 32, 9, 32, 9, 64) + normed(64, 9, 96) + normed(160, 1, 64, 9, 96)  # figure 3
    stem += normed(160, 1, 64, 7, 64, 7, 64, 9, 96) + normed(192, 9, 192)
    count = stem + residual_count(
        (32, 32, 32, 48, 64), (192, 128, 160, 192), (192, 192, 224, 256), (384, 1152, 2144)
    )
    count += normed(384, 9, 384) + normed(384, 1, 256, 9, 256, 9, 384)
    count += (
        normed(1152, 1, 256, 9, 384) + normed(1152, 1, 256, 9, 288) + normed(1152, 1, 256, 9, 288, 9, 320)
    )
    with torch.device("meta"):
        network = create_model("inception_resnet_v2", **PUBLISHED_V2)
    assert parameters(network) == count + 2144 * 1000 + 1000 < 55_843_464


# Options


def test_auxiliary_heads_answer_in_training_only():
    options = {**GOOGLENET, "aux": True, "num_classes": 5}
    network = create_model("googlenet", **options)
    images = torch.randn(2, 3, 96, 96)
    logits, head = network(images)  # the small network has no 4d, so no second head
    assert logits.shape == head.shape == (2, 5)
    assert network.eval()(images).shape == (2, 5)


def test_training_with_auxiliary_heads_asks_for_larger_images():
    network = create_model("googlenet", aux=True)
    with pytest.raises(ValueError, match="at least 79x79"):
        network(torch.zeros(2, 3, 78, 79))
    assert [out.shape for out in network(torch.zeros(2, 3, 79, 79))] == [(2, 1000)] * 3
    with torch.device("meta"):
        network = create_model("inception_v3", aux=True)
        with pytest.raises(ValueError, match="at least 299x299"):
            network(torch.empty(2, 3, 298, 299))
        assert [out.shape for out in network(torch.empty(2, 3, 299, 299))] == [(2, 1000)] * 2


def test_every_parameter_learns_from_all_heads_together():
    network = create_model("inception_v3", aux=True, **SMALL["inception_v3"][0])
    sum(out.sum() for out in network(torch.randn(2, 3, 299, 299))).backward()
    assert [key for key, p in network.named_parameters() if p.grad is None] == []


def test_bn_googlenet_keeps_the_papers_kernels():
    with torch.device("meta"):
        network = create_model("googlenet", norm=True)
    kernels = {m.kernel_size for m in network.modules() if isinstance(m, nn.Conv2d)}
    assert kernels == {(1, 1), (3, 3), (5, 5), (7, 7)}
    assert all(m.bias is None for m in network.modules() if isinstance(m, nn.Conv2d))
    assert not any(isinstance(m, nn.LocalResponseNorm) for m in network.modules())


def test_the_residual_branch_is_scaled():
    block = create_model("inception_resnet_v1", **SMALL["inception_resnet_v1"][0]).grid17[0].eval()
    x = torch.rand(1, block.linear.out_channels, 5, 5)
    nn.init.zeros_(block.linear.weight)
    nn.init.ones_(block.linear.bias)
    torch.testing.assert_close(block(x), x + 0.10)


def test_wrong_options_are_refused_by_name():
    with pytest.raises(ValueError, match="depth_multiplier=-1"):
        create_model("bn_inception", depth_multiplier=-1, modules=ROWS)
    with pytest.raises(ValueError, match=r"width_mult=0\.0"):
        create_model("inception_v3", width_mult=0.0)
    with pytest.raises(ValueError, match="grids, reductions and scales must be 3, 2 and 3"):
        create_model("inception_resnet_v1", scales=(0.1,))


def test_small_shapes_are_named_as_the_large_ones():
    small = create_model("googlenet", **GOOGLENET, torchvision=True)
    with torch.device("meta"):
        assert shapes(small).keys() < shapes(create_model("googlenet", torchvision=True)).keys()

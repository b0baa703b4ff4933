"""MSDNet by hand: the counts are written out from the paper's appendix A, as torchvision and timm lack it."""

import pytest
import torch
from proof import parameters

from convbook import create_model
from convbook.shapes import ShapesOnly

SMALL = {"depths": (2, 2, 2), "stem_channels": 4, "classifier_channels": 8}


def conv(channels: int, out: int, kernel: int) -> int:
    """Weights of a convolution without bias, and two a channel for the normalisation."""
    return channels * out * kernel**2 + 2 * out


def step(channels: int, out: int, bottleneck: int) -> int:
    return conv(channels, bottleneck * out, 1) + conv(bottleneck * out, out, 3)


def test_parameters_are_the_appendixs():
    """24 layers: eight on three scales, eight on two, eight on one; 6, 12 and 24 new channels a layer."""

    def fine(b: int) -> int:
        return step(b, 6, 1)

    def middle(b: int) -> int:  # half from the fine map, half from its own
        return step(b, 6, 1) + step(2 * b, 6, 2)

    def coarse(b: int) -> int:
        return step(2 * b, 12, 2) + step(4 * b, 12, 4)

    def classifier(b: int) -> int:
        return conv(4 * b, 128, 3) + conv(128, 128, 3) + 128 * 10 + 10

    total = conv(3, 16, 3) + conv(16, 32, 3) + conv(32, 64, 3)
    b, classifiers = 16, []
    for layer in range(1, 25):
        if layer <= 8:
            total += fine(b) + middle(b) + coarse(b)
        elif layer == 9:  # the fine map is read for the last time
            total += middle(b) + coarse(b)
        elif layer <= 16:
            total += step(2 * b, 12, 2) + coarse(b)
        elif layer == 17:
            total += coarse(b)
        else:
            total += step(4 * b, 24, 4)
        b += 6
        if layer == 9:
            total += conv(2 * b, 2 * (b // 2), 1) + conv(4 * b, 4 * (b // 2), 1)
        if layer == 17:
            total += conv(4 * b, 4 * (b // 2), 1)
        b //= 2 if layer in (9, 17) else 1
        if layer >= 4 and layer % 2 == 0:
            classifiers.append(classifier(b))
    assert len(classifiers) == 11
    with torch.device("meta"), ShapesOnly():
        assert parameters(create_model("msdnet_cifar")) == total + sum(classifiers)


def test_22_layers_have_as_many_parameters_as_pytorchcvs():
    """msdnet22_cifar10 of pytorchcv 0.0.74; with its weights all ten exits gave the same, bit for bit."""
    with torch.device("meta"), ShapesOnly():
        assert parameters(create_model("msdnet_cifar", depths=(4, *[2] * 9))) == 4_839_544


def test_scales_are_given_up_one_by_one_and_widths_follow():
    with torch.device("meta"), ShapesOnly():
        model = create_model("msdnet_cifar")
        maps = model.scales_of(torch.empty(1, 3, 32, 32))
        seen = [[tuple(x.shape[1:]) for x in maps]]
        for block in model.blocks:
            maps = block(maps)
            seen.append([tuple(x.shape[1:]) for x in maps])
    assert seen[0] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert seen[1] == [(40, 32, 32), (80, 16, 16), (160, 8, 8)]  # four layers
    assert seen[3] == [(64, 32, 32), (128, 16, 16), (256, 8, 8)]  # eight
    assert seen[4] == [(82, 16, 16), (164, 8, 8)]  # the ninth halves 70, the tenth adds 6
    assert [len(each) for each in seen] == [3] * 4 + [2] * 4 + [1] * 4


def test_the_last_exit_is_what_forward_gives():
    torch.manual_seed(0)
    model, images = create_model("msdnet_cifar", **SMALL).eval(), torch.randn(2, 3, 32, 32)
    exits = model.exits(images)
    assert [tuple(x.shape) for x in exits] == [(2, 10)] * 3
    assert torch.equal(exits[-1], model(images))


def test_an_early_exit_reads_nothing_that_comes_later():
    torch.manual_seed(0)
    model, images = create_model("msdnet_cifar", **SMALL).eval(), torch.randn(2, 3, 32, 32)
    model.exits(images)[0].sum().backward()
    touched = {key for key, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert touched
    assert all(key.startswith(("stem.", "blocks.0.", "classifiers.0.")) for key in touched)


def test_forward_alone_leaves_the_earlier_classifiers_untrained_and_nothing_else():
    model = create_model("msdnet_cifar", **SMALL)
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    idle = {key for key, p in model.named_parameters() if p.grad is None}
    assert idle == {
        key for key, _ in model.named_parameters() if key.startswith(("classifiers.0", "classifiers.1"))
    }


def test_a_layer_keeps_what_it_was_given_in_front():
    torch.manual_seed(0)
    model = create_model("msdnet_cifar", **SMALL).eval()
    layer = model.blocks[0][0]
    maps = [torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4), torch.randn(1, 16, 2, 2)]
    for old, new in zip(maps, layer([x.clone() for x in maps]), strict=True):
        assert torch.equal(new[:, : old.shape[1]], old)
    by_finer = layer.finer[0](maps[0])
    assert torch.equal(layer(maps)[1][:, 8:14], by_finer)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"depths": ()}, "depths="),
        ({"bottlenecks": (1, 2)}, "bottlenecks"),
        ({"growth_rate": 5, "scales": (1, 1), "bottlenecks": (1, 1)}, "must be even"),
        ({"depths": (2, 2)}, "cannot be shared out among 3 scales"),
        ({"compression": 1.5}, "compression=1.5"),
        ({"compression": 0.0}, "compression=0.0"),
        ({"compression": 0.01}, "leaves no channel"),
    ],
)
def test_wrong_arguments_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        create_model("msdnet_cifar", **wrong)


def test_without_compression_channels_only_grow():
    with torch.device("meta"), ShapesOnly():
        model = create_model("msdnet_cifar", compression=1.0)
    assert model.classifiers[-1][0][0].in_channels == 4 * (16 + 24 * 6)

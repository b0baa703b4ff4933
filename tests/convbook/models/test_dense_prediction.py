"""ENet and LinkNet: counts made by hand from the papers' tables, and other ways to compute the same."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from proof import parameters
from torch import nn

from convbook import create_model
from convbook.models import load_torchvision_weights
from convbook.models.enet import Downsampling, Upsampling
from convbook.profile import profile

MIDDLE = {  # weights of a bottleneck's middle convolution of h channels, and its biases
    "regular": lambda h: 9 * h * h,
    "dilated": lambda h: 9 * h * h,
    "asymmetric": lambda h: 5 * h * h + 5 * h * h,
}
STAGE2 = ["regular", "dilated", "asymmetric", "dilated"] * 2  # 2.1 to 2.8, and 3.1 to 3.8


def bottleneck(channels: int, out: int, kind: str, entry: int = 1) -> int:
    """Parameters: three convolutions, three normalisations, two PReLUs inside and one after the sum."""
    h = out // 4
    convolutions = channels * h * entry**2 + MIDDLE[kind](h) + h + h * out
    return convolutions + 2 * (h + h + out) + h + h + out


def test_enet_has_the_table_of_the_paper_block_by_block():
    blocks = {  # name: (output of an image of 512 pixels, parameters)
        "initial": ((16, 256, 256), 13 * 3 * 9 + 13 + 2 * 16 + 16),
        "down1": ((64, 128, 128), bottleneck(16, 64, "regular", entry=2)),
        **{f"stage1.{i}": ((64, 128, 128), bottleneck(64, 64, "regular")) for i in range(4)},
        "down2": ((128, 64, 64), bottleneck(64, 128, "regular", entry=2)),
        **{
            f"{stage}.{i}": ((128, 64, 64), bottleneck(128, 128, kind))
            for stage in ("stage2", "stage3")
            for i, kind in enumerate(STAGE2)
        },
        "up4": ((64, 128, 128), bottleneck(128, 64, "regular") + 128 * 64 + 2 * 64),
        **{f"stage4.{i}": ((64, 128, 128), bottleneck(64, 64, "regular")) for i in range(2)},
        "up5": ((16, 256, 256), bottleneck(64, 16, "regular") + 64 * 16 + 2 * 16),
        "stage5": ((16, 256, 256), bottleneck(16, 16, "regular")),
        "classifier": ((19, 512, 512), 16 * 19 * 4 + 19),
    }
    table = profile("enet")
    assert {name: (table.layer(name).output_shape, table.layer(name).params) for name in blocks} == blocks
    assert table.params == sum(count for _, count in blocks.values()) == 364_647


def test_enet_dilates_and_factorises_as_the_table_says():
    with torch.device("meta"):
        model = create_model("enet")
    for stage in (model.stage2, model.stage3):
        middles = [block.branch[3] for block in stage]
        assert [m.dilation[0] if isinstance(m, nn.Conv2d) else 0 for m in middles] == [
            1,
            2,
            0,
            4,
            1,
            8,
            0,
            16,
        ]
        assert [[c.kernel_size for c in middles[i]] for i in (2, 6)] == [[(1, 5), (5, 1)]] * 2
    rates = {name: m.p for name, m in model.named_modules() if isinstance(m, nn.Dropout2d)}
    low = {name for name, rate in rates.items() if rate == 0.01}
    assert {name.partition(".")[0] for name in low} == {"down1", "stage1"}
    assert set(rates.values()) == {0.01, 0.1}


def test_downsampling_keeps_the_maxima_and_upsampling_puts_values_back_where_they_were():
    torch.manual_seed(0)
    down, up = Downsampling(8, 16, 0.0).double().eval(), Upsampling(16, 8, 0.0).double().eval()
    for block in (down, up):
        nn.init.zeros_(block.branch[6].weight)  # nothing but the main line
        nn.init.ones_(block.activation.weight)  # and no bend
    x = torch.randn(2, 8, 6, 10, dtype=torch.float64)
    small, places = down(x)
    torch.testing.assert_close(small[:, :8], F.max_pool2d(x, 2))
    assert not small[:, 8:].any()
    restored = up(small, places)
    torch.testing.assert_close(F.max_pool2d(restored.abs(), 2), up.project(small).abs())
    assert restored.count_nonzero() == small[:, :8].numel()
    assert not restored[x < F.interpolate(small[:, :8], scale_factor=2)].any()


def test_enet_loads_into_a_forward_pass_written_from_the_paper():
    torch.manual_seed(0)
    context = (("dilated", 2), ("asymmetric", 3))
    model = create_model("enet", widths=(8, 16, 32), depth=1, context=context, num_classes=5).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight.data, module.bias.data):
                tensor.uniform_(0.5, 1.5)
    w = model.state_dict()

    def norm(x, key):
        return F.batch_norm(
            x,
            w[f"{key}.running_mean"],
            w[f"{key}.running_var"],
            w[f"{key}.weight"],
            w[f"{key}.bias"],
            eps=1e-3,
        )

    def block(x, key, middle, main, entry=1):
        y = F.conv2d(x, w[f"{key}.branch.0.weight"], stride=entry)
        y = F.prelu(norm(y, f"{key}.branch.1"), w[f"{key}.branch.2.weight"])
        y = F.prelu(norm(middle(y, f"{key}.branch.3"), f"{key}.branch.4"), w[f"{key}.branch.5.weight"])
        y = norm(F.conv2d(y, w[f"{key}.branch.6.weight"]), f"{key}.branch.7")
        return F.prelu(y + main, w[f"{key}.activation.weight"])

    def conv(dilation):
        return lambda y, key: F.conv2d(
            y, w[f"{key}.weight"], w[f"{key}.bias"], padding=dilation, dilation=dilation
        )

    def pair(y, key):
        y = F.conv2d(y, w[f"{key}.0.weight"], padding=(0, 1))
        return F.conv2d(y, w[f"{key}.1.weight"], w[f"{key}.1.bias"], padding=(1, 0))

    def full(y, key):
        return F.conv_transpose2d(
            y, w[f"{key}.weight"], w[f"{key}.bias"], stride=2, padding=1, output_padding=1
        )

    def down(x, key):
        main, places = F.max_pool2d(x, 2, return_indices=True)
        return block(x, key, conv(1), torch.cat([main, torch.zeros_like(main)], 1), entry=2), places

    def up(x, key, places):
        main = norm(F.conv2d(x, w[f"{key}.project.0.weight"]), f"{key}.project.1")
        return block(x, key, full, F.max_unpool2d(main, places, 2))

    images = torch.randn(2, 3, 32, 24, dtype=torch.float64)
    first = F.conv2d(images, w["initial.conv.weight"], w["initial.conv.bias"], stride=2, padding=1)
    x = norm(torch.cat([first, F.max_pool2d(images, 2)], 1), "initial.norm")
    x, outer = down(F.prelu(x, w["initial.activation.weight"]), "down1")
    x, inner = down(block(x, "stage1.0", conv(1), x), "down2")
    for stage in ("stage2", "stage3"):
        x = block(x, f"{stage}.0", conv(2), x)
        x = block(x, f"{stage}.1", pair, x)
    x = up(x, "up4", inner)
    for i in range(2):
        x = block(x, f"stage4.{i}", conv(1), x)
    x = up(x, "up5", outer)
    x = block(x, "stage5", conv(1), x)
    expected = F.conv_transpose2d(x, w["classifier.weight"], w["classifier.bias"], stride=2)
    torch.testing.assert_close(model(images), expected)


def test_enet_refuses_sides_that_do_not_halve_three_times():
    model = create_model("enet", widths=(4, 8, 16), depth=1, context=(("regular", 3),), num_classes=2).eval()
    assert model(torch.zeros(1, 3, 40, 24)).shape == (1, 2, 40, 24)
    with pytest.raises(ValueError, match="multiples of 8"):
        model(torch.zeros(1, 3, 40, 25))


def test_linknet_has_resnet18_and_the_decoder_of_the_paper_block_by_block():
    def decoder(channels: int, out: int) -> int:
        h = channels // 4
        return channels * h + 9 * h * h + h * out + 2 * (h + h + out)

    blocks = {  # name: (output of an image of 256 pixels, parameters)
        "encoder.conv1": ((64, 128, 128), 3 * 64 * 49),
        "encoder.layer1": ((64, 64, 64), 4 * (64 * 64 * 9 + 2 * 64)),
        "encoder.layer4": ((512, 8, 8), 256 * 512 * 9 + 3 * 512 * 512 * 9 + 256 * 512 + 5 * 2 * 512),
        "decoder.0": ((256, 16, 16), decoder(512, 256)),
        "decoder.1": ((128, 32, 32), decoder(256, 128)),
        "decoder.2": ((64, 64, 64), decoder(128, 64)),
        "decoder.3": ((64, 64, 64), decoder(64, 64)),
        "up": ((32, 128, 128), 64 * 32 * 9 + 2 * 32),
        "conv": ((32, 128, 128), 32 * 32 * 9 + 2 * 32),
        "classifier": ((19, 256, 256), 32 * 19 * 4 + 19),
    }
    table = profile("linknet")
    assert {name: (table.layer(name).output_shape, table.layer(name).params) for name in blocks} == blocks
    with torch.device("meta"):
        resnet = parameters(torchvision.models.resnet18(weights=None)) - 512 * 1000 - 1000
    outside = sum(count for name, (_, count) in blocks.items() if not name.startswith("encoder"))
    assert table.params == resnet + outside == 11_535_635


@pytest.mark.parametrize("size", [(64, 96), (45, 67)])
def test_linknet_is_torchvisions_resnet18_and_sums_with_what_each_stage_was_given(size):
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(weights=None, num_classes=10).double().eval()
    ours = create_model("linknet", num_classes=4).double().eval()
    body = {key: value for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    load_torchvision_weights(ours.encoder, body)
    w = ours.state_dict()

    def norm(x, key):
        stats = w[f"{key}.running_mean"], w[f"{key}.running_var"], w[f"{key}.weight"], w[f"{key}.bias"]
        return F.relu(F.batch_norm(x, *stats, eps=1e-3))

    def enlarge(x, key, size, stride):
        rest = [n - (m - 1) * stride - 1 for n, m in zip(size, x.shape[2:], strict=True)]
        y = F.conv_transpose2d(x, w[f"{key}.conv.weight"], None, stride, 1, rest)
        return norm(y, f"{key}.norm")

    images = torch.randn(2, 3, *size, dtype=torch.float64)
    half = theirs.relu(theirs.bn1(theirs.conv1(images)))
    given = [theirs.maxpool(half)]
    for name in ("layer1", "layer2", "layer3", "layer4"):
        given.append(getattr(theirs, name)(given[-1]))
    x = given.pop()
    for i in range(4):
        key, skip = f"decoder.{i}", given.pop()
        x = norm(F.conv2d(x, w[f"{key}.reduce.0.weight"]), f"{key}.reduce.1")
        x = enlarge(x, f"{key}.up", skip.shape[2:], 1 if i == 3 else 2)
        x = norm(F.conv2d(x, w[f"{key}.expand.0.weight"]), f"{key}.expand.1")
        x = F.relu(x + skip)  # the authors' ReLU after the sum is idle
    x = enlarge(x, "up", half.shape[2:], 2)
    x = norm(F.conv2d(x, w["conv.0.weight"], padding=1), "conv.1")
    x = F.conv_transpose2d(x, w["classifier.weight"], w["classifier.bias"], 2)
    torch.testing.assert_close(ours(images), x[:, :, : size[0], : size[1]])


def test_linknets_decoder_starts_from_variance_two_over_fan_out():
    torch.manual_seed(0)
    model = create_model("linknet")
    for layer, fan_out in ((model.decoder[0].up.conv, 128 * 9), (model.decoder[0].expand[0], 256)):
        assert float(layer.weight.detach().var()) * fan_out == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("enet", {"context": (("strided", 3),)}, "context names 'strided'"),
        ("enet", {"widths": (16, 62, 128)}, "widths"),
        ("enet", {"widths": (16, 64, 32)}, "widths"),
        ("enet", {"in_channels": 16}, "widths"),
        ("linknet", {"widths": (6, 8, 8, 8)}, "widths"),
        ("linknet", {"widths": (8, 8)}, "depths"),
    ],
)
def test_wrong_arguments_are_named(name, overrides, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        create_model(name, **overrides)

"""Profiles against torchvision's own figures, hand counts, published receptive fields and gradients."""

import time
from itertools import product

import pytest
import torch
from torch import nn
from torchvision import models as torchvision_models

from convbook.models import create_model, describe, list_models
from convbook.profile import ProfileError, count_macs, count_params, profile, receptive_field

IMAGE = (3, 224, 224)
TORCHVISION = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "mnasnet1_0",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "shufflenet_v2_x1_0",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg16",
    "vgg16_bn",
    "wide_resnet50_2",
]


def torchvision_on_meta(name: str, **options: bool) -> nn.Module:
    with torch.device("meta"):
        return torchvision_models.get_model(name, weights=None, **options)


@pytest.mark.parametrize("name", TORCHVISION)
def test_params_and_macs_equal_torchvisions_published_figures(name):
    meta = torchvision_models.get_model_weights(name).DEFAULT.meta
    result = profile(torchvision_on_meta(name), IMAGE)
    assert result.params == meta["num_params"]
    assert round(result.macs / 1e9, 3) == pytest.approx(meta["_ops"], abs=0.00101)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet152", "resnext50_32x4d", "mobilenet_v2"])
def test_our_networks_cost_what_torchvisions_cost(name):
    ours, theirs = profile(name), profile(torchvision_on_meta(name), IMAGE)
    assert (ours.params, ours.macs, ours.buffers) == (theirs.params, theirs.macs, theirs.buffers)


def test_macs_of_single_layers_equal_hand_counts():
    net = nn.Sequential(
        nn.Conv2d(192, 32, 5, padding=2, bias=False),  # the 5x5 example of the MobileNet chapter
        nn.Conv2d(32, 64, 3, stride=2, padding=1, groups=4),
        nn.Flatten(),
        nn.Linear(64 * 14 * 14, 10),
    )
    rows = {row.name: row for row in profile(net, (192, 28, 28)).rows}
    assert rows["0"].macs == 5 * 5 * 192 * 32 * 28 * 28 == 120_422_400
    assert rows["1"].macs == 3 * 3 * 8 * 64 * 14 * 14
    assert rows["1"].params == 3 * 3 * 8 * 64 + 64
    assert rows["3"].macs == 64 * 14 * 14 * 10
    assert rows["3"].params == 64 * 14 * 14 * 10 + 10


def test_lenet5_layer_by_layer_as_in_1998():
    result = profile("lenet5")
    counts = {row.name: row.params for row in result.rows if row.params}
    assert counts == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}
    assert result.layer("c1").output_shape == (6, 28, 28)
    assert result.layer("s4").output_shape == (16, 5, 5)


@pytest.mark.parametrize(
    ("name", "pixels"),
    # Araujo et al., "Computing receptive fields of convolutional neural networks", Distill 2019
    [("alexnet", 195), ("mobilenet_v1", 315)],
)
def test_receptive_field_equals_the_published_one(name, pixels):
    assert receptive_field(name) == pixels


@pytest.mark.parametrize(("name", "pixels"), [("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)])
def test_receptive_field_counts_where_the_stride_is(name, pixels):
    # Distill's networks stride at the end of a stage, which gives the same field as striding in the 1x1.
    assert receptive_field(name, stride_in="1x1") == pixels


def test_receptive_field_of_concatenating_networks_equals_the_published_one():
    assert receptive_field(torchvision_on_meta("vgg16"), IMAGE) == 212
    assert receptive_field(torchvision_on_meta("inception_v3", init_weights=False), (3, 299, 299)) == 1311


class Branches(nn.Module):
    """Residual sum, concatenation of unequal branches, dilation, pooling, stride: all positive."""

    def __init__(self, gate: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3, stride=2, padding=1)
        self.wide = nn.Conv2d(2, 2, 5, padding=4, dilation=2)
        self.small = nn.Conv2d(2, 2, 1)
        self.pool = nn.AvgPool2d(2)
        self.down = nn.Conv2d(4, 2, 3, stride=2, padding=1)
        self.short = nn.Conv2d(4, 2, 1, stride=2)
        self.gate = nn.AdaptiveAvgPool2d(1) if gate else None
        for p in self.parameters():
            nn.init.constant_(p, 0.1)

    def forward(self, x):
        x = self.stem(x)
        x = self.pool(torch.cat([self.wide(x) + x, self.small(x)], dim=1))
        x = self.down(x) + self.short(x)
        return x if self.gate is None else x * self.gate(x)


def measured_field(net: nn.Module, size: int) -> int:
    """Side of the region of pixels that the middle output's gradient reaches."""
    image = torch.rand(1, 1, size, size, requires_grad=True)
    out = net(image)
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    return int((image.grad[0, 0].abs().sum(dim=0) > 0).sum())


@pytest.mark.parametrize("gate", [False, True])
def test_receptive_field_with_branches_equals_the_gradients_reach(gate):
    net = Branches(gate)
    assert receptive_field(net, (1, 128, 128)) == measured_field(net, 128)


def test_receptive_field_of_our_residual_network_equals_the_gradients_reach():
    net = create_model("resnet20_cifar", in_channels=1, shortcut="A").eval()
    for p in net.parameters():
        nn.init.constant_(p, 0.01)
    body = nn.Sequential(net.conv1, net.bn1, net.relu, net.layer1, net.layer2, net.layer3).double()
    measured = measured_field(lambda image: body(image.double()), 200)
    assert receptive_field("resnet20_cifar", (3, 200, 200)) == measured


def test_a_global_gate_sees_the_whole_image_and_no_more():
    assert profile("se_resnet50").layer("layer4.2").receptive_field == 224


def test_unknown_rearrangements_give_no_receptive_field_rather_than_a_wrong_one():
    net = nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(1, 1, 3, padding=1))
    assert profile(net, (4, 8, 8)).rows[-1].receptive_field is None


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("kind", [nn.MaxPool2d, nn.AvgPool2d])
def test_pooling_at_the_edge_has_the_same_shape_on_the_meta_device(kind, ceil):
    for side, kernel, stride, padding in product(range(4, 14), (2, 3, 4), (1, 2, 3, 4), (0, 1)):
        pool = kind(kernel, stride, padding, ceil_mode=ceil)
        there = pool(torch.zeros(1, 1, side, side)).shape[1:]
        assert profile(pool, (1, side, side)).rows[0].output_shape == there, (side, pool)


@pytest.mark.parametrize("name", list_models())
def test_shapes_on_the_meta_device_equal_those_of_a_real_forward_pass(name):
    if name.endswith(("101", "152", "101_32x4d", "101_64x4d", "110_cifar", "29_16x64d_cifar")):
        pytest.skip("its blocks are those of the smaller ones")
    size = profile(name).input_size
    small = size if name.startswith(("lenet", "alexnet")) else (size[0], 64, 64)
    lighter = {"hidden": 64} if "hidden" in describe(name).arguments else {}
    net, shapes = create_model(name, **lighter).eval(), {}

    def keep(path, out):
        first = out[0] if isinstance(out, tuple) else out  # as the profile does
        shapes[path] = tuple(first.shape[1:])

    for path, module in net.named_modules():
        module.register_forward_hook(lambda m, a, out, path=path: keep(path, out))
    with torch.no_grad():
        net(torch.zeros(1, *small))
    result = profile(name, small, **lighter)
    assert {row.name: row.output_shape for row in result.rows} == {
        r.name: shapes[r.name] for r in result.rows
    }


def test_profiling_a_module_leaves_it_as_it_was():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    profile(net, (3, 8, 8))
    assert net.training and net[1].training
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())
    assert all(torch.equal(v, before[k]) and v.device.type == "cpu" for k, v in net.state_dict().items())


def test_shared_and_reused_layers_count_their_weights_once_and_their_work_each_time():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(8, 8)
            self.b = nn.Linear(8, 8)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(self.a(x.flatten(1))))

    result = profile(Twice(), (2, 2, 2))
    assert result.params == 64 + 8 + 8
    assert result.macs == 3 * 64


def test_own_parameters_and_functional_layers_are_not_lost():
    class Custom(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(torch.zeros(5, 3, 3, 3))
            self.norm = nn.BatchNorm2d(5)
            self.unused = nn.Linear(7, 7)

        def forward(self, x):
            return self.norm(torch.conv2d(x, self.kernel))

    net = nn.Sequential(Custom())
    result = profile(net, (3, 10, 10))
    assert {r.name: (r.params, r.macs) for r in result.rows} == {
        "0.norm": (10, 0),
        "0": (135, 135 * 64),
        "0.unused": (56, 0),
    }
    assert result.params == sum(p.numel() for p in net.parameters())
    assert result.layer("0").params == result.params
    assert result.rows[-1].output_shape == ()


def test_table_by_depth_keeps_the_totals():
    result = profile("resnet50")
    groups = result.table(depth=1).to_dicts()
    assert [g["name"] for g in groups][:2] == ["conv1", "bn1"]
    assert sum(g["params"] for g in groups) == result.params == 25_557_032
    assert sum(g["macs"] for g in groups) == result.macs
    stage = next(g for g in groups if g["name"] == "layer3")
    assert stage["output_shape"] == (1024, 14, 14)
    assert stage["macs"] == result.layer("layer3").macs


def test_activation_bytes_count_outputs_once_in_float32():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2))
    assert profile(net, (1, 6, 6)).activation_bytes == 4 * (2 * 4 * 4 + 2 * 2 * 2)


def test_html_is_a_table_that_screen_readers_and_keyboards_can_use():
    text = profile("lenet5")._repr_html_()
    assert 'role="region" tabindex="0" aria-label="lenet5, one image of 1 × 32 × 32"' in text
    assert "<caption>lenet5, one image of 1 × 32 × 32</caption>" in text
    assert text.count('<th scope="col"') == 6
    assert text.count('<th scope="row">') == 8  # seven layers and the total
    assert "<tfoot><tr><th" in text and "60,000" in text


def test_markdown_ends_in_the_totals():
    assert profile("lenet5").to_markdown().splitlines()[-1].startswith("| Total |")
    assert "60,000" in profile("lenet5").to_markdown().splitlines()[-1]


def test_wrong_questions_get_one_clear_line():
    with pytest.raises(ProfileError, match=r"input_size must be \(C, H, W\)"):
        profile(nn.Conv2d(3, 4, 3))
    with pytest.raises(ProfileError, match="overrides go with a name"):
        profile(nn.Conv2d(3, 4, 3), (3, 8, 8), width=2)
    with pytest.raises(ProfileError, match=r"resnet18 has no layer 'layer1\.9'; near: layer1"):
        profile("resnet18").layer("layer1.9")
    with pytest.raises(ProfileError, match="depth must be 1 or more"):
        profile("lenet5").table(depth=0)


def test_a_network_that_reads_numbers_is_refused_clearly():
    class Reads(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ProfileError, match="needs numbers, not only shapes"):
        profile(Reads(), (1, 2, 2))


def test_overrides_reach_the_network():
    assert count_params("resnet50", num_classes=10) == 25_557_032 - 990 * 2049
    assert count_macs("mobilenet_v1", (3, 160, 160), width_mult=0.5) == 76_524_800
    assert profile("resnet18", in_channels=1).input_size == (1, 224, 224)


def test_resnet152_profiles_well_under_a_second():
    profile("resnet18")
    times = []
    for _ in range(3):
        start = time.process_time()  # of this process alone: other work on the machine does not count
        profile("resnet152")
        times.append(time.process_time() - start)
    assert min(times) < 1

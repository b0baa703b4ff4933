"""VGG against torchvision: names and shapes of all, the function of a narrow and of a real one."""

import pytest
import torch
import torchvision
from proof import assert_same_function, parameters, shapes
from torch import nn
from torchvision.models.vgg import VGG as TorchvisionVGG
from torchvision.models.vgg import make_layers

from convbook import create_model
from convbook.models import load_torchvision_weights
from convbook.models.vgg import DEPTHS

SHARED = [f"{name}{bn}" for name in DEPTHS for bn in ("", "_bn")]
COLUMN_C = [  # table 1 of the paper: (channels, kernel) of each convolution
    *[(64, 3)] * 2,
    *[(128, 3)] * 2,
    *[(256, 3), (256, 3), (256, 1)],
    *[(512, 3), (512, 3), (512, 1)] * 2,
]


@pytest.mark.parametrize("name", SHARED)
def test_every_tensor_has_torchvisions_name_and_shape(name):
    with torch.device("meta"):
        assert shapes(create_model(name)) == shapes(torchvision.models.get_model(name, weights=None))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_narrow_one_computes_what_torchvisions_does(batch_norm):
    torch.manual_seed(0)
    config = [4, "M", 6, 6, "M", 8, 8, 8, "M", 8, "M", 8, "M"]
    theirs = TorchvisionVGG(make_layers(config, batch_norm=batch_norm), num_classes=1, init_weights=False)
    linear = (nn.Linear(8 * 49, 12), nn.Linear(12, 12), nn.Linear(12, 10))
    for place, layer in zip((0, 3, 6), linear, strict=True):  # torchvision's are fixed at 4096 units
        theirs.classifier[place] = layer
    theirs.classifier[2].p = theirs.classifier[5].p = 0.0
    ours = create_model(
        "vgg16",
        depths=(1, 2, 3, 1, 1),
        widths=(4, 6, 8, 8, 8),
        hidden=12,
        batch_norm=batch_norm,
        dropout=0.0,
        num_classes=10,
    )
    load_torchvision_weights(ours, theirs.state_dict())
    assert_same_function(ours.double(), theirs.double(), 64)


def test_vgg11_itself_computes_what_torchvisions_does():
    torch.manual_seed(0)
    theirs = torchvision.models.vgg11(init_weights=False).eval().double().requires_grad_(False)
    with torch.device("meta"):
        ours = create_model("vgg11").eval()
    ours.load_state_dict(theirs.state_dict(), assign=True)  # shared, for 133 million numbers are enough
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-9, atol=1e-9)


def test_configuration_c_has_a_1x1_as_third_convolution_of_a_stage():
    with torch.device("meta"):
        net = create_model("vgg16_c")
    found = [m for m in net.features if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.kernel_size[0]) for m in found] == COLUMN_C
    channels = [3, *(c for c, _ in COLUMN_C)]
    convolutions = sum(out * (into * k * k + 1) for into, (out, k) in zip(channels, COLUMN_C, strict=False))
    linear = 4096 * (512 * 49 + 1) + 4096 * 4097 + 1000 * 4097
    assert parameters(net) == convolutions + linear == 133_638_952


def test_only_the_first_convolution_of_a_lrn_is_normalised():
    with torch.device("meta"):
        kinds = [type(m).__name__ for m in create_model("vgg11_lrn").features]
        assert parameters(create_model("vgg11_lrn")) == parameters(create_model("vgg11"))
    assert kinds[:4] == ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    assert kinds.count("LocalResponseNorm") == 1


def test_dense_evaluation_is_the_network_itself_on_one_window():
    torch.manual_seed(0)
    net = create_model("vgg11", depths=(1, 1), widths=(4, 6), hidden=8, num_classes=5).double().eval()
    x = torch.randn(2, 3, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(net.dense(x), net(x)[:, :, None, None])
    wide = torch.randn(2, 3, 36, 44, dtype=torch.float64)
    scores = net.dense(wide)
    assert scores.shape == (2, 5, 3, 5)
    maps = net.features(wide)
    for i, j in [(0, 0), (1, 3), (2, 4)]:  # each place is the linear layers on one 7x7 window
        expected = net.classifier(maps[:, :, i : i + 7, j : j + 7].flatten(1))
        torch.testing.assert_close(scores[:, :, i, j], expected)
    with pytest.raises(ValueError, match="at least 28x28; or call the network itself"):
        net.dense(wide[:, :, :27])


def test_weights_start_as_glorot_and_bengio_say():
    torch.manual_seed(0)
    net = create_model("vgg11", depths=(1, 1), widths=(32, 64), hidden=64)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            out, into = layer.weight.shape[0], layer.weight.shape[1]
            fans = (out + into) * layer.weight[0, 0].numel()
            assert layer.weight.var().item() == pytest.approx(2 / fans, rel=0.1)
            assert layer.weight.abs().max() <= (6 / fans) ** 0.5
            assert layer.bias.abs().max() == 0


@pytest.mark.parametrize(
    "wrong", [{"depths": (1, 1)}, {"depths": (1, 1, 0, 1, 1)}, {"depths": (), "widths": ()}]
)
def test_wrong_depths_are_named(wrong):
    with torch.device("meta"), pytest.raises(ValueError, match="must be 1 or more for each of widths"):
        create_model("vgg11", **wrong)

"""Net2Net: wider and deeper networks compute what the small one did, or are refused with the reason."""

import copy
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from convbook.models import create_model
from convbook.transfer import Net2NetError, deeper, max_norm, wider

SEED = 0


def network(name: str, **overrides: Any) -> nn.Module:
    """A registry network whose norms have statistics, scales and shifts as after training."""
    torch.manual_seed(SEED)
    return seasoned(create_model(name, num_classes=5, **overrides))


def seasoned(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()


def gap(a: nn.Module, b: nn.Module, images: Tensor) -> float:
    """Largest difference of outputs, relative to the largest output."""
    with torch.no_grad():
        expected, got = a(images), b(images)
    assert got.shape == expected.shape
    return ((got - expected).abs().max() / expected.abs().max()).item()


def images(size: int, channels: int = 3, n: int = 2) -> Tensor:
    return torch.randn(n, channels, size, size, generator=Generator().manual_seed(1))


def generator() -> Generator:
    return Generator().manual_seed(SEED)


VGG = dict(widths=(4, 4, 6, 6, 8), hidden=12)
DENSE = dict(depths=(2, 2, 2, 2), growth_rate=4, stem_channels=8)
WIDENED = [  # network, its arguments, side and channels of images, layers: stem, middle, before the head
    ("lenet5_modern", {}, (32, 1), ["features.conv1", "features.conv2", "classifier.fc1"]),
    ("vgg11_bn", VGG, (32, 3), ["features.0", "features.25", "classifier.0"]),
    ("plain20_cifar", {}, (32, 3), ["conv1", "layer2.1.conv1", "layer3.2.conv2"]),
    ("resnet20_cifar", {"shortcut": "B"}, (32, 3), ["conv1", "layer2.0.conv1", "layer3.2.conv2"]),
    ("se_resnet20_cifar", {"shortcut": "B"}, (32, 3), ["layer2.0.conv2", "layer2.0.attention.gate.1"]),
    ("mobilenet_v1", {"width_mult": 0.25}, (64, 3), ["stem.0", "blocks.12.pointwise.0"]),
    ("allcnn_c_cifar", {}, (32, 3), ["features.1", "classifier.2"]),
    ("googlenet", {"norm": True}, (64, 3), ["inception3a.1.1.0"]),
]


@pytest.mark.parametrize(("name", "arguments", "size", "layers"), WIDENED, ids=[row[0] for row in WIDENED])
def test_wider_keeps_the_function(
    name: str, arguments: dict, size: tuple[int, int], layers: list[str]
) -> None:
    model, x = network(name, in_channels=size[1], **arguments), images(*size)
    names = list(model.state_dict())
    for layer in layers:
        width = model.get_submodule(layer).weight.shape[0] + 5
        wide = wider(model, layer, width, generator())
        assert wide.get_submodule(layer).weight.shape[0] == width
        assert list(wide.state_dict()) == names
        assert gap(model, wide, x) < 1e-5
        assert (
            gap(copy.deepcopy(model).double(), wider(model.double(), layer, width, generator()), x.double())
            < 1e-12
        )
        model.float()


def test_densenet_reads_each_layer_many_times_over() -> None:
    model, x = network("densenet121", depths=(3, 2, 2, 2), growth_rate=4).double(), images(64).double()
    convolutions = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    for layer in (convolutions[0], convolutions[1], convolutions[2], convolutions[7]):
        width = model.get_submodule(layer).out_channels + 3
        assert gap(model, wider(model, layer, width, generator()), x) < 1e-12


def test_auxiliary_heads_grow_along() -> None:
    """They exist in training only: a network widened beneath them must still train."""
    model = network("googlenet", aux=True, norm=True)
    wide = wider(model, "inception4a.0.0.0", 200, generator()).train()
    assert all(head.isfinite().all() for head in wide(images(112)))


def test_widening_by_hand() -> None:
    """Three units to five: units 3 and 4 repeat some of 0 to 2, whose outgoing weights are shared out."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    wide = wider(model, "0", 5, generator())
    origin = [0, 1, 2, *torch.randint(3, (2,), generator=generator()).tolist()]
    for new, old in enumerate(origin):
        assert torch.equal(wide[0].weight[new], model[0].weight[old])
        assert torch.equal(wide[0].bias[new], model[0].bias[old])
        assert torch.allclose(wide[2].weight[0, new] * origin.count(old), model[2].weight[0, old])
    assert torch.equal(wide[2].bias, model[2].bias)


def test_functions_prelu_and_calls_by_name_are_followed() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 2, 3)
            self.act, self.norm = nn.PReLU(4), nn.BatchNorm1d(54)
            self.head = nn.Linear(54, 5)

        def forward(self, x: Tensor) -> Tensor:
            both = torch.cat(tensors=[self.b(x), F.relu(self.act(self.a(x)) * 2)], dim=1)
            return self.head(self.norm(torch.flatten(F.avg_pool2d(both, 2), 1)))

    torch.manual_seed(0)
    model = seasoned(Net()).double()
    for layer in ("a", "b"):
        assert gap(model, wider(model, layer, 7, generator()), images(8).double()) < 1e-12


def test_training_mode_is_kept_too() -> None:
    model = network("plain20_cifar").double().train()
    wide = wider(model, "layer1.0.conv1", 24, generator())
    assert wide.training and gap(model, wide, images(32, n=4).double()) < 1e-10
    assert torch.allclose(wide.layer1[0].bn1.running_var[:16], model.layer1[0].bn1.running_var)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_only_noise_lets_copies_part(noise: float) -> None:
    model = network("plain20_cifar", depths=(1, 1, 1)).double()
    wide = wider(model, "layer1.0.conv1", 32, generator(), noise=noise).train()
    origin = torch.randint(16, (16,), generator=generator())
    assert (gap(model.eval(), copy.deepcopy(wide).eval(), images(32).double()) < 1e-10) == (noise == 0)
    optimizer = torch.optim.SGD(wide.parameters(), lr=0.05)
    weight = wide.layer1[0].conv1.weight
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(wide(images(32, n=4).double()), torch.arange(4)).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in wide.parameters())
        optimizer.step()
    pulls = weight.grad[16:] - weight.grad[origin]
    assert (pulls.norm() > 1e-2 * weight.grad[16:].norm()) if noise else (pulls.abs().max() < 1e-10)
    assert torch.allclose(weight[16:], weight[origin], atol=1e-10) == (noise == 0)


def test_the_models_own_parameters_are_left_alone() -> None:
    model = network("lenet5_modern", in_channels=1)
    before = copy.deepcopy(model.state_dict())
    wide = wider(model, "features.conv1", 9, generator(), noise=0.1)
    deep = deeper(model, "features.conv1", images(32, 1, n=8))
    for grown in (wide, deep):
        F.cross_entropy(grown(images(32, 1)), torch.tensor([0, 1])).backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "arguments", "layer", "words"),
    [
        ("plain20_cifar", {}, "conv9", "no layer 'conv9'"),
        ("plain20_cifar", {}, "bn1", "makes no channels of its own"),
        ("plain20_cifar", {}, "fc", "the model's output"),
        ("resnet20_cifar", {"shortcut": "A"}, "layer1.0.conv2", "is tied to"),
        ("cbam_resnet20_cifar", {"shortcut": "B"}, "layer1.0.conv2", "cannot be widened"),
        ("resnext29_8x64d_cifar", {"base_width": 4}, "layer1.0.conv1", "grouped convolution"),
        ("resnext29_8x64d_cifar", {"base_width": 4}, "layer1.0.conv2", "grouped convolution"),
        ("fractalnet20_cifar", {}, "stem.0", "cannot follow FractalNet"),
    ],
)
def test_wider_refuses_in_one_line(name: str, arguments: dict, layer: str, words: str) -> None:
    with pytest.raises(Net2NetError, match=words) as caught:
        wider(network(name, **arguments), layer, 4000, generator())
    assert "\n" not in str(caught.value)


def test_a_layer_shared_between_wide_and_narrow_inputs_is_refused() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.shared = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1)

        def forward(self, x: Tensor) -> Tensor:
            return (self.shared(self.a(x)) + self.shared(self.b(x))).mean((2, 3))

    for layer in ("a", "b"):
        with pytest.raises(Net2NetError, match="called twice"):
            wider(Shared(), layer, 6, generator())


def test_a_network_that_decides_by_its_input_is_refused() -> None:
    class Deciding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.a(x)
            return self.b(x if x.sum() > 0 else x.flip(1))

    with pytest.raises(Net2NetError, match="cannot follow Deciding"):
        wider(Deciding(), "a", 6, generator())


def test_wider_refuses_what_it_cannot_mean() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with pytest.raises(Net2NetError, match="has 3 channels already"):
        wider(model, "0", 2, generator())
    with pytest.raises(Net2NetError, match="noise"):
        wider(model, "0", 4, generator(), noise=-1)
    with pytest.raises(Net2NetError, match="parametrization"):
        wider(max_norm(copy.deepcopy(model), 3.0), "0", 4, generator())
    with pytest.raises(Net2NetError, match="Softmax"):
        wider(nn.Sequential(nn.Linear(2, 3), nn.Softmax(1), nn.Linear(3, 1)), "0", 4, generator())


DEEPENED = [
    ("lenet5_modern", {}, (32, 1), ["features.conv1", "features.pool2", "classifier.fc1"]),
    ("vgg11_bn", VGG, (32, 3), ["features.0", "classifier.3"]),
    ("plain20_cifar", {}, (32, 3), ["conv1", "layer2.0.bn1", "layer2.0.conv2"]),
    ("resnet20_cifar", {}, (32, 3), ["layer2.0.conv1"]),
    ("mobilenet_v1", {"width_mult": 0.25}, (64, 3), ["stem", "blocks.3.depthwise"]),
    ("googlenet", {"norm": True}, (64, 3), ["inception3a.1.1"]),
]


@pytest.mark.parametrize(("name", "arguments", "size", "places"), DEEPENED, ids=[row[0] for row in DEEPENED])
def test_deeper_keeps_the_function(
    name: str, arguments: dict, size: tuple[int, int], places: list[str]
) -> None:
    model, x = network(name, in_channels=size[1], **arguments), images(*size)
    batch = images(*size, n=6) + 0.3  # its statistics need not be those of what comes later
    parameters = sum(p.numel() for p in model.parameters())
    for place in places:
        for met in (None, batch):
            deep = deeper(model, place, met)
            assert gap(model, deep, x) < 1e-5
            assert sum(p.numel() for p in deep.parameters()) > parameters
    assert gap(model.double(), deeper(model, places[0], batch), x.double()) < 1e-12


def test_a_new_norm_is_transparent_in_training_for_the_images_it_was_set_by() -> None:
    model, batch = network("plain20_cifar").double().train(), images(32, n=8).double()
    deep = deeper(model, "layer1.0.conv1", batch)
    assert deep.training and gap(copy.deepcopy(model), copy.deepcopy(deep), batch) < 1e-10
    assert gap(model, deep, batch * 1.5) < 0.3  # nearly for others


def test_a_deeper_network_trains_its_new_layer() -> None:
    model = deeper(network("plain20_cifar", depths=(1, 1, 1)), "conv1", images(32, n=4)).train()
    F.cross_entropy(model(images(32)), torch.tensor([0, 1])).backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.bn1.parameters()
    )


@pytest.mark.parametrize(
    ("name", "arguments", "after", "words"),
    [
        ("lenet5_modern", {"activation": "tanh"}, "features.conv1", "meets Tanh"),
        ("lenet5_modern", {}, "classifier.fc3", "meets output"),
        ("plain20_cifar", {}, "layer1.0.relu", "called 2 times"),
        ("plain20_cifar", {}, "nothing", "no layer 'nothing'"),
        ("mobilenet_v3_large", {}, "features.0", "no identity fits"),
    ],
)
def test_deeper_refuses_in_one_line(name: str, arguments: dict, after: str, words: str) -> None:
    with pytest.raises(Net2NetError, match=words) as caught:
        deeper(network(name, **arguments), after)
    assert "\n" not in str(caught.value)


def test_an_identity_kernel_needs_a_centre() -> None:
    with pytest.raises(Net2NetError, match="odd"):
        deeper(network("lenet5_modern"), "features.conv1", kernel_size=2)

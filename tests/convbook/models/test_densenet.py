import pytest
import torch
import torchvision
from proof import assert_same_function, parameters, shapes
from torch import nn

from convbook import create_model
from convbook.models import load_torchvision_weights
from convbook.models.densenet import DenseLayer

SMALL = {"depths": (2, 3, 2), "growth_rate": 4, "num_classes": 10}


def test_torchvisions_weights_load_and_compute_the_same():
    torch.manual_seed(0)
    theirs = torchvision.models.DenseNet(4, (2, 3, 2), 8, bn_size=4, num_classes=10)
    ours = create_model("densenet121", **SMALL)
    # torchvision's last norm is number 5 whatever the number of blocks
    state = {key.replace("norm5", "norm4"): value for key, value in theirs.state_dict().items()}
    load_torchvision_weights(ours, state)
    assert_same_function(ours.double(), theirs.double(), 64)


def test_densenet121_with_torchvisions_weights_gives_its_logits():
    torch.manual_seed(0)
    theirs = torchvision.models.densenet121(weights=None).eval()
    ours = load_torchvision_weights(create_model("densenet121"), theirs.state_dict()).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("name", ["densenet121", "densenet169", "densenet201"])
def test_every_tensor_has_torchvisions_name_and_shape(name):
    with torch.device("meta"):
        assert shapes(create_model(name)) == shapes(torchvision.models.get_model(name, weights=None))


def by_hand(depths: tuple[int, ...], k: int, *, bc: bool, imagenet: bool, classes: int) -> int:
    """Parameters by table 1 and section 3: convolutions without biases, a norm before each but the first."""
    channels = 16 if not bc else 2 * k
    count = 3 * channels * 49 + 2 * channels if imagenet else 3 * channels * 9
    for i, depth in enumerate(depths):
        for _ in range(depth):
            if bc:
                count += 2 * channels + channels * 4 * k + 2 * 4 * k + 4 * k * k * 9
            else:
                count += 2 * channels + channels * k * 9
            channels += k
        if i < len(depths) - 1:
            kept = channels // 2 if bc else channels
            count += 2 * channels + channels * kept
            channels = kept
    return count + 2 * channels + channels * classes + classes


@pytest.mark.parametrize(
    ("name", "depths", "k", "bc", "layers", "million"),
    [
        ("densenet264", (6, 12, 64, 48), 32, True, 265, 33.3),  # one more than its name says
        ("densenet100_12_cifar", (32,) * 3, 12, False, 100, 7.0),
        ("densenetbc100_12_cifar", (16,) * 3, 12, True, 100, 0.8),
        ("densenetbc250_24_cifar", (41,) * 3, 24, True, 250, 15.3),
        ("densenetbc190_40_cifar", (31,) * 3, 40, True, 190, 25.6),
    ],
)
def test_parameters_and_depth_are_those_counted_by_hand(name, depths, k, bc, layers, million):
    imagenet = not name.endswith("_cifar")
    with torch.device("meta"):
        model = create_model(name)
    count = by_hand(depths, k, bc=bc, imagenet=imagenet, classes=1000 if imagenet else 10)
    assert parameters(model) == count
    assert round(count / 1e6, 1) == million
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == layers


def test_every_layer_reads_the_maps_of_all_before_it():
    block = create_model("densenetbc100_12_cifar", **SMALL).features.denseblock2.eval()
    first = block["denselayer1"].norm1.num_features
    assert [layer.norm1.num_features for layer in block.values()] == [first, first + 4, first + 8]
    x = torch.randn(1, first, 5, 5)
    out = block(x)
    torch.testing.assert_close(out[:, :first], x)  # passed on as it came
    torch.testing.assert_close(out[:, -4:], block["denselayer3"]([out[:, :-4]]))


def step(memory_efficient: bool, bottleneck: int | None) -> tuple[list[torch.Tensor], int]:
    """Output, gradients and statistics after one training step, and the bytes kept for the way back."""
    torch.manual_seed(0)
    model = create_model(
        "densenetbc100_12_cifar",
        depths=(12,),  # what is saved grows with the square of it
        growth_rate=4,
        bottleneck=bottleneck,
        dropout=0.2,
        memory_efficient=memory_efficient,
    ).double()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    kept = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.__setitem__(t.untyped_storage().data_ptr(), t.untyped_storage().nbytes()) or t,
        lambda t: t,
    ):
        out = model(images)
    out.square().sum().backward()
    found = [out, *(p.grad for p in model.parameters()), *model.buffers()]
    return [t.detach() for t in found], sum(kept.values())


@pytest.mark.parametrize("bottleneck", [None, 4])
def test_computing_twice_keeps_less_and_changes_neither_gradients_nor_statistics(bottleneck):
    usual, bytes_usual = step(False, bottleneck)
    thrifty, bytes_thrifty = step(True, bottleneck)
    for ours, other in zip(thrifty, usual, strict=True):
        torch.testing.assert_close(ours, other)
    assert bytes_thrifty < 0.7 * bytes_usual


def test_dropout_follows_every_convolution_but_the_first():
    model = create_model("densenet100_12_cifar", **SMALL, dropout=0.5)
    assert model.features.transition1.drop.p == 0.5
    torch.manual_seed(0)
    layer = DenseLayer(4, 8, dropout=0.5).train()
    assert (layer([torch.randn(2, 4, 6, 6)]) == 0).float().mean().item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"compression": 0.0}, "compression=0.0 keeps no channels"),
        ({"compression": 1.5}, "take one in"),
        ({"stem": "tiny"}, "stem='tiny' is unknown"),
        ({"dropout": 1.0}, "dropout=1.0 is no probability"),
    ],
)
def test_an_impossible_network_is_refused_at_once_in_one_line(overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model("densenet121", **overrides)
    assert "\n" not in str(caught.value)

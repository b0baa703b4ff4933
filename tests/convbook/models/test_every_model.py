"""What each network of the registry must be able to do, whatever its family."""

import copy

import pytest
import torch
from torch import nn

from convbook import create_model, describe, list_models

NAMES = list_models()
LENETS = list_models("lenet*")
# Small relatives of each class, with every option that a variant uses: quick enough to run for real.
SMALL = {
    "lenet5": ({"image_size": 20}, 20),
    "lenet5_modern": ({"image_size": 20}, 20),
    "alexnet": ({"widths": (8, 8, 8, 8, 8)}, 65),
    "alexnet_one_tower": ({"widths": (8, 8, 8, 8, 8)}, 65),
    "resnet18": ({"depths": (1, 1, 1, 1), "widths": (8, 8, 16, 16)}, 40),
    "plain18": ({"depths": (1, 1, 1, 1), "widths": (8, 8, 16, 16)}, 40),
    "resnext50_32x4d": ({"depths": (1, 1, 1), "widths": (16, 32, 64), "cardinality": 4}, 34),
    "resnet20_cifar": ({"depths": (1, 1, 1), "widths": (8, 16, 32)}, 17),
    "plain20_cifar": ({"depths": (1, 1, 1), "widths": (8, 16, 32)}, 17),
    "resnext29_8x64d_cifar": ({"depths": (1, 1), "widths": (16, 32), "cardinality": 2}, 17),
    "se_resnet20_cifar": ({"depths": (1, 1, 1)}, 17),
    "cmpe_resnet20_cifar": ({"depths": (1, 1, 1)}, 17),
    "cbam_resnet20_cifar": ({"depths": (1, 1, 1)}, 17),
    "scse_resnet20_cifar": ({"depths": (1, 1, 1)}, 17),
    "mobilenet_v1": ({"width_mult": 0.25, "stem_stride": 1}, 18),
    "mobilenet_v1_full": ({"width_mult": 0.25, "config": ((16, 1), (32, 2))}, 18),
    "mobilenet_v1_shallow": ({"width_mult": 0.25}, 33),
    "mobilenet_v2": ({"width_mult": 0.25, "stem_stride": 1}, 18),
}
ONE_OF_EACH_KIND = [*SMALL, "resnet50", "se_resnet50", "cbam_resnet18"]


def small(name: str, **overrides: object) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    kwargs, side = SMALL[name]
    model = create_model(name, in_channels=2, num_classes=5, **{**kwargs, **overrides})
    return model, torch.randn(2, 2, side, side)


@pytest.mark.parametrize("name", NAMES)
def test_native_images_give_a_logit_a_class(name):
    spec = describe(name)
    with torch.device("meta"):
        model = create_model(name)
        assert model(torch.empty(2, *spec.input_size)).shape == (2, spec.num_classes)


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_channels_classes_and_size_are_free(name):
    _, height, width = describe(name).input_size
    other = {"image_size": 48} if name in LENETS else {}
    size = (48, 48) if name in LENETS else (height + 32, width + 64)
    with torch.device("meta"):
        model = create_model(name, in_channels=5, num_classes=7, **other)
        assert model(torch.empty(2, 5, *size)).shape == (2, 7)


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_too_small_an_image_is_refused_in_one_line_with_the_least_size(name):
    channels, *_ = describe(name).input_size
    with torch.device("meta"):
        model = create_model(name).eval()
        with pytest.raises(
            ValueError, match=r"images of 1x1 pixels are too small: at least (\d+)x\1"
        ) as caught:
            model(torch.empty(1, channels, 1, 1))
        least = int(str(caught.value).split("at least ")[1].split("x")[0])
        model(torch.empty(1, channels, least, least))  # the size it names is indeed legal
        with pytest.raises(ValueError, match="too small"):
            model(torch.empty(1, channels, least, least - 1))


@pytest.mark.parametrize("name", SMALL)
def test_wrong_channels_and_missing_batch_are_refused(name):
    model, images = small(name)
    with pytest.raises(ValueError, match="in_channels=2"):
        model(images[:, :1])
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        model(images[0])


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_gets_a_finite_gradient(name):
    model, images = small(name)
    nn.functional.cross_entropy(model(images), torch.tensor([1, 4])).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("name", SMALL)
def test_state_dict_makes_a_second_network_the_same_function(name):
    model, images = small(name)
    model(images)  # moves the running statistics
    torch.manual_seed(1)
    other = create_model(name, in_channels=2, num_classes=5, **SMALL[name][0])
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other.eval()(images), model.eval()(images), rtol=0, atol=0)


@pytest.mark.parametrize("name", SMALL)
def test_channels_last_changes_the_layout_and_nothing_else(name):
    model, images = small(name)
    model = model.double().eval()
    images = images.double()
    there = copy.deepcopy(model).to(memory_format=torch.channels_last)
    torch.testing.assert_close(there(images.to(memory_format=torch.channels_last)), model(images))


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_autocast_stays_near_float32(name):
    model, images = small(name)
    model.eval()
    exact = model(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(images)
    difference = (rounded.float() - exact).norm() / exact.norm()
    assert difference < 0.05


@pytest.mark.parametrize(
    "name", ["lenet5", "alexnet", "resnext50_32x4d", "cbam_resnet20_cifar", "mobilenet_v1"]
)
def test_torch_export_gives_the_same_function(name):
    model, images = small(name)
    model.eval()
    exported = torch.export.export(model, (images,)).module()
    torch.testing.assert_close(exported(images), model(images))


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_fixes_the_initial_weights(name):
    first, images = small(name)
    second, _ = small(name)
    torch.testing.assert_close(first.eval()(images), second.eval()(images), rtol=0, atol=0)

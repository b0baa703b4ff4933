"""What each network of the registry must be able to do, whatever its family."""

import copy
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from convbook import create_model, describe, list_models
from convbook.profile import profile
from convbook.shapes import ShapesOnly

NAMES = list_models()
# Small relatives of each class, with every option that a variant uses: quick enough to run for real. The
# small_*.py beside this file give (overrides, side of the images) under "name" or "name+what is special".
SMALL: dict[str, tuple[dict, int]] = {}
for _path in sorted(Path(__file__).parent.glob("small_*.py")):
    SMALL |= import_module(_path.stem).SMALL


def small(key: str, **overrides: object) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    kwargs, side = SMALL[key]
    model = create_model(key.partition("+")[0], in_channels=2, num_classes=5, **{**kwargs, **overrides})
    return model, torch.randn(2, 2, side, side)


def all_logits(model: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """What a network is trained on: its logits, or those of every exit where it has early ones."""
    return model.exits(images) if hasattr(model, "exits") else [model(images)]


def first(out: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    """What a profile takes for a module's output where it gives several."""
    return out[0] if isinstance(out, tuple) else out


def test_every_class_has_a_small_relative_here():
    shown = {describe(key.partition("+")[0]).cls for key in SMALL}
    assert {describe(name).cls for name in NAMES} <= shown


@pytest.mark.parametrize("name", NAMES)
def test_native_images_give_a_logit_a_class_or_one_a_class_and_pixel(name):
    spec = describe(name)
    with torch.device("meta"), torch.no_grad(), ShapesOnly():
        logits = all_logits(create_model(name), torch.empty(2, *spec.input_size))
    whole = (2, spec.num_classes)
    assert {x.shape for x in logits} in ({whole}, {(*whole, *spec.input_size[1:])})


@pytest.mark.parametrize("name", NAMES)
def test_channels_classes_and_size_are_free(name):
    _, height, width = describe(name).input_size
    fixed = "image_size" in describe(name).arguments
    other = {"image_size": height + 16} if fixed else {}
    size = (height + 16, width + 16) if fixed else (height + 32, width + 64)
    with torch.device("meta"), torch.no_grad(), ShapesOnly():
        model = create_model(name, in_channels=5, num_classes=7, **other)
        assert first(model(torch.empty(2, 5, *size))).shape in {(2, 7), (2, 7, *size)}


@pytest.mark.parametrize("name", sorted({key.partition("+")[0] for key in SMALL}))
def test_too_small_an_image_is_refused_in_one_line_with_the_least_size(name):
    channels, *_ = describe(name).input_size
    with torch.device("meta"), torch.no_grad(), ShapesOnly():
        model = create_model(name).eval()
        with pytest.raises(
            ValueError, match=r"images of 0x0 pixels are too small: at least (\d+)x\1"
        ) as caught:
            model(torch.empty(1, channels, 0, 0))
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
    loss = torch.zeros(())
    for logits in all_logits(model, images):
        labels = torch.tensor([1, 4]).view(2, *[1] * (logits.ndim - 2))  # of every pixel, where it is dense
        loss = loss + nn.functional.cross_entropy(logits, labels.expand(2, *logits.shape[2:]))
    loss.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("name", SMALL)
def test_state_dict_makes_a_second_network_the_same_function(name):
    model, images = small(name)
    model(images)  # moves the running statistics
    torch.manual_seed(1)
    other = create_model(name.partition("+")[0], in_channels=2, num_classes=5, **SMALL[name][0])
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


@pytest.mark.parametrize("name", [name for name in SMALL if "+" not in name])  # it takes seconds each
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


@pytest.mark.parametrize("name", SMALL)
def test_a_profile_has_the_shapes_of_a_real_forward_pass(name):
    model, images = small(name)
    model.eval()
    shapes = {}
    handles = [
        module.register_forward_hook(
            lambda m, a, out, path=path: shapes.update({path: tuple(first(out).shape[1:])})
        )
        for path, module in model.named_modules()
        if next(module.children(), None) is None
    ]
    with torch.no_grad():
        model(images)
    for handle in handles:
        handle.remove()
    rows = [row for row in profile(model, images.shape[1:]).rows if row.name in shapes]
    assert len(rows) > 2
    assert {row.name: row.output_shape for row in rows} == {row.name: shapes[row.name] for row in rows}

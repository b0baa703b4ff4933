"""The all convolutional net: each form counted by hand from tables 1 and 2, and its function written out."""

import pytest
import torch
import torch.nn.functional as F
from proof import parameters, run

from convbook import create_model

# (side of the kernel, channels in, channels out) of each convolution, copied from Springenberg et al. 2015.
TOP = [(3, 192, 192), (1, 192, 192), (1, 192, 10)]
TABLE_1 = {
    "a": [(5, 3, 96), (5, 96, 192), *TOP],
    "b": [(5, 3, 96), (1, 96, 96), (5, 96, 192), (1, 192, 192), *TOP],
    "c": [(3, 3, 96), (3, 96, 96), (3, 96, 192), (3, 192, 192), *TOP],
}
ADDED = {"base": [], "strided": [], "conv-pool": [(3, 96, 96), (3, 192, 192)]}  # table 2
ADDED["all-conv"] = ADDED["conv-pool"]


@pytest.mark.parametrize("form", ADDED)
@pytest.mark.parametrize("letter", TABLE_1)
def test_parameters_are_those_of_the_tables(letter, form):
    layers = TABLE_1[letter] + ADDED[form]
    with torch.device("meta"):
        model = create_model(f"allcnn_{letter}_cifar", form=form)
    assert parameters(model) == sum(k * k * i * o + o for k, i, o in layers)


@pytest.mark.parametrize("form", ADDED)
@pytest.mark.parametrize("letter", TABLE_1)
def test_the_last_maps_are_6x6_as_table_1_averages(letter, form):
    with torch.device("meta"):
        model = create_model(f"allcnn_{letter}_cifar", form=form)
        halved = model.features(torch.empty(1, 3, 32, 32))
        maps = model.classifier[:6](halved)
    assert halved.shape == (1, 192, 8, 8)
    assert maps.shape == (1, 10, 6, 6)


def test_the_best_known_count_of_all_cnn_c():
    with torch.device("meta"):
        assert parameters(create_model("allcnn_c_cifar")) == 1_369_738


def conv(x, layer, stride=1, padding=1):
    return F.relu(F.conv2d(x, next(layer), next(layer), stride, padding))


def top(x, layer):
    return conv(conv(conv(x, layer, padding=0), layer, padding=0), layer, padding=0).mean((2, 3))


def all_conv(x, layer):
    for _ in range(2):
        x = conv(conv(conv(x, layer), layer), layer, stride=2)
    return top(x, layer)


def base(x, layer):
    for _ in range(2):
        x = F.max_pool2d(conv(conv(x, layer), layer), 3, 2, 1)
    return top(x, layer)


def strided(x, layer):
    for _ in range(2):
        x = conv(conv(x, layer), layer, stride=2)
    return top(x, layer)


def conv_pool(x, layer):
    for _ in range(2):
        x = F.max_pool2d(conv(conv(conv(x, layer), layer), layer), 3, 2, 1)
    return top(x, layer)


@pytest.mark.parametrize("written", [all_conv, base, strided, conv_pool], ids=lambda f: f.__name__)
def test_each_form_is_the_function_of_table_2(written):
    torch.manual_seed(0)
    stages = (((3, 8), (3, 8)), ((3, 16), (3, 16)))
    form = written.__name__.replace("_", "-")
    model = create_model("allcnn_c_cifar", stages=stages, form=form, dropout=(0, 0)).double()
    images = torch.randn(2, 3, 17, 20, dtype=torch.float64)
    logits, gradient, _ = run(model, images)
    images.requires_grad_()
    expected = written(images, model.parameters())
    expected.square().sum().backward()
    assert logits.abs().sum() > 0
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient, images.grad, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", ADDED)
def test_dropout_stands_before_the_first_layer_and_after_each_stage(form):
    model = create_model("allcnn_a_cifar", form=form)
    kinds = [type(m).__name__ for m in model.features]
    assert kinds.count("Dropout") == 3
    assert (kinds[0], kinds[-1]) == ("Dropout", "Dropout")
    assert [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)] == [0.2, 0.5, 0.5]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"form": "pool"}, "base, strided, conv-pool, all-conv"),
        ({"stages": ()}, "stages"),
        ({"stages": ((),)}, "stages"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(overrides, message):
    with pytest.raises(ValueError, match=message) as caught:
        create_model("allcnn_c_cifar", **overrides)
    assert "\n" not in str(caught.value)

"""The lab on convolution by hand: solutions pass, mistakes are told apart, numbers are the paper's."""

import pytest
import torch
from solved import define, message

from convbook.lab import Lab
from convbook.models import create_model
from convbook.models.lenet import connections

EXERCISES = list(Lab("convolution").checks)
SHIFTED = "x[:, :, rows, columns]"

# what went wrong: (exercise, what stands in the solution, what a student wrote, a word of the hint)
MISTAKES = {
    "padding at one end": ("output_size", "2 * padding", "padding", "both ends"),
    "last place forgotten": ("output_size", "// stride + 1", "// stride", "count the places"),
    "a size that is no int": ("output_size", "// stride", "/ stride", "int, not float"),
    "windows that stick out": (
        "output_size",
        "(size + 2 * padding - kernel) // stride + 1",
        "-(-(size + 2 * padding - kernel) // stride) + 1",
        "sticks out",
    ),
    "no bias": ("conv_by_hand", "bias.view(1, -1, 1, 1)", "0 * bias.view(1, -1, 1, 1)", "bias is missing"),
    "mirrored kernel": ("conv_by_hand", "weight[:, :, i, j]", "weight[:, :, -1 - i, -1 - j]", "mirrored"),
    "turned kernel": ("conv_by_hand", "weight[:, :, i, j]", "weight[:, :, j, i]", "exchanged"),
    "no padding": ("conv_by_hand", "(padding, padding, padding, padding)", "(0, 0, 0, 0)", "shape"),
    "padded downwards only": (
        "conv_by_hand",
        "(padding, padding, padding, padding)",
        "(padding, padding, 0, 2 * padding)",
        "padding 2",
    ),
    "stride left out": ("conv_by_hand", SHIFTED, "x[:, :, i : i + height, j : j + width]", "stride 2"),
    "PyTorch did it": ("conv_by_hand", "    return y", "    return F.conv2d(x, weight)", "without conv2d"),
    "looked up as text": (
        "conv_by_hand",
        "    return y",
        "    return getattr(F, 'conv' + '2d')(x, weight)",
        "without getattr",
    ),
    "from zero": ("max_pool", "amax(dim=0)", "amax(dim=0).clamp(min=0)", "negative"),
    "smallest value": ("max_pool", "amax", "amin", "largest"),
    "PyTorch's pooling": ("max_pool", "    return ", "    return F.max_pool2d(x, 2) + ", "max_pool2d"),
    "mean of four": ("subsample", "inner = total", "inner = total / 4", "not averaged"),
    "plain tanh": ("subsample", "1.7159 * torch.tanh(2 / 3 * inner)", "torch.tanh(inner)", "two constants"),
    "no squashing": ("subsample", "1.7159 * torch.tanh(2 / 3 * inner)", "9 * inner", "beyond"),
    "bias after the squashing": (
        "subsample",
        "1.7159 * torch.tanh(2 / 3 * inner)",
        "1.7 * torch.tanh(inner - bias.view(-1, 1, 1))",
        "only then",
    ),
    "mean over images": ("gradient_for_weight", "return result", "return result / len(x)", "average"),
    "weights turned": ("gradient_for_weight", "result[:, :, i, j]", "result[:, :, j, i]", "each weight"),
    "automatic derivative": (
        "gradient_for_weight",
        "    return result",
        "    return torch.autograd.grad(result, x)",
        "without autograd",
    ),
    "overwritten": ("gradient_for_input", "+= sent", "= sent", "send back"),
    "padding not cut off": (
        "gradient_for_input",
        "result[:, :, padding : padding + high, padding : padding + wide]",
        "result",
        "shape",
    ),
    "a bias for each pair": ("conv_counts", "+ maps_out", "+ pairs", "one bias for each output map"),
    "biases used once": (
        "conv_counts",
        "parameters * (size - kernel + 1) ** 2",
        "pairs * kernel**2 * (size - kernel + 1) ** 2 + maps_out",
        "places",
    ),
    "padded convolution": ("LeNet5", "nn.Conv2d(6, 16, 5)", "nn.Conv2d(6, 16, 5, padding=2)", "raised"),
    "a layer without bias": ("LeNet5", "nn.Linear(120, 84)", "nn.Linear(120, 84, bias=False)", "bias"),
    "too few maps": ("LeNet5", "nn.Conv2d(in_channels, 6, 5)", "nn.Conv2d(in_channels, 4, 5)", "table"),
    "squashed logits": (
        "LeNet5",
        "self.classifier(self.features(x))",
        "F.relu(self.classifier(self.features(x)))",
        "every layer but the last",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solved_source_passes_and_the_untouched_one_does_not(name):
    assert message("convolution", define("convolution", name)) == ""
    assert message("convolution", define("convolution", name, solved=False)) == "not written yet"


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_planted_mistake_gets_a_hint(mistake):
    name, old, new, hint = MISTAKES[mistake]
    said = message("convolution", define("convolution", name, old, new))
    assert said.startswith("not yet") and hint in said, said


def test_a_convolution_small_enough_for_paper():
    convolve, pool = define("convolution", "conv_by_hand"), define("convolution", "max_pool")
    x = torch.arange(9.0).view(1, 1, 3, 3)
    weight = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    # top left: 0*1 + 1*2 + 3*3 + 4*4 = 27, plus 1 of bias; a step adds 10 to the right, 30 downwards
    assert convolve(x, weight, torch.ones(1)).tolist() == [[[[28, 38], [58, 68]]]]
    assert convolve(x, weight, torch.zeros(1), 2, 1).tolist() == [[[[0, 11], [30, 67]]]]
    assert pool(x, 2, 1).tolist() == [[[[4, 5], [7, 8]]]]


def test_gradients_small_enough_for_paper():
    x, upstream = torch.arange(9.0).view(1, 1, 3, 3), torch.ones(1, 1, 2, 2)
    weight = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    for_weight = define("convolution", "gradient_for_weight")(x, upstream, 2)
    for_input = define("convolution", "gradient_for_input")(weight, upstream, (3, 3))
    assert for_weight.tolist() == [[[[8, 12], [20, 24]]]]  # sums of the four 2x2 squares
    assert for_input.tolist() == [[[[1, 3, 2], [4, 10, 6], [3, 7, 4]]]]  # the middle is read with all four


def test_counts_are_those_that_the_paper_prints():
    count = define("convolution", "conv_counts")
    used = connections(create_model("lenet5"))
    layers = {"C1": (32, 5, 6, 6), "C3": (14, 5, 60, 16), "C5": (5, 5, 1920, 120)}
    assert {name: count(*layer)[1] for name, layer in layers.items()} == {name: used[name] for name in layers}
    assert [count(*layer)[0] for layer in layers.values()] == [156, 1_516, 48_120]


def test_subsampling_maps_one_to_one():
    subsample = define("convolution", "subsample")
    y = subsample(torch.ones(1, 2, 2, 2), torch.tensor([0.25, -0.25]), torch.zeros(2))
    assert torch.allclose(y.flatten(), torch.tensor([1.0, -1.0]), atol=1e-4)


def test_a_convolution_of_another_kind_passes():
    def conv_by_hand(x, weight, bias, stride=1, padding=0):
        k = weight.shape[-1]
        x = torch.nn.functional.pad(x, [padding] * 4)
        n, c, *sides = x.shape
        h, w = [(side - k) // stride + 1 for side in sides]
        a, b, i, j = x.stride()
        windows = x.as_strided((n, h, w, c, k, k), (a, i * stride, j * stride, b, i, j))
        return (windows.flatten(3) @ weight.flatten(1).T + bias).permute(0, 3, 1, 2)

    assert message("convolution", conv_by_hand) == ""

"""The lab on receptive fields: solutions pass, mistakes are told apart, other counts agree."""

import pytest
import torch
from solved import define, message
from torch import nn

from convbook.lab import Lab
from convbook.profile import profile

EXERCISES = list(Lab("receptive").checks)
FORWARD = "self.head(self.features(x).mean(dim=(2, 3)))"

# what went wrong: (exercise, what stands in the solution, what a student wrote, a word of the hint)
MISTAKES = {
    "no pixel to begin with": ("receptive_field", "field = jump = 1", "field, jump = 0, 1", "there already"),
    "whole kernels added": ("receptive_field", "(kernel - 1)", "kernel", "too large"),
    "dilation forgotten": ("receptive_field", " * dilation", "", "dilated"),
    "jump forgotten": ("receptive_field", "dilation * jump", "dilation", "a jump apart"),
    "strides added": ("receptive_field", "jump *= stride", "jump += stride - 1", "a jump apart"),
    "one number": ("receptive_field", "return field, jump", "return field", "two ints"),
    "own stride counted": (
        "receptive_field",
        "        field += (kernel - 1) * dilation * jump\n        jump *= stride\n",
        "        jump *= stride\n        field += (kernel - 1) * dilation * jump\n",
        "own stride",
    ),
    "padding at the right only": ("input_box", "first * stride - padding", "first * stride", "below 0"),
    "clipped at the edge": ("input_box", "return first, last", "return max(first, 0), last", "below 0"),
    "padding added": ("input_box", "return first, last", "return -first, last - 2 * first", "too far right"),
    "box without its dilation": ("input_box", " * dilation", "", "dilated"),
    "first layer first": ("input_box", "reversed(layers)", "layers", "a jump apart"),
    "kernel over three": ("stack_for", "(kernel - 1) // 2", "-(-kernel // 3)", "each layer add"),
    "one layer's weights": ("stack_for", "depth * 9 * channels**2", "9 * channels**2", "every layer"),
    "channels not squared": ("stack_for", "kernel**2 * channels**2", "kernel**2 * channels", "single"),
    "cancelled over channels": (
        "influence",
        "gradient.abs().sum(dim=1).mean(dim=0)",
        "gradient.sum(dim=1).abs().mean(dim=0)",
        "cancelled",
    ),
    "signed": ("influence", "gradient.abs()", "gradient", "never negative"),
    "added over images": ("influence", ".mean(dim=0)", ".sum(dim=0)", "average"),
    "row for column": ("influence", "row, column].sum()", "column, row].sum()", "exchanged"),
    "ReLU at the end": ("influence", "number < len(weights)", "number", "last convolution has no ReLU"),
    "no ReLU at all": ("influence", "x = F.relu(x)", "pass", "ReLUs"),
    "image of its own": ("influence", "return gradient.abs().sum(dim=1)", "return gradient.abs()", "shape"),
    "no ReLU in the stage": ("vgg_stage", ", nn.ReLU()]", "]", "a ReLU after each"),
    "no pooling": ("vgg_stage", "*layers, nn.MaxPool2d(2)", "*layers", "shape"),
    "mean pooling": ("vgg_stage", "nn.MaxPool2d(2)", "nn.AvgPool2d(2)", "maximum"),
    "one layer too many": ("vgg_stage", "range(depth)", "range(depth + 1)", "convolutions of 3x3"),
    "wide before the end": (
        "vgg_stage",
        "        channels_in = channels_out\n",
        "        channels_in = channels_out\n        channels_out += 1\n",
        "layer by layer",
    ),
    "no biases": ("VGG", "padding=1)", "padding=1, bias=False)", "have biases"),
    "largest value for the mean": ("VGG", "mean(dim", "amax(dim", "mean of each map"),
    "ReLU on the logits": ("VGG", FORWARD, f"F.relu({FORWARD})", "numbers differ"),
    "list used up": ("VGG", "for each in config:", "while config:\n            each = config.pop(0)", "as"),
    "batch norm": ("VGG", "nn.ReLU()]", "nn.BatchNorm2d(each), nn.ReLU()]", "before batch norm"),
    "all layers inside": (
        "hidden_width",
        "9 * (2 * channels * width + (depth - 2) * width**2)",
        "9 * depth * width**2",
        "first layer reads c",
    ),
    "largest below": ("hidden_width", "abs(stack(width) - single)", "single - stack(width)", "too wide"),
    "the larger of two": ("hidden_width", "range(1, 3 * channels)", "range(3 * channels, 0, -1)", "smaller"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solved_source_passes_and_the_untouched_one_does_not(name):
    assert message("receptive", define("receptive", name)) == ""
    assert message("receptive", define("receptive", name, solved=False)) == "not written yet"


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_planted_mistake_gets_a_hint(mistake):
    name, old, new, hint = MISTAKES[mistake]
    said = message("receptive", define("receptive", name, old, new))
    assert said.startswith("not yet") and hint in said, said


def test_box_and_field_agree_with_what_a_layer_really_reads():
    layers = [(3, 2, 1, 1), (3, 1, 2, 2), (2, 2, 0, 1)]
    box, field = define("receptive", "input_box"), define("receptive", "receptive_field")
    net = nn.Sequential(*[nn.Conv1d(1, 1, k, s, p, d) for k, s, p, d in layers])
    for conv in net:
        nn.init.ones_(conv.weight)
    x = torch.zeros(1, 1, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x)[0, 0, 8], x)
    reached = gradient[0, 0].nonzero().flatten().tolist()
    assert box(layers, 8) == (reached[0], reached[-1])
    assert field(layers) == (reached[-1] - reached[0] + 1, 4)
    assert box(layers, 0)[0] == -5  # one pixel of padding, and two that lie two pixels apart


def test_published_networks_have_the_fields_that_the_profiler_finds():
    field = define("receptive", "receptive_field")
    conv, pool = (3, 1, 1, 1), (2, 2, 0, 1)
    vgg16 = [each for depth in (2, 2, 3, 3, 3) for each in [*[conv] * depth, pool]]
    assert field(vgg16) == (212, 32)
    assert profile("vgg16").layer("features.30").receptive_field == 212
    assert field([(5, 1, 0, 1), pool] * 2) == (16, 4)  # LeNet-5 up to S4


def test_a_stack_of_ones_counts_the_ways():
    influence = define("receptive", "influence")
    ways = influence([torch.ones(1, 1, 3, 3)] * 2, torch.ones(2, 1, 7, 7), 3, 3)
    line = torch.tensor([0.0, 1, 2, 3, 2, 1, 0])
    assert torch.equal(ways, line.outer(line))


def test_vgg_has_the_papers_weights():
    config = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]
    with torch.device("meta"):
        features = define("receptive", "VGG")(config, 3, 1000).features
    assert sum(p.numel() for p in features.parameters()) == 14_714_688  # torchvision's vgg16().features


def test_three_small_kernels_cost_the_published_share_of_a_large_one():
    # section 2.3: 27 C^2 against 49 C^2, "81% more"
    depth, stack, single = define("receptive", "stack_for")(7, 10)
    assert (depth, stack, single) == (3, 2700, 4900) and round(100 * (single / stack - 1)) == 81

"""Judging: what is right passes however it is written, what is wrong or forged does not."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from courseware.grading.assignment import Draw
from courseware.grading.inside import wire
from courseware.grading.inside.drive import drive
from courseware.grading.inside.wire import Model
from courseware.grading.trials import Build, Call, Network, Wrong

DRAW = Draw(b"key", "lab")


def answer(trial, source, name="f"):
    """What the driver says about a trial of `source`, over the wire."""
    order = {"cells": ["import torch\nfrom torch import nn\nimport numpy as np", source], "name": name}
    return wire.decode(drive(wire.encode({**order, "trials": [trial.order(DRAW)]})))[0]


def judged(trial, source):
    return trial.judge(answer(trial, source), DRAW)


@pytest.mark.parametrize(
    ("expected", "right"),
    [
        (3, "3"),
        (3, "torch.tensor(3)"),
        (3, "np.int64(3)"),
        (2.5, "2.50001"),
        (2.0, "2"),
        (True, "True"),
        ("same", "'same'"),
        ([1, 2.0], "(1, 2)"),
        ({"a": 1}, "{'a': 1}"),
        (torch.ones(2, 3), "torch.ones(2, 3, requires_grad=True)"),
        (torch.ones(2), "torch.ones(2, dtype=torch.float64)"),
        (np.ones(2), "np.ones(2)"),
    ],
)
def test_a_right_value_passes(expected, right):
    assert judged(Call(expected=expected), f"def f():\n    return {right}") == 1


@pytest.mark.parametrize(
    ("expected", "wrong", "message"),
    [
        (3, "None", "is a `return` missing"),
        (3, "4", "not right"),
        (3, "3.0", "not an int"),
        (1, "True", "not an int"),
        (2.5, "float('nan')", "not right"),
        (2.5, "torch.tensor([2.5])", "not a float"),
        ([1, 2], "[1]", "not 2 values"),
        ({"a": 1}, "{'b': 1}", "keys"),
        (torch.ones(2), "[1.0, 1.0]", "not a tensor"),
        (torch.ones(2), "torch.ones(2, 1)", "of shape (2, 1); (2,) is asked for"),
        (torch.ones(2), "torch.full((2,), torch.nan)", "not finite"),
        (torch.ones(2), "torch.tensor([1.0, 1.01])", "numbers differ"),
        (torch.ones(2), "torch.ones(2).to_sparse()", "f():"),
        (1, "10 ** 100", "64 bits"),
        (1, "1 / 0", "ZeroDivisionError"),
        (1, "object()", "a value of type object"),
    ],
)
def test_a_wrong_value_is_told_apart_and_named(expected, wrong, message):
    with pytest.raises(Wrong) as caught:
        judged(Call(expected=expected), f"def f():\n    return {wrong}")
    assert message in str(caught.value)


def test_an_error_names_its_line_in_the_cell():
    with pytest.raises(Wrong, match=r"NameError: .*undefined.*line 3 of the cell"):
        judged(Call(expected=1), "def f():\n    x = 1\n    return undefined")


def test_arguments_arrive_as_they_were_sent():
    x = torch.arange(6.0).reshape(2, 3)
    source = "def f(x, y, *, scale):\n    return x @ y.T * scale + len(y)"
    trial = Call(x, x + 1, scale=2, expected=x @ (x + 1).T * 2 + 2)
    assert judged(trial, source) == 1


def test_a_network_of_the_registry_is_made_inside():
    model = Model("lenet5_modern", {"num_classes": 3})
    trial = Call(model, expected=[3, 84])
    assert judged(trial, "def f(model):\n    return list([*model.parameters()][-2].shape)") == 1


def branch():
    return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))


class Reference(nn.Module):
    """Two branches of equal layers in a row, and a linear gate."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.gate = branch(), branch(), nn.Linear(4, 4)

    def forward(self, x):
        y = self.two(F.relu(self.one(x)))
        return y * torch.sigmoid(self.gate(y.mean((2, 3))))[:, :, None, None]


OTHER_ORDER = """
class f(nn.Module):
    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4)])
        self.gate = nn.Conv2d(4, 4, 1)
        self.b = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.a = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    def forward(self, x):
        y = self.norms[0](self.b(self.norms[1](self.a(x)).relu()))
        return y * self.gate(y.mean((2, 3), keepdim=True)).sigmoid()
"""


def make(train=False):
    x = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    return Build(reference=Reference(), inputs=[x], train=train, hint="Look at the order")


@pytest.mark.parametrize("train", [False, True])
def test_a_module_passes_whatever_its_layers_are_called_and_in_which_order_they_are_made(train):
    assert judged(make(train), OTHER_ORDER) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (".relu()", "", "numbers differ"),
        (".sigmoid()", ".tanh()", "numbers differ"),
        ("bias=False)\n        self.a", "bias=True)\n        self.a", "without bias"),
        ("nn.Conv2d(4, 4, 1)", "nn.Conv2d(4, 4, 1, bias=False)", "without bias"),
        ("self.norms[0](self.b(", "self.norms[1](self.b(", "numbers differ"),
        ("padding=1, bias=False)\n    def", "bias=False)\n    def", "of shape (3, 4, 3, 3)"),
        (
            "self.gate = nn.Conv2d(4, 4, 1)",
            "self.gate = nn.Conv2d(4, 4, 1); self.x = nn.Linear(1, 1)",
            "Linear",
        ),
        ("return y *", "y *", "is a `return` missing"),
        ("class f(nn.Module)", "class f", "should give an nn.Module, not f"),
    ],
)
def test_each_deviation_in_a_module_shows(old, new, message):
    assert old in OTHER_ORDER
    with pytest.raises(Wrong) as caught:
        judged(make(), OTHER_ORDER.replace(old, new))
    assert message in str(caught.value)


def test_statistics_of_training_and_evaluation_are_told_apart():
    frozen = OTHER_ORDER.replace("def forward(self, x):", "def forward(self, x):\n        self.eval()")
    assert judged(make(train=False), frozen) == 1
    with pytest.raises(Wrong, match="numbers differ"):
        judged(make(train=True), frozen)


def test_an_answer_with_weights_of_its_own_choice_does_not_pass():
    """A forger cannot make the comparison trivial: the judge draws the weights itself."""
    trial = make()
    said = answer(trial, OTHER_ORDER)
    said["outputs"][0]["value"] = torch.zeros_like(said["outputs"][0]["value"])
    with pytest.raises(Wrong, match="numbers differ"):
        trial.judge(said, DRAW)


@pytest.mark.parametrize(
    "forged",
    [
        None, [], {}, {"value": 1}, {"layers": [], "outputs": []}, {"layers": [1], "outputs": [{"value": 1}]},
        {"layers": [{"kind": "Conv2d", "shapes": {"weight": [-1]}, "settings": {}}], "outputs": [{}]},
        {"layers": [{"kind": 1}], "outputs": [{}]}, {"layers": "x", "outputs": [{"value": torch.zeros(1)}]},
    ],
    ids=range(9),
)  # fmt: skip
def test_forged_answers_are_wrong_and_never_crash_the_judge(forged):
    for trial in (make(), Call(expected=torch.zeros(2)), Network()):
        with pytest.raises(Wrong):
            trial.judge(forged, DRAW)


NET = """
class f(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, 2, 1)
        self.head = nn.Linear(width, 10)
    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))
"""


def test_a_network_is_counted_and_scored_outside():
    seen = []

    def score(network, draw):
        seen.append(sum(each.numel() for each in network.parameters()))
        return 0.25

    assert judged(Network(max_params=200, score=score), NET) == 0.25
    assert seen == [8 * 9 + 8 + 8 * 10 + 10]
    with pytest.raises(Wrong, match="170 parameters; 100 are allowed"):
        judged(Network(max_params=100), NET)
    with pytest.raises(Wrong, match="multiply-accumulates"):
        judged(Network(max_macs=1000), NET)
    with pytest.raises(Wrong, match=r"shape \(2, 7\)"):
        judged(Network(classes=7), NET)


def test_draws_depend_on_key_lab_file_and_exercise_and_on_nothing_else():
    assert torch.equal(Draw(b"k", "a", "b").tensor(3), Draw(b"k", "a", "b").tensor(3))
    seeds = {
        Draw(*about).seed
        for about in [(b"k", "a"), (b"l", "a"), (b"k", "b"), (b"k", "a", ""), (b"k", "", "a")]
    }
    assert len(seeds) == 5

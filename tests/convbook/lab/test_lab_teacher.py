"""The lab on distillation: the solved source passes, mistakes are told apart, formulas hold by hand."""

import math

import pytest
import torch
from solved import run, source_of

from convbook.lab import Lab

SOFT = "soft = (teacher.exp() * (teacher - student)).sum(dim=1).mean()"
GRADIENT = "temperature * (q - p) / len(student_logits)"
GEOMETRIC = "logits.log_softmax(dim=2).mean(dim=0).softmax(dim=1)"

# mistake: (exercise, what stands in the solution, what a student might write instead, words of the hint)
MISTAKES = {
    "multiplied by the temperature": ("soft_targets", "logits / temp", "logits * temp", "divide the logits"),
    "overflow": ("soft_targets", "scaled - scaled.amax(dim=1, keepdim=True)", "scaled", "not finite"),
    "sum over the images": ("soft_targets", "powers.sum(dim=1", "powers.sum(dim=0", "add up to one"),
    "PyTorch's softmax": ("soft_targets", "(scaled - ", "(scaled.softmax(1) * 0 + scaled - ", "without"),
    "mean over the classes": (
        "distillation_loss",
        ".sum(dim=1).mean()",
        ".mean()",
        "sum over the classes",
    ),
    "divergence the other way round": (
        "distillation_loss",
        SOFT,
        "soft = (student.exp() * (student - teacher)).sum(dim=1).mean()",
        "direction",
    ),
    "no square of the temperature": ("distillation_loss", "alpha * temperature**2", "alpha", "factor"),
    "labels at the temperature": (
        "distillation_loss",
        "F.cross_entropy(student_logits, ",
        "F.cross_entropy(student_logits / temperature, ",
        "alpha weighs",
    ),
    "weights swapped": ("distillation_loss", "soft + (1 - alpha)", "soft * 0 + alpha", "cross-entropy"),
    "power of T": ("soft_gradient", GRADIENT, "(q - p) / len(student_logits)", "power of T"),
    "sign": ("soft_gradient", "(q - p)", "(p - q)", "sign"),
    "sum over the images, not the mean": ("soft_gradient", GRADIENT, "temperature * (q - p)", "mean"),
    "mean of the logits": (
        "ensemble_targets",
        "logits.softmax(dim=2).mean(dim=0)",
        "logits.mean(dim=0).softmax(dim=1)",
        "arithmetic mean of 3",
    ),
    "not normalised": ("ensemble_targets", GEOMETRIC, GEOMETRIC.replace("softmax(dim=1)", "exp()"), "one"),
    "divided too early": (
        "dark_knowledge",
        "row[c] = 0\n        table[c] = row / row.sum()",
        "table[c] = row / row.sum()\n        table[c, c] = 0",
        "adds up to one",
    ),
    "own class kept": ("dark_knowledge", "        row[c] = 0\n", "", "diagonal"),
    "mean of no image": ("dark_knowledge", "labels.unique().tolist()", "range(classes)", "not finite"),
    "columns for rows": ("dark_knowledge", "table[c] = ", "table[:, c] = ", "row of zeros"),
    "evaluation mode once": ("Frozen", "        self.teacher.eval()\n", "", "train()"),
    "too many parameters": ("Student", "(8, 16, 32)", "(32, 64, 128)", "fewer than"),
    "grey images only": ("Student", "channels = in_channels", "channels = 1", "raised"),
    "no head": ("Student", "self.head(self.features(x).mean(dim=(2, 3)))", "self.features(x)", "shape"),
}


@pytest.mark.parametrize("name", list(Lab("teacher").checks))
def test_the_solved_source_passes_each_check(name):
    lab = Lab("teacher")
    lab.check(run(source_of("teacher", name), name))
    assert lab.passed == [name], lab.results


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_planted_mistake_fails_its_check_with_a_hint(mistake):
    name, right, wrong, hint = MISTAKES[mistake]
    source = source_of("teacher", name)
    assert right in source
    lab = Lab("teacher")
    lab.check(run(source.replace(right, wrong), name))
    assert lab.passed == []
    assert hint in lab.results[name], lab.results[name]


def test_a_loss_that_teaches_nobody_fails():
    loss = run(source_of("teacher", "distillation_loss"), "distillation_loss")

    def distillation_loss(*given):
        return loss(*given).detach()

    lab = Lab("teacher")
    lab.check(distillation_loss)
    assert "no gradient flows" in lab.results["distillation_loss"]


def test_a_teacher_frozen_in_another_way_passes():
    source = """class Frozen(nn.Module):
    def __init__(self, teacher):
        super().__init__()
        self.inner = teacher.eval()
        self.inner.requires_grad_(False)

    def train(self, mode=True):
        return super().train(False)

    def forward(self, x):
        with torch.no_grad():
            return self.inner(x)
"""
    lab = Lab("teacher")
    lab.check(run(source, "Frozen"))
    assert lab.passed == ["Frozen"], lab.results


def test_the_gradient_is_what_one_image_of_two_classes_says_by_hand():
    """Odds of 9 against 1 at T = 2 are 3 against 1; an even student is pulled by 2 * (1/2 - 3/4)."""
    gradient = run(source_of("teacher", "soft_gradient"), "soft_gradient")
    teacher = torch.tensor([[math.log(9.0), 0.0]])
    expected = torch.tensor([[-0.5, 0.5]])
    torch.testing.assert_close(gradient(torch.zeros(1, 2), teacher, 2.0), expected)


def test_the_means_of_two_teachers_are_those_worked_out_by_hand():
    """One says 9 to 1, one is even: 0.7 on average, and the root of 9 to 1, which is 3 to 1."""
    ensemble = run(source_of("teacher", "ensemble_targets"), "ensemble_targets")
    logits = torch.tensor([[[math.log(9.0), 0.0]], [[0.0, 0.0]]])
    torch.testing.assert_close(ensemble(logits, "arithmetic"), torch.tensor([[0.7, 0.3]]))
    torch.testing.assert_close(ensemble(logits, "geometric"), torch.tensor([[0.75, 0.25]]))


def test_second_guesses_are_shared_out_as_by_hand():
    """Two images of class 0 leave 0.3 and 0.1 on average to the others: three quarters and one quarter."""
    table = run(source_of("teacher", "dark_knowledge"), "dark_knowledge")
    p = torch.tensor([[0.5, 0.5, 0.0], [0.7, 0.1, 0.2]])
    expected = torch.tensor([[0.0, 0.75, 0.25], [0, 0, 0], [0, 0, 0]])
    torch.testing.assert_close(table(p, torch.tensor([0, 0])), expected)

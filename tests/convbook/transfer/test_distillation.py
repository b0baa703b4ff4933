"""Distillation: the loss is the paper's, the teacher stays as it is, the student learns from it alone."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convbook.data import ImageSet, load
from convbook.training import Recipe, evaluate, fit, predict
from convbook.transfer import (
    Distillation,
    Ensemble,
    distillation_loss,
    max_norm,
    only_classes,
    shift_bias,
    shift_for_share,
    soft_targets,
    without_classes,
)

Build = Callable[..., nn.Module]
RECIPE = Recipe(epochs=6, batch_size=40, lr=0.05, seed=0)


def learn(student: nn.Module, data: ImageSet, objective: Distillation, epochs: int = 15) -> nn.Module:
    """A plain loop, as ``fit`` calls an objective."""
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    student.train()
    for _ in range(epochs):
        for images, labels in data.batches(40, shuffle=True, generator=generator):
            loss, _ = objective(student, images, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return student.eval()


@pytest.fixture
def teacher(train: ImageSet, val: ImageSet, perceptron: Build) -> nn.Module:
    model = perceptron(32, seed=0)
    fit(model, train, val, RECIPE, device="cpu", progress=False)
    return model


def test_soft_targets_are_powers_of_the_probabilities_normalised_again() -> None:
    scores = torch.randn(5, 4)
    powers = torch.softmax(scores, dim=1) ** (1 / 3)
    assert torch.allclose(soft_targets(scores, 3), powers / powers.sum(dim=1, keepdim=True), atol=1e-6)


def test_the_gradient_is_that_of_the_papers_two_cross_entropies() -> None:
    torch.manual_seed(0)
    scores, teacher = torch.randn(2, 6, 5)
    labels = torch.randint(0, 5, (6,))
    ours, papers = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    distillation_loss(ours, teacher, labels, temperature=5, soft=0.7).backward()
    soft = -(torch.softmax(teacher / 5, 1) * torch.log_softmax(papers / 5, 1)).sum(dim=1).mean()
    (0.7 * 25 * soft + 0.3 * F.cross_entropy(papers, labels)).backward()
    assert torch.allclose(ours.grad, papers.grad, atol=1e-6)


def test_the_factor_of_t_squared_keeps_the_pull_of_the_soft_targets() -> None:
    torch.manual_seed(0)
    scores, teacher = torch.randn(2, 6, 5)
    pulls = []
    for temperature in (20.0, 40.0):
        leaf = scores.clone().requires_grad_()
        distillation_loss(leaf, teacher, torch.zeros(6).long(), temperature, soft=1).backward()
        pulls.append(leaf.grad.norm().item())
    assert math.isclose(pulls[0], pulls[1], rel_tol=0.03)


def test_a_student_that_scores_as_its_teacher_has_no_soft_loss() -> None:
    scores = torch.randn(3, 4) * 5
    shifted = scores + torch.randn(3, 1)  # the same probabilities
    assert distillation_loss(scores, shifted, torch.zeros(3).long(), 20, soft=1).abs() < 1e-4


def test_labels_may_be_probabilities() -> None:
    scores, teacher, labels = torch.randn(3, 4), torch.randn(3, 4), torch.tensor([3, 0, 1])
    hard = distillation_loss(scores, teacher, labels, 2, 0.5)
    assert torch.allclose(distillation_loss(scores, teacher, F.one_hot(labels, 4).float(), 2, 0.5), hard)


def test_scores_in_16_bits_give_a_float32_loss() -> None:
    scores = torch.randn(3, 4).bfloat16()
    assert distillation_loss(scores, scores, torch.zeros(3).long()).dtype == torch.float32


def test_the_teacher_is_asked_in_evaluation_mode_and_left_alone(train: ImageSet, perceptron: Build) -> None:
    teacher = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(0.9), nn.Linear(64, 4)).train()
    before, student = copy.deepcopy(teacher.state_dict()), perceptron(8, seed=1)
    objective = Distillation(teacher, temperature=2, soft=1)
    teacher.train()  # as an evaluation elsewhere may leave it
    images, labels = next(train.batches(16))
    loss, scores = objective(student, images, labels)
    loss.backward()
    assert torch.equal(loss, objective(student, images, labels)[0])  # no dropout
    assert torch.equal(scores, student(images)) and not teacher.training
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_the_teacher_follows_autocast() -> None:
    seen = []
    teacher = nn.Linear(4, 3)
    teacher.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        Distillation(teacher)(nn.Linear(4, 3), torch.randn(2, 4), torch.tensor([0, 1]))
    assert seen == [torch.bfloat16]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_teacher_moves_to_the_images() -> None:
    student, images = nn.Linear(4, 3).cuda(), torch.randn(2, 4, device="cuda")
    loss, _ = Distillation(nn.Linear(4, 3))(student, images, torch.tensor([0, 1], device="cuda"))
    assert loss.isfinite()


def test_a_student_learns_from_soft_targets_without_labels(
    teacher: nn.Module, train: ImageSet, val: ImageSet, perceptron: Build
) -> None:
    wrong = copy.copy(train)
    wrong.labels = torch.zeros_like(train.labels)
    student = learn(perceptron(16, seed=2), wrong, Distillation(teacher, temperature=4, soft=1))
    assert evaluate(teacher, val)["accuracy"] > 0.95
    agree = predict(student, val).argmax(1) == predict(teacher, val).argmax(1)
    assert agree.float().mean() > 0.95


def test_a_digit_never_seen_is_set_right_by_its_bias(perceptron: Build) -> None:
    """The unseen 3, on scikit-learn's scans; its bias is first lowered until nothing is taken for a three."""
    train, val = load("digits")
    teacher = nn.Sequential(nn.AvgPool2d(4), perceptron(100, seed=0, classes=10))
    fit(teacher, train, val, RECIPE, device="cpu", progress=False)
    student = nn.Sequential(nn.AvgPool2d(4), perceptron(50, seed=1, classes=10))
    learn(student, without_classes(train, ["3"]), Distillation(teacher, temperature=4, soft=1))
    shift_bias(student, [3], -50)
    assert not (predict(student, train).argmax(dim=1) == 3).any()
    share = (train.labels == 3).double().mean().item()
    shift_bias(student, [3], shift_for_share(predict(student, train), [3], share))
    right = predict(student, val).argmax(dim=1) == val.labels
    assert right[val.labels == 3].float().mean() > 0.8 and right.float().mean() > 0.85
    wins = (predict(student, train).argmax(dim=1) == 3).double().mean().item()
    assert abs(wins - share) <= 1 / len(train)


def test_two_classes_can_be_shifted_together() -> None:
    torch.manual_seed(0)
    scores = torch.randn(1000, 10)
    scores[:, [7, 8]] += 4
    moved = scores.clone()
    moved[:, [7, 8]] += shift_for_share(scores, [7, 8], 0.2)
    wins = torch.isin(moved.argmax(dim=1), torch.tensor([7, 8])).sum()
    assert wins == 200


def test_transfer_sets_keep_numbers_and_statistics(train: ImageSet) -> None:
    two, rest = only_classes(train, [1, "fourth"]), without_classes(train, [1, 3])
    assert set(two.labels.tolist()) == {1, 3} and set(rest.labels.tolist()) == {0, 2}
    assert len(two) + len(rest) == len(train) and two.classes == train.classes
    assert torch.equal(two.mean, train.mean)


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_an_ensembles_softmax_is_the_mean_of_its_members(mean: str, perceptron: Build) -> None:
    models, images = [perceptron(8, seed) for seed in range(3)], torch.randn(5, 1, 8, 8)
    each = torch.stack([torch.softmax(model(images), 1) for model in models])
    expected = each.mean(0) if mean == "arithmetic" else each.prod(0) ** (1 / 3)
    expected = expected / expected.sum(dim=1, keepdim=True)
    assert torch.allclose(torch.softmax(Ensemble(models, mean)(images), 1), expected, atol=1e-6)


def test_max_norm_bounds_what_training_makes_of_the_weights(
    train: ImageSet, val: ImageSet, perceptron: Build
) -> None:
    bounded, free = max_norm(perceptron(8, 0), 0.3), perceptron(8, 0)
    for model in (bounded, free):
        fit(model, train, val, RECIPE, device="cpu", progress=False)
    assert max(bounded[i].weight.norm(dim=1).max().item() for i in (1, 3)) <= 0.3001
    assert free[1].weight.norm(dim=1).max() > 0.3001


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: soft_targets(torch.zeros(1, 2), 0), "temperature must be above 0"),
        (lambda: Distillation(nn.Linear(1, 1), soft=1.5), "from 0 to 1"),
        (lambda: distillation_loss(torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2)), "same classes"),
        (lambda: Ensemble([]), "at least one"),
        (lambda: Ensemble([nn.Linear(1, 1)], "harmonic"), "geometric, arithmetic"),
        (lambda: shift_bias(nn.Linear(2, 3), [3], 1.0), "classes 0 to 2"),
        (lambda: shift_bias(nn.ReLU(), [0], 1.0), "no linear"),
        (lambda: shift_for_share(torch.zeros(4, 2), [0], 0.01), "share of 0.01"),
        (lambda: max_norm(nn.Linear(1, 1), 0), "above 0"),
    ],
)
def test_bad_input_is_named_in_one_line(call, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_unknown_classes_are_refused(train: ImageSet) -> None:
    with pytest.raises(ValueError, match="some of first, second"):
        without_classes(train, ["fifth"])
    with pytest.raises(ValueError, match="no image"):
        without_classes(train, [0, 1, 2, 3])

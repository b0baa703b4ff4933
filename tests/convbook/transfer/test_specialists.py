"""Specialists: groups, training sets, corrections and combinations whose answers are known by hand."""

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from convbook.data import ImageSet
from convbook.transfer import combine, confusable_classes, make_specialist, reduce_labels, specialist_set


def lump(probabilities: Tensor, classes: list[int]) -> Tensor:
    """What a specialist that knows the truth says: its classes, then all others together."""
    own = probabilities[:, classes]
    return torch.cat([own, 1 - own.sum(dim=1, keepdim=True)], dim=1)


def test_classes_that_share_their_images_form_a_group() -> None:
    """Six classes; the generalist is sure of the pair (0, 3), (1, 4) or (2, 5), and never within it."""
    torch.manual_seed(0)
    pair, scores = torch.randint(0, 3, (600,)), torch.randn(600, 6)
    scores[torch.arange(600), pair] += 6
    scores[torch.arange(600), pair + 3] += 6
    assert confusable_classes(scores, 3) == [(0, 3), (1, 4), (2, 5)]
    assert confusable_classes(scores, 1) == [(0, 1, 2, 3, 4, 5)]


def test_reduced_labels_send_all_other_classes_to_the_dustbin(train: ImageSet) -> None:
    reduced = reduce_labels(train, [2, 0])
    for old, new in zip(train.labels.tolist(), reduced.labels.tolist(), strict=True):
        assert new == {2: 0, 0: 1}.get(old, 2)
    assert reduced.classes == ("third", "first", "dustbin") and train.classes[2] == "third"


def test_half_of_a_specialists_images_are_of_its_classes(train: ImageSet) -> None:
    own = int((train.labels == 1).sum())
    data, correction = specialist_set(train, [1], Generator().manual_seed(0))
    assert data.labels.bincount().tolist() == [own, own] and data.classes == ("second", "dustbin")
    assert math.isclose(correction, math.log((len(train) - own) / own))
    images = {image.numpy().tobytes(): label for image, label in zip(train.images, train.labels, strict=True)}
    assert len({image.numpy().tobytes() for image in data.images}) == 2 * own  # none twice
    for image, label in zip(data.images, data.labels.tolist(), strict=True):
        assert (images[image.numpy().tobytes()] == 1) == (label == 0)


def test_the_correction_turns_the_sets_posterior_into_the_datas(train: ImageSet) -> None:
    """Counting is the best classifier of images that all look alike: it must become the true frequency."""
    data, correction = specialist_set(train, [0, 2], Generator().manual_seed(0))
    scores = data.labels.bincount().double().log()
    scores[-1] += correction
    truth = reduce_labels(train, [0, 2]).labels.bincount().double() / len(train)
    assert torch.allclose(torch.softmax(scores, 0), truth)


def test_a_specialist_starts_from_what_the_generalist_says() -> None:
    torch.manual_seed(0)
    generalist = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 5))
    generalist[2].weight.data[[1, 4]] = generalist[2].weight.data[[1, 1]]  # the two others score the same
    generalist[2].bias.data[[1, 4]] = 0.3
    specialist, x = make_specialist(generalist, [3, 0, 2]), torch.randn(6, 3)
    truth = torch.softmax(generalist(x), dim=1)
    assert torch.allclose(torch.softmax(specialist(x), 1), lump(truth, [3, 0, 2]), atol=1e-6)
    assert generalist[2].out_features == 5 and specialist[2].out_features == 4


def test_voices_that_agree_are_taken_at_their_word() -> None:
    torch.manual_seed(0)
    truth = torch.softmax(3 * torch.randn(20, 7).double(), dim=1)
    said = [([0, 1, 2], lump(truth, [0, 1, 2]).log()), ([5, 2], lump(truth, [5, 2]).log())]
    assert torch.allclose(combine(truth.log(), said, top=7).exp(), truth, atol=1e-9)


def test_nobody_called_leaves_the_generalist_alone() -> None:
    scores = torch.tensor([[5.0, 0, 0], [0, 5, 0]]).double()
    q = combine(scores, [([1], torch.tensor([[9.0, 0], [9.0, 0]]))]).exp()
    truth = torch.softmax(scores, dim=1)
    assert torch.allclose(q[0], truth[0], atol=1e-12) and q[1, 1] > truth[1, 1]


def test_combining_ends_where_gradient_descent_on_the_logits_does() -> None:
    """Equation 5 minimised as the paper says, with PyTorch's gradients."""
    torch.manual_seed(0)
    generalist, groups = torch.randn(4, 6).double(), [[0, 1, 2], [2, 3], [4]]
    scores = [torch.randn(4, len(group) + 1).double() for group in groups]
    logits = generalist.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-14)

    def divergence(q: Tensor) -> Tensor:
        p = torch.softmax(generalist, dim=1)
        total = (p * (p / q).log()).sum()
        for group, said in zip(groups, scores, strict=True):
            p = torch.softmax(said, dim=1)
            total = total + (p * (p / lump(q, group)).log()).sum()
        return total

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = divergence(torch.softmax(logits, dim=1))
        loss.backward()
        return loss

    optimizer.step(closure)
    q = combine(generalist, list(zip(groups, scores, strict=True)), top=6, tolerance=1e-12).exp()
    assert torch.allclose(q.sum(dim=1), torch.ones(4).double())
    assert torch.allclose(q, torch.softmax(logits, dim=1), atol=1e-5)
    assert divergence(q) <= divergence(torch.softmax(logits, dim=1)) + 1e-12


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: confusable_classes(torch.zeros(5, 3), 4), "n_groups from 1 to 3"),
        (lambda: combine(torch.zeros(2, 3), [([0], torch.zeros(2, 3))]), "dustbin's last"),
        (lambda: combine(torch.zeros(2, 3), [([0, 0], torch.zeros(2, 3))]), "distinct"),
        (lambda: make_specialist(nn.Linear(2, 3), [0, 1, 2]), "dustbin"),
        (lambda: make_specialist(nn.Linear(2, 3, bias=False), [0]), "no bias"),
    ],
)
def test_bad_input_is_named_in_one_line(call, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)

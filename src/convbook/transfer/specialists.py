"""Specialists tell a few confusable classes apart and lump the rest (Hinton et al. 2015, section 5).

The rest is one more class, the dustbin, which stands last. A specialist is trained on a set half of which
are its classes; its dustbin's score is then raised to what it would be on images as they occur. Combining
asks for the one distribution over all classes that fits best to what a generalist and the specialists say.

    groups = confusable_classes(predict(generalist, val), n_groups=3)
    for classes in groups:
        data, correction = specialist_set(train, classes, generator)
        specialist = make_specialist(generalist, classes)
        fit(specialist, data, reduce_labels(val, classes), recipe)
        shift_bias(specialist, [len(classes)], correction)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from convbook.data import ImageSet
from convbook.transfer.transfer_set import Head, last_layer


def confusable_classes(scores: Tensor, n_groups: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Group classes that are often predicted together, by k-means on the covariance of predictions.

    Two classes that the generalist cannot tell apart share out the probability of the same images, so that
    their columns of the (K, K) covariance matrix are alike. No label is needed.

    Args:
        scores: the generalist's, (N, K).
        n_groups: groups to make, from 1 to K.
        seed: of k-means' starts.

    Returns:
        The classes of each group, ascending; groups in the order of their first class.
    """
    from sklearn.cluster import KMeans

    n, classes = scores.shape
    if n < 2 or not 1 <= n_groups <= classes:
        raise ValueError(f"{n} images and {classes} classes: needs 2 images and n_groups from 1 to {classes}")
    covariance = torch.cov(torch.softmax(scores.double(), dim=1).T)
    groups = KMeans(n_groups, n_init=10, random_state=seed).fit_predict(covariance.cpu().numpy())
    return sorted(tuple(i for i in range(classes) if groups[i] == group) for group in set(groups))


def reduce_labels(data: ImageSet, classes: Sequence[int]) -> ImageSet:
    """The same images labelled as a specialist sees them: its classes from 0 on, all others the dustbin."""
    _check_classes(classes, len(data.classes))
    reduced = torch.full((len(data.classes),), len(classes), device=data.labels.device)
    reduced[list(classes)] = torch.arange(len(classes), device=data.labels.device)
    result = copy.copy(data)
    result.labels = reduced[data.labels]
    result.classes = (*(data.classes[i] for i in classes), "dustbin")
    return result


def specialist_set(data: ImageSet, classes: Sequence[int], generator: Generator) -> tuple[ImageSet, float]:
    """A training set for a specialist: its classes' images, and as many drawn at random from the others.

    Args:
        data: the generalist's training set.
        classes: the specialist's classes.
        generator: draws the others, without replacement; on the CPU.

    Returns:
        The set, labelled by :func:`reduce_labels`, and what to add to the trained specialist's dustbin
        score: the logarithm of how many times more of its own classes it saw than there are. By Bayes' rule
        this turns what is true of the set into what is true of the data.
    """
    labels = reduce_labels(data, classes).labels.cpu()
    own, others = ((labels < len(classes)) == kind for kind in (True, False))
    own, others = own.nonzero().flatten(), others.nonzero().flatten()
    if not len(own) or not len(others):
        raise ValueError(f"{data.name} must have images of classes {tuple(classes)} and of others")
    drawn = others[torch.randperm(len(others), generator=generator)[: len(own)]]
    index = torch.cat([own, drawn]).sort().values
    return reduce_labels(data.select(index), classes), math.log(len(others) / len(drawn))


@torch.no_grad()
def make_specialist(generalist: nn.Module, classes: Sequence[int]) -> nn.Module:
    """A copy of the generalist whose last layer scores ``classes`` and the dustbin: where training starts.

    The rows of ``classes`` are kept. The dustbin's row is the mean of the others', its bias raised by the
    logarithm of their number: so it scores what they score together, if all of them score the same.

    Raises:
        ValueError: if classes are not some of the last layer's, or that layer has no bias.
    """
    name, head = last_layer(generalist)
    if head.bias is None:
        raise ValueError(f"the last layer, {head}, has no bias: a specialist's must have one")
    _check_classes(classes, len(head.bias))
    own = torch.tensor(list(classes), device=head.bias.device)
    rest = torch.ones(len(head.bias), dtype=torch.bool, device=head.bias.device)
    rest[own] = False
    result = copy.deepcopy(generalist)
    new = result.get_submodule(name)
    assert isinstance(new, Head)
    new.weight = nn.Parameter(torch.cat([head.weight[own], head.weight[rest].mean(dim=0, keepdim=True)]))
    dustbin = head.bias[rest].mean(dim=0, keepdim=True) + math.log(int(rest.sum()))
    new.bias = nn.Parameter(torch.cat([head.bias[own], dustbin]))
    setattr(new, "out_features" if isinstance(new, nn.Linear) else "out_channels", len(own) + 1)
    return result


@torch.no_grad()
def combine(
    generalist: Tensor,
    specialists: Sequence[tuple[Sequence[int], Tensor]],
    *,
    top: int = 1,
    steps: int = 1000,
    tolerance: float = 1e-7,
) -> Tensor:
    """The distribution q over all classes that agrees best with a generalist and its specialists.

    For each image it minimises KL(generalist || q) + sum of KL(specialist || q lumped as the specialist
    lumps it), over those specialists that know one of the generalist's ``top`` classes (equation 5). The
    paper descends the gradient of q's logits, which is, for each class, q times the number of voices less
    their claims: what the generalist gives it, and each specialist, which shares out its dustbin in
    proportion to q. Here each step sets q to the mean of these claims, where that gradient would be zero.
    No rate has to be chosen, the sum falls at every step (it is the EM algorithm for lumped counts), and as
    it is convex in q the end is its one minimum.

    Args:
        generalist: scores (N, K).
        specialists: each one's classes, S of them, and its scores (N, S + 1), dustbin last and corrected.
        top: how many of the generalist's best classes call a specialist in.
        steps: at most that many.
        tolerance: stop when no probability moves by more.

    Returns:
        Logarithms of q, float64 (N, K): scores like a network's.

    >>> even = torch.zeros(1, 4)  # a generalist that knows nothing
    >>> q = combine(even, [((0, 1), torch.tensor([[0.5, 0.25, 0.25]]).log())], top=4).exp()
    >>> [round(p, 4) for p in q[0].tolist()]
    [0.375, 0.25, 0.1875, 0.1875]
    """
    said = torch.softmax(generalist.double(), dim=1)
    classes = said.shape[1]
    best = said.topk(min(top, classes), dim=1).indices
    voices, calls = [], torch.ones(len(said), 1, dtype=said.dtype, device=said.device)
    for known, scores in specialists:
        _check_classes(known, classes)
        if scores.shape != (len(said), len(known) + 1):
            raise ValueError(
                f"a specialist of {len(known)} classes gives {(len(said), len(known) + 1)} scores, the "
                f"dustbin's last; got {tuple(scores.shape)}"
            )
        own = torch.zeros(classes, dtype=torch.bool, device=said.device)
        own[list(known)] = True
        called = own[best].any(dim=1, keepdim=True).to(said)
        claims = torch.softmax(scores.to(said), dim=1)
        inside = torch.zeros_like(said)
        inside[:, list(known)] = claims[:, :-1]
        voices.append((called, inside, claims[:, -1:], (~own).to(said)))
        calls = calls + called
    q = said
    for _ in range(steps):
        claimed = said
        for called, inside, dustbin, others in voices:
            outside = q * others
            total = outside.sum(dim=1, keepdim=True).clamp_min(1e-300)
            claimed = claimed + called * (inside + dustbin * outside / total)
        previous, q = q, claimed / calls
        if (q - previous).abs().max() <= tolerance:
            break
    return q.log()


def _check_classes(classes: Sequence[int], count: int) -> None:
    if len(set(classes)) != len(classes) or not all(0 <= i < count for i in classes):
        raise ValueError(f"classes must be distinct numbers from 0 to {count - 1}; got {tuple(classes)}")
    if not 0 < len(classes) < count:
        raise ValueError("a specialist needs at least one class, and at least one for its dustbin")

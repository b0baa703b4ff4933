"""Transfer sets that leave classes out, and what sets a student right that never saw them.

A student that learns a teacher's softened scores on a transfer set without threes still learns what a three
is, from the shares of three in other digits; only the bias of its three comes out too low (Hinton et al.
2015, section 3). The paper raises it by what suits the test set best. Here it is set from data that need no
label and no test image: so that threes are predicted as often as they occur.

    student = ...  # learnt from Distillation(teacher, temperature=20, soft=1) on without_classes(train, [3])
    share = (train.labels == 3).double().mean().item()
    shift_bias(student, [3], shift_for_share(predict(student, train), [3], share))
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from convbook.data import ImageSet

Head = nn.Linear | nn.Conv2d


def without_classes(data: ImageSet, classes: Iterable[int | str]) -> ImageSet:
    """The images of all other classes; class numbers stay as they are.

    Args:
        data: labelled images.
        classes: numbers or names of classes to leave out.

    Raises:
        ValueError: if there is no such class, or no image is left.
    """
    return _select(data, classes, keep=False)


def only_classes(data: ImageSet, classes: Iterable[int | str]) -> ImageSet:
    """The images of these classes; class numbers stay as they are. See :func:`without_classes`."""
    return _select(data, classes, keep=True)


def shift_for_share(scores: Tensor, classes: Iterable[int], share: float) -> float:
    """What to add to the scores of ``classes`` so that they win on a given share of the images.

    An image goes to the classes once the shift exceeds the lead that the best other class has over the best
    of them: the shift is a quantile of these leads, half-way between two of them.

    Args:
        scores: (N, K), of images as they occur (all classes; labels are not needed).
        classes: numbers of the classes to shift together.
        share: how often one of them should win: their frequency, above 0 and below 1.

    Raises:
        ValueError: if the share is out of range, or rounds to no image or to all.

    >>> scores = torch.tensor([[5.0, 0.0], [5.0, 1.0], [5.0, 3.0], [5.0, 4.0]])  # class 1 never wins
    >>> shift_for_share(scores, [1], share=0.5)
    3.0
    """
    chosen = torch.zeros(scores.shape[1], dtype=torch.bool, device=scores.device)
    chosen[list(classes)] = True
    if chosen.all() or not chosen.any():
        raise ValueError("name at least one class, and not all of them")
    wins = round(share * len(scores))
    if not 0 < wins < len(scores):
        raise ValueError(
            f"a share of {share} of {len(scores)} images is none of them or all: no shift is right"
        )
    leads = (scores[:, ~chosen].amax(dim=1) - scores[:, chosen].amax(dim=1)).double().sort().values
    return leads[wins - 1 : wins + 1].mean().item()


@torch.no_grad()
def shift_bias(model: nn.Module, classes: Iterable[int], amount: float) -> None:
    """Add ``amount`` to the biases of ``classes`` in the model's last layer, in place.

    Raises:
        ValueError: if that layer has no bias or no such class.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> x = torch.randn(5, 4)
    >>> before = model(x)
    >>> shift_bias(model, [1], 3.5)
    >>> (model(x) - before).mean(dim=0).round(decimals=4).tolist()
    [0.0, 3.5, 0.0]
    """
    _, head = last_layer(model)
    index = list(classes)
    if head.bias is None:
        raise ValueError(f"the last layer, {head}, has no bias to shift")
    if not all(0 <= i < len(head.bias) for i in index):
        raise ValueError(f"the last layer has classes 0 to {len(head.bias) - 1}; got {index}")
    head.bias[index] += amount


def last_layer(model: nn.Module) -> tuple[str, Head]:
    """Name and module of the linear or convolutional layer that the model lists last: that of its scores.

    Raises:
        ValueError: if there is none.
    """
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, Head)]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no linear or convolutional layer")
    return layers[-1]


def _select(data: ImageSet, classes: Iterable[int | str], *, keep: bool) -> ImageSet:
    numbers = {name: number for number, name in enumerate(data.classes)}
    wanted = [numbers.get(c, -1) if isinstance(c, str) else c for c in classes]
    if not wanted or not all(0 <= number < len(data.classes) for number in wanted):
        raise ValueError(f"classes must be some of {', '.join(data.classes)} (or their numbers from 0)")
    named = torch.isin(data.labels, torch.tensor(wanted, device=data.labels.device))
    index = (named if keep else ~named).nonzero().flatten()
    if not len(index):
        raise ValueError(f"no image of {data.name} is left")
    return data.select(index)
